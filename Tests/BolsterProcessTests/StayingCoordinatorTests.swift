import Foundation
import Testing

/// What a scheduler wants that starts again whatever ends.
@Suite(.enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct StayingCoordinatorTests {
    @Test("A coordinator that stays tells a late worker that nothing is left, and ends when it is told to")
    func stays() throws {
        let small = try SmallRun()
        try small.write()
        let folder = small.folder.path
        let coordinator = try Program.start(
            [
                "coordinate", small.manifest, "--listen", "tcp://127.0.0.1:*", "--state", "\(folder)/state",
                "--rendezvous", "\(folder)/rendezvous", "--stay",
            ], output: "\(folder)/head.out", errors: "\(folder)/head.err")
        defer { coordinator.terminate() }
        let work = ["work", "--rendezvous", "\(folder)/rendezvous", "--threads", "1"]
        for _ in 0..<2 {
            let worker = try Program.run(work)
            #expect(worker.status == 0, "\(worker.errors)")
            #expect(coordinator.isRunning)
        }
        coordinator.terminate()
        coordinator.waitUntilExit()
        let log = try String(contentsOfFile: "\(folder)/head.err", encoding: .utf8)
        #expect(coordinator.terminationStatus == 0, "\(log)")
    }
}
