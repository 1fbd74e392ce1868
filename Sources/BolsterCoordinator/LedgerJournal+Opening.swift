import BolsterLeasing
import Foundation
import GRDB

extension LedgerJournal {
    /// Opens the ledger and freezes or checks what the run consists of.
    ///
    /// A stage whose fingerprint changed is another stage: it gets new units, and the old rows stay for the
    /// day that the manifest changes back. A shard that changed is an error.
    init(
        path: String, run: String, stages: [StagePlan], shards: [ShardReference]
    ) throws(CoordinatorError) {
        let queue = try LedgerDatabase.open(path)
        do {
            let keys = try queue.write { db in
                try Self.checkRun(run, db)
                try Self.freeze(shards, db)
                return Keys(stages: try Self.number(stages, db))
            }
            self.init(queue: queue, path: path, keys: keys)
        } catch let error as CoordinatorError {
            throw error
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    /// The greatest generation that this ledger was used under; 0 for a new one.
    func generation() throws(CoordinatorError) -> UInt64 {
        do {
            let text = try queue.read { try Self.meta("generation", $0) }
            return text.flatMap(UInt64.init) ?? 0
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    func note(generation: UInt64) throws(CoordinatorError) {
        do {
            try queue.write { try Self.setMeta("generation", "\(generation)", $0) }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    /// Forgets what went wrong with units that were given up; returns how many there were.
    func forgetQuarantines() throws(CoordinatorError) -> Int {
        do {
            return try queue.write { db in
                try db.execute(sql: "DELETE FROM trouble WHERE quarantined")
                return db.changesCount
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    static func meta(_ name: String, _ db: Database) throws -> String? {
        try String.fetchOne(db, sql: "SELECT value FROM meta WHERE name = ?", arguments: [name])
    }

    private static func setMeta(_ name: String, _ value: String, _ db: Database) throws {
        try db.execute(
            sql: "INSERT INTO meta (name, value) VALUES (?, ?) "
                + "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            arguments: [name, value])
    }

    private static func checkRun(_ run: String, _ db: Database) throws {
        guard let known = try meta("run", db) else { return try setMeta("run", run, db) }
        guard known == run else {
            throw CoordinatorError(
                .otherRun,
                "this state folder belongs to the run \"\(known)\", the manifest is \"\(run)\": "
                    + "give --state another folder, or the manifest its name back")
        }
    }

    private static func number(_ stages: [StagePlan], _ db: Database) throws -> [String: Int64] {
        var keys: [String: Int64] = [:]
        for stage in stages {
            let arguments: StatementArguments = [stage.name, stage.fingerprint.hex]
            try db.execute(
                sql: "INSERT OR IGNORE INTO stage (name, fingerprint) VALUES (?, ?)", arguments: arguments)
            keys[stage.name] = try Int64.fetchOne(
                db, sql: "SELECT id FROM stage WHERE name = ? AND fingerprint = ?", arguments: arguments)
        }
        // For those who read the ledger without a manifest: "<stage>:<the stage it reads, or 0>" in order.
        let list = stages.map { "\(keys[$0.name] ?? 0):\($0.reads.flatMap { keys[$0] } ?? 0)" }
        try setMeta("stages", list.joined(separator: " "), db)
        return keys
    }

    static func insert(_ shards: [ShardReference], _ db: Database) throws {
        let statement = try db.cachedStatement(
            sql: "INSERT INTO shard (id, name, location, size, version) VALUES (?, ?, ?, ?, ?)")
        for shard in shards {
            try statement.execute(
                arguments: [shard.index, shard.name, shard.location, shard.size, shard.version])
        }
    }

    private static func freeze(_ shards: [ShardReference], _ db: Database) throws {
        let frozen = try Row.fetchAll(
            db, sql: "SELECT id, name, location, size, version FROM shard ORDER BY id")
        if frozen.isEmpty {
            return try insert(shards, db)
        }
        var changes: [String] = []
        for (row, shard) in zip(frozen, shards) {
            let (name, size, version): (String, Int64, String) = (row["name"], row["size"], row["version"])
            if name != shard.name {
                changes.append("number \(shard.index): \(name) at the first start, \(shard.name) now")
            } else if size != shard.size || version != shard.version {
                changes.append(
                    "\(shard.location): \(size) bytes, version \(version) at the first start; "
                        + "\(shard.size) bytes, version \(shard.version) now")
            } else if row["location"] != shard.location {
                try db.execute(
                    sql: "UPDATE shard SET location = ? WHERE id = ?",
                    arguments: [shard.location, shard.index])
            }
        }
        if frozen.count != shards.count {
            changes.append("\(frozen.count) shards at the first start, \(shards.count) now")
        }
        guard changes.isEmpty else {
            throw CoordinatorError(
                .otherRun,
                "the input is not what it was when this run began, and records of both cannot be mixed: "
                    + "put the "
                    + "shards back as they were, or begin a new run with another output",
                evidence: Array(changes.prefix(10))
                    + (changes.count > 10 ? ["and \(changes.count - 10) more"] : []))
        }
    }
}
