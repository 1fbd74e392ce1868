import BolsterLeasing
import BolsterStorage
import Foundation
import GRDB
import Testing

@testable import BolsterCoordinator

@Suite("LedgerJournal") struct LedgerJournalTests {
    private let folder = TemporaryFolder()
    private let stages = [
        StagePlan(name: "captions.a", fingerprint: digest("a")),
        StagePlan(name: "texts.a", fingerprint: digest("t"), reads: "captions.a"),
    ]
    private let shards = (0..<2).map {
        ShardReference(index: $0, name: "s\($0)", location: "/s\($0)", size: 1, version: "1")
    }

    private var path: String { folder.path + "/ledger.sqlite" }

    private func journal() throws -> LedgerJournal {
        try LedgerJournal(path: path, run: "r", stages: stages, shards: shards)
    }

    private func ledger(_ journal: LedgerJournal, generation: UInt64) throws -> [StageStatus] {
        var ledger = LeaseLedger(
            plan: LeaseLedger.Plan(stages: stages, shards: shards, chunkSize: 4, limits: LeaseLimits()),
            generation: generation)
        try journal.load(into: &ledger, now: .zero)
        var counts = ledger.stageCounts
        counts[0].open = ledger.leasesLiving
        return counts
    }

    private func chunk(_ number: Int, isLast: Bool = false) -> CommittedChunk {
        CommittedChunk(
            epoch: Epoch(generation: 1, grant: 1),
            result: ChunkResult(
                chunk: number, digest: .max, bytes: 9, samples: 4, skipped: 1, isLast: isLast, rangeEnd: 512))
    }

    private var record: GrantRecord {
        GrantRecord(epoch: Epoch(generation: 1, grant: 1), worker: WorkerID("w"), incarnation: .max, key: "K")
    }

    @Test("What was written is loaded: leases, chunks, finished and quarantined units") func roundTrip()
        throws
    {
        let first = UnitID(stage: "captions.a", shard: 0)
        let second = UnitID(stage: "captions.a", shard: 1)
        var trouble = Trouble()
        trouble.attempts = 3
        trouble.message = "torn"
        do {
            let journal = try journal()
            try journal.write([.granted(first, record), .committed(first, chunk(0))], time: 1)
        }
        let open = try ledger(journal(), generation: 2)[0]
        #expect("\(open.open) \(open.chunks) \(open.samples) \(open.done)" == "1 1 4 0")
        var chunks = CommittedChunks()
        chunks.insert(chunk(0))
        chunks.insert(chunk(1, isLast: true))
        try journal().write([.finished(first, chunks), .quarantined(second, trouble)], time: 2)
        let counts = try ledger(journal(), generation: 3)
        let captions = counts[0]
        #expect(
            "\(captions.done) \(captions.quarantined) \(captions.chunks) \(captions.skipped)" == "1 1 2 2")
        #expect(counts[1].blocked == 1 && counts[0].open == 0)
        let rows = try journal().queue.read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM chunk") }
        #expect(rows == 0)
    }

    @Test("A batch that fails leaves nothing of itself behind") func atomic() throws {
        let journal = try journal()
        let unit = UnitID(stage: "captions.a", shard: 0)
        #expect(throws: CoordinatorError.self) {
            try journal.write([.committed(unit, chunk(0)), .committed(unit, chunk(0))], time: 1)
        }
        #expect(try ledger(journal, generation: 2)[0].chunks == 0)
    }

    @Test("Commits are synchronised and the log is written ahead") func settings() throws {
        let found = try journal().queue.read { db in
            let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
            return "\(try Int.fetchOne(db, sql: "PRAGMA synchronous") ?? -1) \(mode ?? "")"
        }
        #expect(found == "2 wal")
    }

    @Test("A damaged ledger is refused, with what to do") func damaged() throws {
        do { try journal().queue.close() }
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        try handle.seek(toOffset: 4096)
        try handle.write(contentsOf: [UInt8](repeating: 0xAA, count: 4096))
        try handle.close()
        #expect { try journal() } throws: { error in
            let error = error as? CoordinatorError
            return error?.code == .corrupt && "\(error!)".contains("backup")
        }
    }

    @Test("A file that is no ledger is refused") func foreign() throws {
        try Data("this is not a database, whatever its name says, and it is long enough".utf8)
            .write(to: URL(fileURLWithPath: path))
        #expect { try journal() } throws: { ($0 as? CoordinatorError)?.code == .corrupt }
    }

    @Test("A ledger of a newer release is refused") func newer() throws {
        do { try journal().queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 99") } }
        #expect { try journal() } throws: { ($0 as? CoordinatorError)?.code == .newerSchema }
    }

    @Test("Another run's ledger is refused") func otherRun() throws {
        _ = try journal()
        #expect {
            try LedgerJournal(path: path, run: "another", stages: stages, shards: shards)
        } throws: { ($0 as? CoordinatorError)?.code == .otherRun }
    }
}

@Suite("StateDirectory") struct StateDirectoryTests {
    private let mounts = """
        22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
        40 22 0:44 / /data rw,relatime shared:2 - nfs4 server:/data rw,vers=4.2
        41 40 8:2 / /data/local\\040disk rw - xfs /dev/sdb rw
        42 22 0:45 / /lustre rw - lustre 10.0.0.1@tcp:/l rw
        """

    @Test("Network file systems are told from local ones by their mounts") func mountTable() {
        func found(_ path: String) -> String? { NetworkFileSystem.name(of: path, mounts: mounts) }
        #expect(found("/var/lib") == nil && found("/database") == nil)
        #expect(found("/data/run") == "nfs4" && found("/data") == "nfs4" && found("/lustre/x") == "lustre")
        #expect(found("/data/local disk/run") == nil)
    }
}
