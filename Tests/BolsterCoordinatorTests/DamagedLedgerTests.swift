import BolsterDeterminism
import BolsterLeasing
import Foundation
import GRDB
import Testing

@testable import BolsterCoordinator

/// A ledger's file that something has damaged: a clear error, or the same ledger. Never a crash, and never a
/// ledger that quietly lacks something.
@Suite("Damaged ledgers") struct DamagedLedgerTests {
    private let folder = TemporaryFolder()
    private let stages = [StagePlan(name: "views", fingerprint: SHA256Hasher.digest(of: "v"))]
    private let shards = (0..<40).map {
        ShardReference(index: $0, name: "s\($0)", location: "/s\($0)", size: 1_000, version: "1")
    }

    private func path(_ name: String) -> String { "\(folder.path)/\(name).sqlite" }

    private func journal(_ path: String) throws -> LedgerJournal {
        try LedgerJournal(path: path, run: "r", stages: stages, shards: shards)
    }

    private func chunk(_ number: Int, isLast: Bool) -> CommittedChunk {
        CommittedChunk(
            epoch: Epoch(generation: 1, grant: 1),
            result: ChunkResult(
                chunk: number, digest: 7, bytes: 500, samples: 4, skipped: 1, isLast: isLast, rangeEnd: 99))
    }

    /// Thirty finished units of three chunks, five open ones, in one file.
    private func makeLedger() throws -> [UInt8] {
        let journal = try journal(path("whole"))
        var changes: [LedgerChange] = []
        for shard in 0..<30 {
            var chunks = CommittedChunks()
            for number in 0..<3 { chunks.insert(chunk(number, isLast: number == 2)) }
            changes.append(.finished(UnitID(stage: "views", shard: shard), chunks))
        }
        for shard in 30..<35 {
            changes.append(.committed(UnitID(stage: "views", shard: shard), chunk(0, isLast: false)))
        }
        try journal.write(changes, time: 1)
        try journal.close()
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: path("whole"))))
    }

    /// Chunks and samples that a start would find; nil where it refuses with the code for it.
    private func opened(_ bytes: [UInt8], _ name: String) throws -> [Int]? {
        for ending in ["", "-wal", "-shm"] { unlink(path(name) + ending) }
        try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
        do {
            let journal = try journal(path(name))
            defer { #expect(throws: Never.self) { try journal.queue.close() } }
            var ledger = LeaseLedger(
                plan: LeaseLedger.Plan(stages: stages, shards: shards, chunkSize: 4, limits: LeaseLimits()),
                generation: 9)
            try journal.load(into: &ledger, now: .zero)
            let counts = ledger.stageCounts[0]
            return [counts.done, counts.chunks, counts.samples, counts.skipped]
        } catch let error as CoordinatorError {
            #expect(
                [.corrupt, .ledger, .newerSchema, .otherRun].contains(error.code) && !error.message.isEmpty)
            return nil
        }
    }

    @Test("A file that was cut off is refused, wherever it was cut, unless nothing was lost") func truncated()
        throws
    {
        let whole = try makeLedger()
        #expect(try opened(whole, "copy") == [30, 95, 380, 95])
        for part in 1..<16 {
            let found = try opened(Array(whole.prefix(whole.count * part / 16)), "cut")
            // Nothing but free pages may lie behind the cut.
            #expect(found == nil || found == [30, 95, 380, 95], "cut at \(part) of 16: \(found ?? [])")
        }
    }

    @Test("A page of zeros or of noise is refused, or held nothing") func pages() throws {
        let whole = try makeLedger()
        for page in 0..<whole.count / 4_096 {
            for filling: UInt8 in [0, 0xA5] {
                var bytes = whole
                for index in page * 4_096..<(page + 1) * 4_096 { bytes[index] = filling }
                let found = try opened(bytes, "page")
                #expect(found == nil || found == [30, 95, 380, 95], "page \(page) of \(filling)")
            }
        }
    }

    @Test("Flipped bits never crash a start, and never change what is counted as done") func flips() throws {
        let whole = try makeLedger()
        var random = CounterRandom(seed: 1, purpose: .caption, key: "flips", index: 0)
        var refused = 0
        for _ in 0..<100 {
            var bytes = whole
            for _ in 0..<1 + random.integer(below: 4) {
                bytes[random.integer(below: bytes.count)] ^= UInt8(1 << random.integer(below: 8))
            }
            if let found = try opened(bytes, "flip") {
                #expect(found[0] <= 30 && found[1] <= 95 + 5)
            } else {
                refused += 1
            }
        }
        #expect(refused > 5)
    }

    @Test("A damaged row of a finished unit is refused with its unit") func row() throws {
        _ = try makeLedger()
        let database = try LedgerDatabase.open(path("whole"))
        try database.write { db in
            try db.execute(sql: "UPDATE finished SET packed = x'0301' WHERE shard = 7")
        }
        try database.close()
        let journal = try journal(path("whole"))
        var ledger = LeaseLedger(
            plan: LeaseLedger.Plan(stages: stages, shards: shards, chunkSize: 4, limits: LeaseLimits()),
            generation: 9)
        var code: CoordinatorError.Code?
        do {
            try journal.load(into: &ledger, now: .zero)
        } catch {
            code = error.code
        }
        #expect(code == .corrupt)
    }

    @Test("A write-ahead log that was cut off loses its last transactions whole, never half of one")
    func log() throws {
        _ = try makeLedger()
        let journal = try journal(path("whole"))
        for shard in 35..<40 {
            try journal.write(
                [.committed(UnitID(stage: "views", shard: shard), chunk(0, isLast: false))]
                    + [.committed(UnitID(stage: "views", shard: shard), chunk(1, isLast: false))], time: 1)
        }
        let log = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path("whole") + "-wal")))
        let file = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path("whole"))))
        try journal.queue.close()
        var last = 0
        for part in 0...8 {
            for ending in ["", "-wal", "-shm"] { unlink(path("cut") + ending) }
            try Data(file).write(to: URL(fileURLWithPath: path("cut")))
            try Data(log.prefix(log.count * part / 8)).write(to: URL(fileURLWithPath: path("cut") + "-wal"))
            let cut = try self.journal(path("cut"))
            let rows = try cut.queue.read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM chunk") ?? 0 }
            try cut.queue.close()
            #expect((rows - 5) % 2 == 0 && rows >= last)
            last = rows
        }
        #expect(last == 15)
    }
}
