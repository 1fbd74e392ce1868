import BolsterLeasing
import Foundation
import GRDB

extension LedgerJournal {
    /// Makes a ledger of the rows. Leases that lived when the last coordinator ended live on, with a fresh
    /// deadline: their workers have gone on meanwhile.
    package func load(into ledger: inout LeaseLedger, now: Duration) throws(CoordinatorError) {
        do {
            let names = Dictionary(uniqueKeysWithValues: keys.stages.map { ($1, $0) })
            // The queue's closure cannot take the noncopyable ledger, so rows come out in pages.
            var after: (Int64, Int) = (-1, -1)
            while true {
                let rows = try finishedRows(after: after, limit: 20_000)
                for row in rows {
                    guard let name = names[row.stage] else { continue }
                    try ledger.replayedFinished(
                        UnitID(stage: name, shard: row.shard), packed: row.packed, chunks: row.chunks,
                        samples: row.samples, skipped: row.skipped)
                }
                guard let last = rows.last else { break }
                after = (last.stage, last.shard)
            }
            for (unit, record) in try leases(names, state: 1) {
                try ledger.replayedFormerGrant(unit, record)
            }
            for change in try openUnits(names) { try ledger.replayed(change, now: now) }
            for (unit, record) in try leases(names, state: 2) {
                try ledger.replayed(.granted(unit, record), now: now)
            }
        } catch let error as LeasingError {
            throw CoordinatorError(.corrupt, error.message, evidence: [path, error.evidence])
        } catch let error as CoordinatorError {
            throw error
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    private struct FinishedRow {
        let stage: Int64
        let shard: Int
        let chunks: Int
        let samples: Int
        let skipped: Int
        let packed: [UInt8]
    }

    private func finishedRows(after: (Int64, Int), limit: Int) throws -> [FinishedRow] {
        try queue.read { db in
            let cursor = try Row.fetchCursor(
                db,
                sql: """
                    SELECT stage, shard, chunks, samples, skipped, packed FROM finished
                    WHERE (stage, shard) > (?, ?) ORDER BY stage, shard LIMIT ?
                    """, arguments: [after.0, after.1, limit])
            var rows: [FinishedRow] = []
            while let row = try cursor.next() {
                rows.append(
                    FinishedRow(
                        stage: row[0], shard: row[1], chunks: row[2], samples: row[3], skipped: row[4],
                        packed: [UInt8](row[5] as Data)))
            }
            return rows
        }
    }

    /// Chunks first, then what went wrong: a chunk's commit clears the losses inside it.
    private func openUnits(_ names: [Int64: String]) throws -> [LedgerChange] {
        try queue.read { db in
            var changes: [LedgerChange] = []
            let chunks = try Row.fetchCursor(db, sql: "SELECT * FROM chunk ORDER BY stage, shard, chunk")
            while let row = try chunks.next() {
                guard let name = names[row["stage"]] else { continue }
                changes.append(.committed(UnitID(stage: name, shard: row["shard"]), CommittedChunk(row)))
            }
            let troubles = try Row.fetchCursor(db, sql: "SELECT * FROM trouble ORDER BY stage, shard")
            while let row = try troubles.next() {
                guard let name = names[row["stage"]] else { continue }
                let unit = UnitID(stage: name, shard: row["shard"])
                let trouble = try JSONDecoder().decode(Trouble.self, from: row["detail"] as Data)
                changes.append(row["quarantined"] ? .quarantined(unit, trouble) : .troubled(unit, trouble))
            }
            return changes
        }
    }

    /// Leases in the order they were granted.
    private func leases(_ names: [Int64: String], state: Int) throws -> [(UnitID, GrantRecord)] {
        try queue.read { db in
            let cursor = try Row.fetchCursor(
                db,
                sql: """
                    SELECT lease.*, worker.name AS worker_name FROM lease INDEXED BY lease_of_open_unit
                    JOIN worker ON worker.id = lease.worker
                    WHERE state > 0 AND state = ? ORDER BY generation, number
                    """, arguments: [state])
            var leases: [(UnitID, GrantRecord)] = []
            while let row = try cursor.next() {
                guard let name = names[row["stage"]] else { continue }
                let epoch = Epoch(
                    generation: UInt64(row["generation"] as Int64), grant: UInt64(row["number"] as Int64))
                leases.append(
                    (
                        UnitID(stage: name, shard: row["shard"]),
                        GrantRecord(
                            epoch: epoch, worker: WorkerID(row["worker_name"]),
                            incarnation: UInt64(bitPattern: row["incarnation"]), key: row["key"])
                    ))
            }
            return leases
        }
    }
}

extension CommittedChunk {
    /// A row of the table `chunk`.
    init(_ row: Row) {
        self.init(
            epoch: Epoch(
                generation: UInt64(row["generation"] as Int64), grant: UInt64(row["number"] as Int64)),
            result: ChunkResult(
                chunk: row["chunk"], digest: UInt64(bitPattern: row["digest"]), bytes: row["bytes"],
                samples: row["samples"], skipped: row["skipped"], isLast: row["last"],
                rangeEnd: row["range_end"]))
    }
}
