import BolsterDataset
import BolsterLeasing
import Foundation
import GRDB

/// What a ledger says, for those who only read: the merge, and `bolster status` without a coordinator.
package struct LedgerReader: Sendable {
    /// A committed record file.
    package struct RecordReference: Hashable, Sendable {
        /// Its name in the output.
        package let file: String
        /// XXH64 of the file.
        package let digest: UInt64
        package let chunk: Int
        package let samples: Int
        package let skipped: Int
        package let bytes: Int64
        package let isLast: Bool
    }

    package enum UnitRecords: Hashable, Sendable {
        case finished([RecordReference])
        /// Committed so far.
        case open([RecordReference])
        case quarantined(message: String, [RecordReference])
    }

    private struct Key: Hashable {
        let stage: String
        let shard: String
    }

    private let queue: DatabaseQueue
    private let path: String
    package let run: String
    /// A stage of the last start: its row number, and that of the stage it reads, 0 for none.
    private struct StageRow {
        let id: Int64
        let reads: Int64
        let name: String
    }

    /// Each after what it reads.
    private let stages: [StageRow]
    /// The shards' names by index.
    package let shards: [String]

    /// The stages of the last start, each after what it reads.
    package var stageNames: [String] { stages.map(\.name) }

    package init(stateDirectory: String) throws(CoordinatorError) {
        path = StateDirectory.database(in: stateDirectory)
        guard FileManager.default.fileExists(atPath: path) else {
            throw CoordinatorError(
                .ledger, "there is no ledger in this state folder: give the folder of the run's coordinator",
                evidence: [stateDirectory])
        }
        queue = try LedgerDatabase.openReadOnly(path)
        do {
            (run, stages, shards) = try queue.read { db in
                let list = (try LedgerJournal.meta("stages", db) ?? "").split(separator: " ")
                let stages = try list.map { pair in
                    let ids = pair.split(separator: ":").compactMap { Int64($0) }
                    guard ids.count == 2,
                        let name = try String.fetchOne(
                            db, sql: "SELECT name FROM stage WHERE id = ?", arguments: [ids[0]])
                    else { throw CoordinatorError(.corrupt, "the ledger's list of stages is damaged") }
                    return StageRow(id: ids[0], reads: ids[1], name: name)
                }
                return (
                    try LedgerJournal.meta("run", db) ?? "", stages,
                    try String.fetchAll(db, sql: "SELECT name FROM shard ORDER BY id")
                )
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    /// The committed record file of a stage, shard (by name) and chunk; nil where none is. All finished
    /// units' rows are held packed, about 25 bytes a chunk.
    package func committedFiles() throws(CoordinatorError) -> @Sendable (StageID, String, Int) -> String? {
        var packed: [Key: [UInt8]] = [:]
        var open: [Key: [Int: Epoch]] = [:]
        do {
            try queue.read { db in
                for stage in stages {
                    let rows = try Row.fetchCursor(
                        db, sql: "SELECT shard, packed FROM finished WHERE stage = ?", arguments: [stage.id])
                    while let row = try rows.next() {
                        let bytes = [UInt8](row[1] as Data)
                        _ = try CommittedChunks(packed: bytes)
                        packed[Key(stage: stage.name, shard: shards[row[0]])] = bytes
                    }
                    let chunks = try Row.fetchCursor(
                        db, sql: "SELECT * FROM chunk WHERE stage = ?", arguments: [stage.id])
                    while let row = try chunks.next() {
                        let chunk = CommittedChunk(row)
                        open[Key(stage: stage.name, shard: shards[row["shard"]]), default: [:]][
                            chunk.result.chunk] =
                            chunk.epoch
                    }
                }
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
        return { [packed, open] stage, shard, chunk in
            let key = Key(stage: stage.name, shard: shard)
            var epoch = open[key]?[chunk]
            if let bytes = packed[key] {
                do {
                    epoch = try CommittedChunks(packed: bytes)[chunk]?.epoch
                } catch {
                    fatalError("a row that was read before cannot be read now: \(error)")
                }
            }
            return epoch.map { recordFileName(stage: stage.name, shard: shard, chunk: chunk, epoch: $0) }
        }
    }

    /// The records of one unit; nil for one that has none and did not fail.
    package func records(stage name: String, shard index: Int) throws(CoordinatorError) -> UnitRecords? {
        guard let stage = stages.first(where: { $0.name == name }), shards.indices.contains(index) else {
            return nil
        }
        let arguments: StatementArguments = [stage.id, index]
        do {
            return try queue.read { db in
                let packed = try Data.fetchOne(
                    db, sql: "SELECT packed FROM finished WHERE stage = ? AND shard = ?", arguments: arguments
                )
                if let packed {
                    return .finished(
                        references(try CommittedChunks(packed: [UInt8](packed)).chunks, name, index))
                }
                let chunks = try Row.fetchAll(
                    db, sql: "SELECT * FROM chunk WHERE stage = ? AND shard = ? ORDER BY chunk",
                    arguments: arguments)
                let records = references(chunks.map { CommittedChunk($0) }, name, index)
                let detail = try Data.fetchOne(
                    db, sql: "SELECT detail FROM trouble WHERE stage = ? AND shard = ? AND quarantined",
                    arguments: arguments)
                if let detail {
                    return .quarantined(
                        message: try JSONDecoder().decode(Trouble.self, from: detail).message, records)
                }
                return records.isEmpty ? nil : .open(records)
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    private func references(_ chunks: [CommittedChunk], _ stage: String, _ shard: Int) -> [RecordReference] {
        chunks.map {
            RecordReference(
                file: recordFileName(
                    stage: stage, shard: shards[shard], chunk: $0.result.chunk, epoch: $0.epoch),
                digest: $0.result.digest, chunk: $0.result.chunk, samples: $0.result.samples,
                skipped: $0.result.skipped, bytes: $0.result.bytes, isLast: $0.result.isLast)
        }
    }

    /// The run's state as the rows have it: without workers, leases and rates.
    package func status() throws(CoordinatorError) -> StatusReply {
        do {
            return try queue.read { db in
                var quarantined: [QuarantinedUnit] = []
                var counts: [StageStatus] = []
                var givenUp: [Int64: Set<Int>] = [:]
                for stage in stages {
                    var count = try count(stage.id, stage.name, db, &quarantined)
                    let own = Set(quarantined.filter { $0.unit.stage == stage.name }.map(\.unit.shard))
                    // No row says that a unit is blocked: it is if what it reads is given up.
                    let blocked = (givenUp[stage.reads] ?? []).subtracting(own)
                    count.blocked = blocked.count
                    givenUp[stage.id] = own.union(blocked)
                    counts.append(count)
                }
                let isOver = counts.allSatisfy { $0.settled == $0.units }
                var reply = StatusReply(
                    run: run, state: isOver ? .finished : .running, stages: counts, workers: [],
                    workersTotal: 0,
                    quarantined: Array(quarantined.prefix(StatusReply.quarantinedMax)), running: .zero)
                var meter = DeviceMeter()
                meter.restored(try LedgerJournal.deviceUses(db))
                reply.uses = meter.uses(stages: counts.map(\.stage))
                reply.devices = meter.devices(connected: [:])
                return reply
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    private func count(
        _ id: Int64, _ name: String, _ db: Database, _ quarantined: inout [QuarantinedUnit]
    ) throws -> StageStatus {
        var status = StageStatus(stage: name)
        status.units = shards.count
        if let row = try Row.fetchOne(
            db,
            sql: """
                SELECT COUNT(*), COALESCE(SUM(chunks), 0), COALESCE(SUM(samples), 0), \
                COALESCE(SUM(skipped), 0)
                FROM finished WHERE stage = ?
                """, arguments: [id])
        {
            (status.done, status.chunks, status.samples, status.skipped) = (row[0], row[1], row[2], row[3])
        }
        if let row = try Row.fetchOne(
            db,
            sql: """
                SELECT COUNT(*), COALESCE(SUM(samples), 0), COALESCE(SUM(skipped), 0) FROM chunk WHERE \
                stage = ?
                """, arguments: [id])
        {
            status.chunks += row[0] as Int
            status.samples += row[1] as Int
            status.skipped += row[2] as Int
        }
        let troubles = try Row.fetchCursor(
            db, sql: "SELECT shard, detail FROM trouble WHERE stage = ? AND quarantined ORDER BY shard",
            arguments: [id])
        while let row = try troubles.next() {
            let trouble = try JSONDecoder().decode(Trouble.self, from: row[1] as Data)
            let shard: Int = row[0]
            status.quarantined += 1
            quarantined.append(
                QuarantinedUnit(
                    unit: UnitID(stage: name, shard: shard), shard: shards[shard], attempts: trouble.attempts,
                    message: trouble.message))
        }
        return status
    }
}
