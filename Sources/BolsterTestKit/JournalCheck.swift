import BolsterCoordinator
import BolsterDeterminism
import BolsterLeasing
import Foundation

/// A ledger's file with damage done to it: it is opened and loaded, or refused with a message; nothing else.
/// Run by the fuzzer, and by a test on all that the fuzzer has found.
package final class JournalCheck {
    private static let stages = [
        StagePlan(name: "captions", fingerprint: SHA256Hasher.digest(of: "c")),
        StagePlan(name: "texts", fingerprint: SHA256Hasher.digest(of: "t"), reads: "captions"),
    ]
    private static let shards = (0..<6).map {
        ShardReference(index: $0, name: "s\($0)", location: "/s\($0)", size: 1_000, version: "1")
    }

    private let folder: String
    private let path: String
    private let whole: [UInt8]
    /// Offsets at or next to something; the rest of the file is free space.
    private let places: [Int]

    /// Makes a ledger with finished, open, leased, troubled and quarantined units. Traps where that fails.
    package init(folder: String) {
        self.folder = folder
        path = folder + "/ledger.sqlite"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let journal = try LedgerJournal(path: path, run: "r", stages: Self.stages, shards: Self.shards)
            try journal.write(Self.changes, time: 1_700_000_000)
            try journal.close()
            whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            fatalError("no ledger to damage: \(error)")
        }
        let bytes = whole
        places = bytes.indices.filter { place in
            bytes[max(0, place - 2)...min(bytes.count - 1, place + 2)].contains { $0 != 0 }
        }
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: folder)
        } catch {
            print("left behind: \(folder): \(error)")
        }
    }

    /// Whether the ledger opens with this damage. Three bytes say one change: two where, one what.
    package func opens(damagedBy input: [UInt8]) -> Bool {
        var bytes = whole
        for start in stride(from: 0, to: input.count - 2, by: 3) {
            let place = (Int(input[start]) << 8 | Int(input[start + 1])) % places.count
            bytes[places[place]] = input[start + 2]
        }
        for ending in ["-wal", "-shm", "-journal"] { unlink(path + ending) }
        do {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
        } catch {
            fatalError("the damaged ledger cannot be written: \(error)")
        }
        do throws(CoordinatorError) {
            try open()
            return true
        } catch {
            precondition(!error.message.isEmpty)
            return false
        }
    }

    /// As a start does, and as `bolster status` does.
    private func open() throws(CoordinatorError) {
        _ = try LedgerReader(stateDirectory: folder).status()
        let journal = try LedgerJournal(path: path, run: "r", stages: Self.stages, shards: Self.shards)
        let plan = LeaseLedger.Plan(
            stages: Self.stages, shards: Self.shards, chunkSize: 4, limits: LeaseLimits())
        var ledger = LeaseLedger(plan: plan, generation: 9)
        try journal.load(into: &ledger, now: .zero)
        _ = ledger.status(run: "r", samplesPerSecond: [:], running: .zero, now: .zero)
        try journal.close()
    }

    private static var changes: [LedgerChange] {
        func chunk(_ number: Int, isLast: Bool) -> CommittedChunk {
            CommittedChunk(
                epoch: Epoch(generation: 1, grant: 1),
                result: ChunkResult(
                    chunk: number, digest: 7, bytes: 500, samples: 4, skipped: 1, isLast: isLast,
                    rangeEnd: Int64(number + 1) * 512))
        }
        func captions(_ shard: Int) -> UnitID { UnitID(stage: "captions", shard: shard) }
        var chunks = CommittedChunks()
        for number in 0..<3 { chunks.insert(chunk(number, isLast: number == 2)) }
        var trouble = Trouble()
        (trouble.attempts, trouble.message, trouble.failedBy) = (2, "broken", [WorkerID("w")])
        trouble.losses = [ChunkLoss(chunk: 1)]
        let grants = (1...3).map { number in
            LedgerChange.granted(
                captions(number + 1),
                GrantRecord(
                    epoch: Epoch(generation: 1, grant: UInt64(number)), worker: WorkerID("w\(number)"),
                    incarnation: 1, key: number == 2 ? "k" : nil))
        }
        return [.finished(captions(0), chunks), .finished(captions(1), chunks)] + grants + [
            .finished(UnitID(stage: "texts", shard: 0), chunks),
            .committed(captions(2), chunk(0, isLast: false)),
            .ended(captions(3), Epoch(generation: 1, grant: 2)), .troubled(captions(3), trouble),
            .quarantined(captions(5), trouble),
        ]
    }
}
