import BolsterLeasing
import Foundation
import GRDB

/// When each chunk of a finished unit was committed: seconds since 1970, four bytes each, little-endian, in
/// chunk order; 0 where that is not known. Nothing at all for units of ledgers before schema 2.
enum ChunkTimes {
    static func packed(_ times: [Int64]) -> Data {
        var bytes = Data(capacity: 4 * times.count)
        for time in times {
            let seconds = UInt32(clamping: time)
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: seconds >> shift))
            }
        }
        return bytes
    }

    static func unpacked(_ bytes: Data) -> [Int64] {
        var times = [Int64](repeating: 0, count: bytes.count / 4)
        for (place, byte) in bytes.prefix(4 * times.count).enumerated() {
            times[place / 4] |= Int64(byte) << Int64(place % 4 * 8)
        }
        return times
    }
}

/// Who committed what and when, and the way back from finished to open.
extension LedgerJournal {
    /// The chunks that count as `worker`'s and were committed at `since` (seconds since 1970) or later, or
    /// nobody knows when.
    func commits(
        of worker: WorkerID, since: Int64, stage name: String?
    ) throws(CoordinatorError) -> [UnitID: Set<Int>] {
        do {
            return try queue.read { db in
                var found: [UnitID: Set<Int>] = [:]
                for (stage, id) in keys.stages where name == nil || name == stage {
                    let epochs = try epochs(of: worker, stage: id, db)
                    for (shard, epochs) in epochs {
                        let chunks = try commits(stage: id, shard: shard, db).filter {
                            epochs.contains($0.chunk.epoch) && ($0.time == 0 || $0.time >= since)
                        }
                        guard !chunks.isEmpty else { continue }
                        found[UnitID(stage: stage, shard: shard)] = Set(chunks.map(\.chunk.result.chunk))
                    }
                }
                return found
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    /// What the worker was granted, by shard.
    private func epochs(of worker: WorkerID, stage: Int64, _ db: Database) throws -> [Int: Set<Epoch>] {
        let cursor = try Row.fetchCursor(
            db,
            sql: """
                SELECT shard, generation, number FROM lease
                WHERE stage = ? AND worker = (SELECT id FROM worker WHERE name = ?)
                """, arguments: [stage, worker.name])
        var epochs: [Int: Set<Epoch>] = [:]
        while let row = try cursor.next() {
            let epoch = Epoch(generation: UInt64(row[1] as Int64), grant: UInt64(row[2] as Int64))
            epochs[row[0], default: []].insert(epoch)
        }
        return epochs
    }

    /// A unit's chunks, finished or not, and when they were committed.
    func commits(
        stage: Int64, shard: Int, _ db: Database
    ) throws -> [(chunk: CommittedChunk, time: Int64)] {
        if let row = try Row.fetchOne(
            db, sql: "SELECT packed, times FROM finished WHERE stage = ? AND shard = ?",
            arguments: [stage, shard])
        {
            let times = ChunkTimes.unpacked(row[1])
            return try CommittedChunks(packed: [UInt8](row[0] as Data)).chunks.map {
                ($0, times.indices.contains($0.result.chunk) ? times[$0.result.chunk] : 0)
            }
        }
        return try Row.fetchAll(
            db, sql: "SELECT * FROM chunk WHERE stage = ? AND shard = ? ORDER BY chunk",
            arguments: [stage, shard]
        ).map { (CommittedChunk($0), $0["time"]) }
    }

    /// When the chunks of an open unit were committed.
    func openTimes(_ stage: Int64, _ shard: Int, _ db: Database) throws -> [Int: Int64] {
        let cursor = try Row.fetchCursor(
            db.cachedStatement(sql: "SELECT chunk, time FROM chunk WHERE stage = ? AND shard = ?"),
            arguments: [stage, shard])
        var times: [Int: Int64] = [:]
        while let row = try cursor.next() { times[row[0]] = row[1] }
        return times
    }

    /// Writes that only `kept` counts. Its chunks keep the times at which they were committed.
    func reopen(
        _ stage: Int64, _ unit: UnitID, _ kept: CommittedChunks, _ worker: WorkerID?, _ db: Database
    ) throws {
        let times = try commits(stage: stage, shard: unit.shard, db).reduce(into: [Int: Int64]()) {
            $0[$1.chunk.result.chunk] = $1.time
        }
        for table in ["finished", "chunk"] {
            try db.execute(
                sql: "DELETE FROM \(table) WHERE stage = ? AND shard = ?", arguments: [stage, unit.shard])
        }
        for chunk in kept.chunks { try write(chunk, unit, times[chunk.result.chunk] ?? 0, db) }
        try db.execute(
            sql: """
                UPDATE lease SET state = 0 WHERE stage = ? AND shard = ? AND state > 0
                AND (? IS NULL OR worker = (SELECT id FROM worker WHERE name = ?))
                """, arguments: [stage, unit.shard, worker?.name, worker?.name])
    }
}
