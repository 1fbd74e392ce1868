import BolsterLeasing
import Foundation
import GRDB

/// The ledger's rows on disk. One transaction holds all that a batch of events has decided; when `write`
/// returns, it is durable.
package struct LedgerJournal {
    /// What this start's plan is called in the rows.
    struct Keys {
        /// Row number of each stage of the plan, by name.
        let stages: [String: Int64]
    }

    let queue: DatabaseQueue
    let path: String
    let keys: Keys
    /// All shards of the run, in the order in which they were frozen.
    let shards: [ShardReference]

    /// Leaves one file behind, without a write-ahead log beside it.
    package func close() throws(CoordinatorError) {
        do {
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
            try queue.close()
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    /// Writes the changes of one batch, in order.
    ///
    /// - Parameters:
    ///   - uses: device time to add to what is there.
    ///   - time: seconds since 1970, told with each grant.
    package func write(
        _ changes: [LedgerChange], uses: [DeviceUse] = [], time: Int64
    ) throws(CoordinatorError) {
        guard !changes.isEmpty || !uses.isEmpty else { return }
        do {
            try queue.write { db in
                for change in changes { try write(change, time, db) }
                try add(uses, db)
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    private func write(_ change: LedgerChange, _ time: Int64, _ db: Database) throws {
        switch change {
        case .granted(let unit, let record):
            try db.cachedStatement(sql: "INSERT OR IGNORE INTO worker (name) VALUES (?)")
                .execute(arguments: [record.worker.name])
            try db.cachedStatement(
                sql: """
                    INSERT INTO lease (
                        generation, number, stage, shard, worker, incarnation, key, began, state)
                    VALUES (?, ?, ?, ?, (SELECT id FROM worker WHERE name = ?), ?, ?, ?, 2)
                    """
            ).execute(arguments: [
                Int64(record.epoch.generation), Int64(record.epoch.grant), stage(unit), unit.shard,
                record.worker.name, Int64(bitPattern: record.incarnation), record.key, time,
            ])
        case .ended(_, let epoch):
            try db.cachedStatement(
                sql: "UPDATE lease SET state = 1 WHERE generation = ? AND number = ? AND state = 2"
            ).execute(arguments: [Int64(epoch.generation), Int64(epoch.grant)])
        case .committed(let unit, let chunk):
            try write(chunk, unit, time, db)
        case .finished(let unit, let chunks):
            try write(chunks, unit, time, db)
        case .troubled(let unit, let trouble):
            try write(trouble, unit, quarantined: false, db)
        case .quarantined(let unit, let trouble):
            try write(trouble, unit, quarantined: true, db)
            try db.cachedStatement(
                sql: "UPDATE lease SET state = 1 WHERE stage = ? AND shard = ? AND state > 1"
            ).execute(arguments: [stage(unit), unit.shard])
        case .retried(let unit):
            try db.cachedStatement(sql: "DELETE FROM trouble WHERE stage = ? AND shard = ?")
                .execute(arguments: [stage(unit), unit.shard])
        case .reopened(let unit, let kept, let worker):
            try reopen(stage(unit), unit, kept, worker, db)
        case .extended(let shards):
            try Self.insert(shards, db)
        }
    }

    func write(_ chunk: CommittedChunk, _ unit: UnitID, _ time: Int64, _ db: Database) throws {
        let result = chunk.result
        try db.cachedStatement(
            sql: """
                INSERT INTO chunk (
                    stage, shard, chunk, generation, number, digest, bytes, samples, skipped, last, range_end,
                    time)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            stage(unit), unit.shard, result.chunk, Int64(chunk.epoch.generation), Int64(chunk.epoch.grant),
            Int64(bitPattern: result.digest), result.bytes, result.samples, result.skipped, result.isLast,
            result.rangeEnd, time,
        ])
    }

    private func write(_ chunks: CommittedChunks, _ unit: UnitID, _ time: Int64, _ db: Database) throws {
        let key = stage(unit)
        let times = try openTimes(key, unit.shard, db)
        try db.cachedStatement(
            sql: """
                INSERT INTO finished (stage, shard, chunks, samples, skipped, packed, times)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            key, unit.shard, chunks.chunks.count, chunks.samples, chunks.skipped, Data(chunks.packed()),
            ChunkTimes.packed((0..<chunks.chunks.count).map { times[$0] ?? time }),
        ])
        for sql in [
            "DELETE FROM chunk WHERE stage = ? AND shard = ?",
            "DELETE FROM trouble WHERE stage = ? AND shard = ?",
            "UPDATE lease SET state = 0 WHERE stage = ? AND shard = ? AND state > 0",
        ] {
            try db.cachedStatement(sql: sql).execute(arguments: [key, unit.shard])
        }
    }

    private func write(_ trouble: Trouble, _ unit: UnitID, quarantined: Bool, _ db: Database) throws {
        let key = stage(unit)
        try db.cachedStatement(
            sql: """
                INSERT INTO trouble (stage, shard, quarantined, detail) VALUES (?, ?, ?, ?)
                ON CONFLICT (stage, shard) DO UPDATE SET
                    quarantined = excluded.quarantined, detail = excluded.detail
                """
        ).execute(arguments: [key, unit.shard, quarantined, try JSONEncoder().encode(trouble)])
    }

    func stage(_ unit: UnitID) -> Int64 {
        guard let key = keys.stages[unit.stage] else {
            preconditionFailure("\(unit.stage) is no stage of this run")
        }
        return key
    }
}
