import Foundation
import Testing

/// Preemption and drain with real processes, found by their rendezvous.
@Suite(.serialized, .enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct DrainTests {
    /// A coordinator over all of the demo's shards: many small chunks, so that a signal comes between them.
    private struct Cluster {
        let run: SmallRun
        var folder: String { run.folder.path }
        var rendezvous: [String] { ["--rendezvous", "\(folder)/rendezvous"] }

        init() throws {
            var run = try SmallRun()
            run.shards = Program.checkout + "/manifests/demo/shards/{0000..0003}.tar"
            try run.write(run.text.replacing("views: 2", with: "views: 8"))
            self.run = run
        }

        func coordinator() throws -> Process {
            try Program.start(
                ["coordinate", run.manifest, "--listen", "tcp://127.0.0.1:*", "--state", "\(folder)/state"]
                    + rendezvous, output: "\(folder)/head.out", errors: "\(folder)/head.err")
        }

        func worker(_ name: String, _ arguments: [String] = []) throws -> Process {
            try Program.start(
                ["work", "--threads", "1", "--name", name] + rendezvous + arguments,
                output: "\(folder)/\(name).out", errors: "\(folder)/\(name).err")
        }

        /// Returns when so many record files are durable under their names.
        func waitForRecords(_ count: Int) throws {
            let deadline = Date().addingTimeInterval(60)
            while SmallRun.recordFiles(below: run.output) < count {
                try #require(Date() < deadline, "no chunk was committed within a minute")
                Thread.sleep(forTimeInterval: 0.02)
            }
        }

        /// A healthy worker finds nothing in its way: no lease to expire first, no attempt burnt.
        func finish(_ coordinator: Process) throws {
            let started = Date()
            let worker = try worker("second")
            worker.waitUntilExit()
            coordinator.waitUntilExit()
            let log = try String(contentsOfFile: "\(folder)/second.err", encoding: .utf8)
            #expect(worker.terminationStatus == 0 && coordinator.terminationStatus == 0, "\(log)")
            #expect(Date().timeIntervalSince(started) < 18, "a lease had to expire first")
        }
    }

    @Test(
        "A signal lets a worker finish its chunk and hand its leases back: exit code 3, nothing lost",
        arguments: [SIGTERM, SIGUSR1])
    func signal(number: Int32) throws {
        let cluster = try Cluster()
        let coordinator = try cluster.coordinator()
        defer { coordinator.terminate() }
        let worker = try cluster.worker("first", ["--grace", "10"])
        try cluster.waitForRecords(1)
        let started = Date()
        kill(worker.processIdentifier, number)
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 3 && worker.terminationReason == .exit)
        #expect(Date().timeIntervalSince(started) < 12)
        try cluster.finish(coordinator)
        let log = try String(contentsOfFile: "\(cluster.folder)/head.err", encoding: .utf8)
        #expect(!log.contains("a lease has ended without a word"), "\(log)")
    }

    @Test("A second signal ends a worker at once, and the run goes on without it") func twice() throws {
        let cluster = try Cluster()
        let coordinator = try cluster.coordinator()
        defer { coordinator.terminate() }
        let worker = try cluster.worker("second", ["--grace", "3600"])
        try cluster.waitForRecords(1)
        let started = Date()
        kill(worker.processIdentifier, SIGTERM)
        Thread.sleep(forTimeInterval: 0.05)
        kill(worker.processIdentifier, SIGTERM)
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 3 && Date().timeIntervalSince(started) < 3)
        // A new start of the same name takes the leases over at once.
        try cluster.finish(coordinator)
    }

    @Test("Drain ends workers and coordinator with exit code 3, and the next start goes on") func drain()
        throws
    {
        let cluster = try Cluster()
        let coordinator = try cluster.coordinator()
        let worker = try cluster.worker("first")
        try cluster.waitForRecords(1)
        #expect(try Program.run(["drain"] + cluster.rendezvous).status == 0)
        worker.waitUntilExit()
        coordinator.waitUntilExit()
        #expect(worker.terminationStatus == 3 && coordinator.terminationStatus == 3)
        let before = SmallRun.recordFiles(below: cluster.run.output)
        let again = try cluster.coordinator()
        defer { again.terminate() }
        try cluster.finish(again)
        // Two stages over four shards of four chunks, each made once.
        #expect(before < 32 && SmallRun.recordFiles(below: cluster.run.output) == 32)
        let copies = try FileManager.default.contentsOfDirectory(atPath: cluster.run.output + "/ledger")
        #expect(
            copies.contains { $0.hasPrefix("00000001-") } && copies.contains { $0.hasPrefix("00000002-") })
    }

    /// Waits as long as a coordinator elsewhere might go on acknowledging, so it belongs to a full test.
    @Test(
        "Lost state folder: the next start restores the run, and no chunk is made twice",
        .enabled(if: Program.isFull, "set BOLSTER_FULL=1"))
    func lostState() throws {
        let cluster = try Cluster()
        let coordinator = try cluster.coordinator()
        let worker = try cluster.worker("first")
        try cluster.waitForRecords(3)
        kill(coordinator.processIdentifier, SIGKILL)
        coordinator.waitUntilExit()
        kill(worker.processIdentifier, SIGKILL)
        worker.waitUntilExit()
        for child in Program.descendants(of: worker.processIdentifier) { kill(child, SIGKILL) }
        Thread.sleep(forTimeInterval: 0.5)
        let before = SmallRun.recordFiles(below: cluster.run.output)
        try FileManager.default.removeItem(atPath: cluster.folder + "/state")
        let report = try Program.run(["recover", cluster.run.manifest, "--state", cluster.folder + "/state"])
        #expect(report.status == 0, "\(report.errors)")
        #expect(report.output.contains("\(before) chunks found") && report.output.contains("not restored"))
        let again = try cluster.coordinator()
        defer { again.terminate() }
        try cluster.finish(again)
        #expect(SmallRun.recordFiles(below: cluster.run.output) == 32)
    }
}

extension SmallRun {
    /// Complete record files below a run's folder.
    static func recordFiles(below output: String) -> Int {
        let names =
            FileManager.default.enumerator(atPath: output + "/records")?.allObjects.compactMap {
                $0 as? String
            }
        return (names ?? []).count { $0.hasSuffix(".records") }
    }
}
