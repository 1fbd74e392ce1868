import BolsterLeasing
import Foundation
import GRDB

extension LedgerJournal {
    /// Opens the ledger and freezes or checks what the run consists of.
    ///
    /// A stage whose fingerprint changed is another stage: it gets new units, and the old rows stay for the
    /// day that the manifest changes back. A shard that changed is an error. `shards` may come in any order:
    /// their numbers are those of the first start.
    package init(
        path: String, run: String, stages: [StagePlan], shards: [ShardReference]
    ) throws(CoordinatorError) {
        let queue = try LedgerDatabase.open(path)
        do {
            let (keys, shards) = try queue.write { db in
                try Self.checkRun(run, db)
                let shards = try Self.freeze(shards, db)
                return (Keys(stages: try Self.number(stages, db)), shards)
            }
            self.init(queue: queue, path: path, keys: keys, shards: shards)
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

    /// Freezes the shards at the first start; later checks them and says them in the order of that start.
    private static func freeze(_ shards: [ShardReference], _ db: Database) throws -> [ShardReference] {
        let frozen = try frozenShards(db)
        if frozen.isEmpty {
            try insert(shards, db)
            return shards
        }
        var now = Dictionary(shards.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var problems: [String] = []
        var numbered: [ShardReference] = []
        for old in frozen {
            guard let shard = now.removeValue(forKey: old.name) else {
                problems.append("\(old.location): in the run since it began, not in the manifest now")
                continue
            }
            if old.size != shard.size || old.version != shard.version {
                problems.append(
                    "\(shard.location): \(old.size) bytes, version \(old.version) at the first start; "
                        + "\(shard.size) bytes, version \(shard.version) now")
            } else if old.location != shard.location {
                try db.execute(
                    sql: "UPDATE shard SET location = ? WHERE id = ?", arguments: [shard.location, old.index])
            }
            numbered.append(
                ShardReference(
                    index: old.index, name: old.name, location: shard.location, size: old.size,
                    version: old.version))
        }
        try refuse(problems, new: shards.filter { now[$0.name] != nil })
        return numbered
    }

    static func frozenShards(_ db: Database) throws -> [ShardReference] {
        try Row.fetchAll(db, sql: "SELECT id, name, location, size, version FROM shard ORDER BY id").map {
            ShardReference(index: $0[0], name: $0[1], location: $0[2], size: $0[3], version: $0[4])
        }
    }

    private static func refuse(
        _ problems: [String], new: [ShardReference]
    ) throws(CoordinatorError) {
        func shown(_ lines: [String]) -> [String] {
            Array(lines.prefix(10)) + (lines.count > 10 ? ["and \(lines.count - 10) more"] : [])
        }
        if !problems.isEmpty {
            throw CoordinatorError(
                .otherRun,
                "the input is not what it was when this run began, and records of both cannot be mixed: "
                    + "put the shards back as they were, or begin a new run with another output",
                evidence: shown(problems))
        }
        if !new.isEmpty {
            throw CoordinatorError(
                .otherRun,
                "the manifest names \(new.count) shards that this run has not: add them with "
                    + "`bolster extend`, or take them out",
                evidence: shown(new.map(\.location)))
        }
    }
}
