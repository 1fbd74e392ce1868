import BolsterOracles
import Foundation
import Glibc

extension ScratchFolder {
    /// Writes a file with its folders.
    func put(_ name: String, _ text: String = "x") throws {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    /// All names in the folder, hidden ones too.
    func names() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path).sorted()
    }
}

/// A file system in memory of a few pages, unmounted with it; nil where this user may not mount.
final class TinyDisk {
    let path: String
    private let folder: ScratchFolder

    init?(bytes: Int) throws {
        folder = try ScratchFolder()
        path = folder.path + "/disk"
        mkdir(path, 0o755)
        guard mount("bolster", path, "tmpfs", 0, "size=\(bytes)") == 0 else { return nil }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    static let canMount: Bool = {
        do {
            return try TinyDisk(bytes: 65536) != nil
        } catch {
            return false
        }
    }()
}
