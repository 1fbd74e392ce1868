import BolsterDeterminism
import BolsterLeasing
import BolsterRecords
import BolsterStorage
import Foundation
import GRDB
import Testing

@testable import BolsterCoordinator

@Suite("Recovery", .serialized) struct RecoveryTests {
    private let folder = TemporaryFolder()
    private var output: ObjectStore { ObjectStore(root: folder.path + "/out") }

    /// A whole run by one worker that writes real record files; says what it was granted.
    private func run(_ state: String = "state", worker name: String = "a") throws -> [Grant] {
        let coordinator = try Coordinator(configuration(in: folder, state: state))
        let running = Running { try coordinator.run { _ in } }
        let worker = try SocketWorker(name, endpoint: coordinator.endpoint, output: output)
        try Running { try worker.run() }.value()
        #expect(try running.value() == .finished(quarantined: 0, blocked: 0))
        return worker.grants
    }

    private func recover(_ state: String) throws -> RecoveryReport {
        try StoppedRun.recover(configuration(in: folder, state: state))
    }

    private func deleteBackups() throws {
        for name in try output.list(prefix: "ledger/") { try output.delete(name) }
    }

    @Test("Without any copy, the record files alone bring a run back, and nothing is done again")
    func filesAlone() throws {
        _ = try run()
        try deleteBackups()
        let report = try recover("new")
        #expect(report.chunks == 27 && report.units == 9 && report.backup == nil)
        #expect(report.unusable + report.surplus + report.void == 0)
        #expect(try run("new").isEmpty)
    }

    @Test("An empty state folder takes the newest copy, then the record files that are newer")
    func newerFiles()
        throws
    {
        _ = try run()
        // The copy is of a time before captions and texts of the last shard.
        let copy = try #require(try output.list(prefix: "ledger/").last)
        let path = folder.path + "/state/ledger.sqlite"
        let database = try LedgerDatabase.open(path)
        try database.writeWithoutTransaction { db in
            try db.execute(sql: "DELETE FROM finished WHERE shard = 2 AND stage < 3")
            try db.execute(sql: "DELETE FROM lease WHERE shard = 2 AND stage < 3")
        }
        try LedgerJournal(
            queue: database, path: path, keys: LedgerJournal.Keys(stages: [:]), shards: []
        ).close()
        try output.write(copy, [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
        #expect(try run("elsewhere").isEmpty)
        let status = try LedgerReader(stateDirectory: folder.path + "/elsewhere").status()
        #expect(status.stages.map(\.samples) == [18, 18, 18])
    }

    @Test("A state folder that another one has overtaken takes what was made since") func overtaken() throws {
        let first = try Coordinator(configuration(in: folder, state: "old"))
        let running = Running { try first.run { _ in } }
        let worker = try SocketWorker("a", endpoint: first.endpoint, commitsMax: 4, output: output)
        try Running { try worker.run() }.value()
        first.stop()
        #expect(try running.value() == .stopped)
        #expect(try !run("new").isEmpty)
        #expect(try run("old").isEmpty)
    }

    @Test("Who takes a run over waits for the coordinator before, which may not have noticed")
    func waits() throws {
        func opening(_ state: String) throws -> Duration {
            var settings = configuration(in: folder, state: state)
            settings.takeoverWait = .seconds(1)
            let began = ContinuousClock.now
            _ = try Coordinator(settings)
            return ContinuousClock.now - began
        }
        _ = try Coordinator(configuration(in: folder, state: "first"))
        #expect(try opening("second") >= .seconds(1))
        #expect(try opening("first") >= .seconds(1))
    }

    @Test("A damaged copy is passed over for the one before it") func damagedCopy() throws {
        _ = try run()
        try output.write("ledger/99999999-000001.sqlite", Array("not a ledger, and long enough".utf8))
        #expect(try recover("new").backup?.hasPrefix("ledger/0000") == true)
        #expect(try run("new").isEmpty)
    }

    @Test("A damaged record file is not believed: its chunk and what was made from it are done again")
    func damagedFile() throws {
        let grants = try run()
        try deleteBackups()
        let captions = try #require(grants.first { $0.unit.stage == "captions.syn_text" })
        var bytes = try output.read(captions.file(chunk: 1))
        bytes[bytes.count / 2] ^= 1
        try output.write(captions.file(chunk: 1), bytes)
        let report = try recover("new")
        #expect(report.unusable == 1 && report.chunks == 25 && report.surplus == 1)
        let again = try run("new", worker: "b")
        let stages = again.map(\.unit.stage).sorted()
        #expect(stages == ["captions.syn_text", "texts.syn_text"])
        #expect(again.allSatisfy { $0.committed == [0..<1, 2..<3] })
    }

    @Test("What an operator took back does not come back from its file") func void() throws {
        _ = try run()
        let order = InvalidateRequest(worker: WorkerID("a"), since: 0, stage: "views")
        let reply = try StoppedRun.order(
            .invalidate(order), stateDirectory: folder.path + "/state", log: configuration(in: folder).log)
        #expect(reply.chunks == 9)
        let report = try recover("state")
        #expect(report.void == 9 && report.chunks == 0)
    }

    @Test("Of two files of a chunk, the one that texts were computed from counts, else the lowest epoch")
    func choice() throws {
        let plan = configuration(in: folder).plan
        func found(_ stage: String, _ grant: UInt64, digest: UInt64, sources: [String: String] = [:])
            -> FoundRecord
        {
            let epoch = Epoch(generation: 1, grant: grant)
            let result = ChunkResult(
                chunk: 0, digest: digest, bytes: 9, samples: 2, skipped: 0, isLast: true, rangeEnd: 512)
            return FoundRecord(
                file: recordFileName(stage: stage, shard: "s0", chunk: 0, epoch: epoch), epoch: epoch,
                result: result, sources: sources)
        }
        let captions = [5, 3, 7].map { found("captions.syn_text", $0, digest: $0) }
        let texts = found(
            "texts.syn_text", 9, digest: 9, sources: [captions[0].file: Hexadecimal.text(of: UInt64(5))])
        let empty = [CommittedChunks](repeating: CommittedChunks(), count: 3)
        var alone = RecoveredShard(plan: plan, shard: "s0", known: empty)
        alone.choose([captions, [], []])
        #expect(alone.added[0].map(\.epoch.grant) == [3] && alone.refused.count == 2)
        var named = RecoveredShard(plan: plan, shard: "s0", known: empty)
        named.choose([captions, [texts], []])
        #expect(named.added[0].map(\.epoch.grant) == [5] && named.added[1].map(\.epoch.grant) == [9])
        var known = empty
        known[0].insert(CommittedChunk(epoch: captions[2].epoch, result: captions[2].result))
        var refused = RecoveredShard(plan: plan, shard: "s0", known: known)
        refused.choose([[], [texts], []])
        #expect(refused.refused == [texts.file] && refused.added[1].isEmpty)
    }
}

@Suite("Generations and copies of the ledger", .serialized) struct GenerationTests {
    private let folder = TemporaryFolder()
    private var output: ObjectStore { ObjectStore(root: folder.path + "/out") }

    @Test("Many that claim at once get a generation each, none twice") func claims() throws {
        let output = output
        let running = (0..<8).map { _ in
            Running { try (0..<5).map { _ in try Generation.claim(after: 0, in: output) } }
        }
        let claimed = try running.flatMap { try $0.value() }
        #expect(Set(claimed).count == 40 && claimed.max() == 40)
        #expect(try Generation.newest(in: output) == 40)
        #expect(try Generation.isSuperseded(39, in: output) && !Generation.isSuperseded(40, in: output))
    }

    @Test("Copies go to the output while the run goes on, the last three are kept, each is whole")
    func copies() throws {
        var settings = configuration(in: folder)
        settings.backupEvery = .milliseconds(100)
        let coordinator = try Coordinator(settings)
        let running = Running { try coordinator.run { _ in } }
        var copies: [String] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while copies.last.map({ $0 < "ledger/00000001-000005" }) ?? true, ContinuousClock.now < deadline {
            Thread.sleep(forTimeInterval: 0.05)
            copies = try output.list(prefix: "ledger/")
        }
        coordinator.stop()
        #expect(try running.value() == .stopped)
        copies = try output.list(prefix: "ledger/")
        #expect(copies.count == LedgerBackup.kept && copies.last! >= "ledger/00000001-000005")
        let restored = try LedgerBackup.restore(
            to: folder.path + "/restored.sqlite", from: output, settings.log)
        #expect(restored == copies.last)
        for copy in copies {
            let path = folder.path + "/copy.sqlite"
            try Data(output.read(copy)).write(to: URL(fileURLWithPath: path))
            let found = try LedgerDatabase.openReadOnly(path).read {
                try LedgerJournal.meta("generation", $0)
            }
            #expect(found == "1")
        }
    }
}

@Suite("FenceWatch") struct FenceWatchTests {
    private let log = configuration(in: TemporaryFolder()).log

    @Test("Who cannot see whether it rules is stale after a while, and no longer once it sees it again")
    func stale() {
        let isReachable = Box<Bool>()
        let watch = FenceWatch(every: .milliseconds(5), staleAfter: .milliseconds(200), log: log) {
            if isReachable.value != true { throw CoordinatorError(.generation, "not reachable") }
            return nil
        }
        watch.start()
        defer { watch.stop() }
        #expect(!watch.isStale)
        // One that never changes must fail this test, not hold it up.
        func becomes(_ isStale: Bool) -> Bool {
            let deadline = ContinuousClock.now + .seconds(20)
            while watch.isStale != isStale, ContinuousClock.now < deadline {
                Thread.sleep(forTimeInterval: 0.01)
            }
            return watch.isStale == isStale
        }
        #expect(becomes(true))
        isReachable.value = true
        #expect(becomes(false))
        #expect(watch.newer == nil)
    }

    @Test("A later generation is told, and stays told") func newer() {
        let watch = FenceWatch(every: .milliseconds(5), staleAfter: .seconds(60), log: log) { 7 }
        watch.start()
        defer { watch.stop() }
        while watch.newer == nil { Thread.sleep(forTimeInterval: 0.01) }
        #expect(watch.newer == 7)
    }
}
