import Foundation
import Glibc
import Testing

/// A disk that is full in the middle of a run: a small tmpfs, which needs the right to mount.
@Suite(
    .serialized, .enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"),
    .enabled(if: SmallDisk.isPossible, "needs the right to mount a tmpfs"))
struct FullDiskTests {
    @Test("A full disk is a clear error that leaves nothing half written, and with room the run goes on")
    func fullDisk() throws {
        var small = try SmallRun()
        let disk = try #require(SmallDisk(at: small.folder.path + "/disk", kibibytes: 512))
        small.shards = Program.checkout + "/manifests/demo/shards/{0000..0001}.tar"
        let output = disk.path + "/out"
        let full = try small.run(output: output)
        #expect(full.status == 1, "\(full.errors)")
        #expect(full.errors.contains("No space left") || full.errors.contains("full"), "\(full.errors)")
        #expect(full.errors.contains(disk.path))
        #expect(SmallRun.leftovers(below: output) == [])

        try #require(disk.grow(kibibytes: 65_536))
        let continued = try small.run(output: output)
        #expect(continued.status == 0, "\(continued.errors)")
        let undisturbed = try small.run()
        #expect(undisturbed.status == 0)
        for shard in ["0000.tar", "0001.tar"] {
            let merged = try Data(contentsOf: URL(fileURLWithPath: output + "/dataset/" + shard))
            #expect(
                merged == (try Data(contentsOf: URL(fileURLWithPath: small.output + "/dataset/" + shard))))
        }
    }
}

/// A tmpfs of a stated size, unmounted with its owner.
private final class SmallDisk {
    let path: String

    static let isPossible: Bool = {
        let path = NSTemporaryDirectory() + "/bolster-mount-\(UUID().uuidString)"
        return SmallDisk(at: path, kibibytes: 64) != nil
    }()

    init?(at path: String, kibibytes: Int) {
        self.path = path
        guard mkdir(path, 0o700) == 0 else { return nil }
        if mount("tmpfs", path, "tmpfs", 0, "size=\(kibibytes)k") != 0 {
            rmdir(path)
            return nil
        }
    }

    func grow(kibibytes: Int) -> Bool {
        mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT), "size=\(kibibytes)k") == 0
    }

    deinit {
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }
}
