import BolsterOracles
import Foundation
import Testing

/// The verbs of a cluster, each in its own process, with keys.
@Suite(.enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct KeyedRunTests {
    @Test("Coordinator, worker and merge as a cluster starts them, with keys made by the keys verb")
    func cluster() throws {
        let small = try SmallRun()
        try small.write()
        let folder = small.folder.path
        for name in ["head", "worker"] {
            #expect(try Program.run(["keys", "new", "\(folder)/\(name)"]).status == 0)
        }
        let allow = ["keys", "allow", "\(folder)/worker.pub", "--list", "\(folder)/allowed", "--name", "w"]
        #expect(try Program.run(allow).status == 0)
        let listed = try Program.run(["keys", "list", "\(folder)/allowed"])
        #expect(listed.output.hasSuffix(" w\n"))

        let endpoint = "tcp://127.0.0.1:\(try Listener().port)"
        let coordinator = try Program.start(
            [
                "coordinate", small.manifest, "--listen", endpoint, "--state", "\(folder)/state",
                "--key", "\(folder)/head", "--allow", "\(folder)/allowed",
            ], output: "\(folder)/head.out", errors: "\(folder)/head.err")
        defer { coordinator.terminate() }
        let worker = try Program.run([
            "work", "--coordinator", endpoint, "--threads", "1", "--cache", "\(folder)/cache",
            "--key", "\(folder)/worker", "--server-key", "\(folder)/head.pub",
        ])
        #expect(worker.status == 0, "\(worker.errors)")
        coordinator.waitUntilExit()
        let log = try String(contentsOfFile: "\(folder)/head.err", encoding: .utf8)
        #expect(coordinator.terminationStatus == 0, "\(log)")
        let merged = try Program.run(["merge", small.manifest, "--out", "\(folder)/dataset"])
        #expect(merged.status == 0, "\(merged.errors)")
        #expect(try Program.run(["verify", "\(folder)/dataset"]).status == 0)
    }

    @Test("A worker's key file that others may read is refused with the command that mends it")
    func wideKey() throws {
        let folder = try ScratchFolder()
        #expect(try Program.run(["keys", "new", folder.path + "/worker"]).status == 0)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o644], ofItemAtPath: folder.path + "/worker")
        let result = try Program.run([
            "work", "--coordinator", "tcp://127.0.0.1:5570", "--key", folder.path + "/worker",
            "--server-key", folder.path + "/worker.pub",
        ])
        #expect(result.status != 0)
        #expect(result.errors.contains("chmod 600 \(folder.path)/worker"), "\(result.errors)")
    }
}
