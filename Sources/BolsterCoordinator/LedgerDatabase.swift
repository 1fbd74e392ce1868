import Foundation
import GRDB
import Glibc

/// The ledger's SQLite file: opening, checking, and the schema.
///
///     meta      name -> value: run, generation, the stages of the last start
///     stage     a name with a fingerprint; another fingerprint is another stage with units of its own
///     shard     frozen at the first start
///     worker    names, so that leases hold numbers
///     lease     every grant, for ever: who made what, since when. state 2: lives; 1: over, its unit open,
///               so commits under it may come late; 0: its unit is finished
///     chunk     committed chunks of open units only
///     finished  one row for each finished unit: its chunks, packed (CommittedChunks), and when each was
///               committed (ChunkTimes)
///     trouble   failures and losses of units that are not finished
enum LedgerDatabase {
    static let schemaVersion = 2
    private static let pageBytes = 4_096
    /// "BLST", SQLite's application_id.
    static let applicationID = 0x424C_5354

    /// Opens or makes the ledger for writing: write-ahead log, every commit synchronised, checked.
    static func open(_ path: String) throws(CoordinatorError) -> DatabaseQueue {
        // SQLite takes less than a page for an empty database, and would begin a new one in it.
        var status = stat()
        if stat(path, &status) == 0, (1..<pageBytes).contains(Int(status.st_size)) {
            throw corrupt(path, "\(status.st_size) bytes are less than a page")
        }
        do {
            var configuration = Configuration()
            configuration.label = "ledger"
            configuration.journalMode = .wal
            configuration.busyMode = .timeout(10)
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.writeWithoutTransaction { db in
                // GRDB relaxes this for WAL; an acknowledged commit must survive a power cut.
                try db.execute(sql: "PRAGMA synchronous = FULL")
                let synchronous = try Int.fetchOne(db, sql: "PRAGMA synchronous")
                let mode = try String.fetchOne(db, sql: "PRAGMA journal_mode")
                guard synchronous == 2, mode == "wal" else {
                    throw CoordinatorError(
                        .ledger, "SQLite does not take the settings that keep the ledger safe",
                        evidence: ["synchronous \(synchronous ?? -1)", "journal_mode \(mode ?? "none")"])
                }
                try check(db, path)
            }
            try queue.write { db in
                if try isNew(db) { try create(db) } else { try migrate(db) }
                try db.execute(sql: LedgerJournal.deviceTable)
            }
            return queue
        } catch let error as CoordinatorError {
            throw error
        } catch {
            throw explained(error, path)
        }
    }

    /// Opens for reading alone, beside a coordinator that may be running.
    static func openReadOnly(_ path: String) throws(CoordinatorError) -> DatabaseQueue {
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(10)
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.read { db in
                try check(db, path)
                guard try !isNew(db) else {
                    throw CoordinatorError(.ledger, "there is no run in this ledger", evidence: [path])
                }
            }
            return queue
        } catch let error as CoordinatorError {
            throw error
        } catch {
            throw explained(error, path)
        }
    }

    static func explained(_ error: any Error, _ path: String) -> CoordinatorError {
        guard let error = error as? DatabaseError else {
            return CoordinatorError(.ledger, "the ledger cannot be used", evidence: [path], cause: error)
        }
        switch error.resultCode {
        case .SQLITE_FULL: return diskFull(path, error)
        // How SQLite tells of a write-ahead log's index that cannot grow.
        case .SQLITE_IOERR where isFull(path): return diskFull(path, error)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            return corrupt(path, "\(error)")
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM:
            return CoordinatorError(
                .ledger, "the ledger cannot be opened: check the folder, its rights and its disk",
                evidence: [path], cause: error)
        default:
            return CoordinatorError(
                .ledger, "the ledger cannot be read or written", evidence: [path], cause: error)
        }
    }

    private static func diskFull(_ path: String, _ error: DatabaseError) -> CoordinatorError {
        CoordinatorError(
            .ledger,
            "the disk is full, no space is left for the ledger: free some and start again; what is committed "
                + "is kept", evidence: [path], cause: error)
    }

    /// Whether the disk below a path has less than SQLite's index of a log takes.
    private static func isFull(_ path: String) -> Bool {
        var disk = statvfs()
        guard statvfs((path as NSString).deletingLastPathComponent, &disk) == 0 else { return false }
        return UInt64(disk.f_bavail) * UInt64(disk.f_frsize) < 64 << 10
    }

    private static func corrupt(_ path: String, _ found: String) -> CoordinatorError {
        CoordinatorError(
            .corrupt,
            "the ledger is damaged: move ledger.sqlite, ledger.sqlite-wal and ledger.sqlite-shm away and "
                + "start "
                + "again; the newest backup in the output is taken then", evidence: [path, found])
    }

    private static func isNew(_ db: Database) throws -> Bool {
        try Int.fetchOne(db, sql: "PRAGMA application_id") == 0
    }

    private static func check(_ db: Database, _ path: String) throws {
        let id = try Int.fetchOne(db, sql: "PRAGMA application_id") ?? 0
        let tables = try Int.fetchOne(db, sql: "SELECT COUNT(*) FROM sqlite_master") ?? 0
        guard id == applicationID || (id == 0 && tables == 0) else {
            throw CoordinatorError(.ledger, "this SQLite file is no ledger of bolster", evidence: [path])
        }
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard version <= schemaVersion else {
            throw CoordinatorError(
                .newerSchema, "the ledger was written by a newer bolster: use that one",
                evidence: [path, "schema \(version), this release knows \(schemaVersion)"])
        }
        let found = try String.fetchAll(db, sql: "PRAGMA quick_check(4)")
        guard found == ["ok"] else { throw corrupt(path, found.joined(separator: "; ")) }
        if try !isNew(db) { try checkTypes(db, path) }
    }

    /// What every release's ledger holds in each column. SQLite does not check it, and the reader relies on
    /// it.
    private static let types: [(table: String, integers: [String], others: [String: String])] = [
        ("stage", ["id"], ["name": "text", "fingerprint": "text"]),
        ("shard", ["id", "size"], ["name": "text", "location": "text", "version": "text"]),
        ("worker", ["id"], ["name": "text"]),
        (
            "lease",
            ["generation", "number", "stage", "shard", "worker", "incarnation", "began", "state"], [:]
        ),
        (
            "chunk",
            [
                "stage", "shard", "chunk", "generation", "number", "digest", "bytes", "samples", "skipped",
                "last", "range_end",
            ], [:]
        ),
        ("finished", ["stage", "shard", "chunks", "samples", "skipped"], ["packed": "blob"]),
        ("trouble", ["stage", "shard", "quarantined"], ["detail": "blob"]),
    ]

    /// Every column is there and holds what it should.
    private static func checkTypes(_ db: Database, _ path: String) throws {
        for (table, integers, others) in types {
            let wrong =
                integers.map { "typeof(\(table).\($0)) <> 'integer'" }
                + others.map { "typeof(\(table).\($0.key)) <> '\($0.value)'" }
            let sql = "SELECT EXISTS (SELECT 1 FROM \(table) WHERE \(wrong.joined(separator: " OR ")))"
            do {
                guard try Bool.fetchOne(db, sql: sql) == false else {
                    throw corrupt(path, "the table \(table) holds values of a wrong type")
                }
            } catch let error as DatabaseError {
                throw corrupt(path, "\(error)")
            }
        }
    }

    /// Brings a ledger of an earlier release up to this one, in the transaction that it is called in.
    private static func migrate(_ db: Database) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        if version < 2 {
            // 0: it is not known when the chunk was committed.
            try db.execute(
                sql: """
                    ALTER TABLE chunk ADD COLUMN time INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE finished ADD COLUMN times BLOB NOT NULL DEFAULT x'';
                    """)
        }
        if version < schemaVersion { try db.execute(sql: "PRAGMA user_version = \(schemaVersion)") }
    }

    private static func create(_ db: Database) throws {
        try db.execute(
            sql: """
                CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                CREATE TABLE stage (
                    id INTEGER PRIMARY KEY, name TEXT NOT NULL, fingerprint TEXT NOT NULL,
                    UNIQUE (name, fingerprint));
                CREATE TABLE shard (
                    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, location TEXT NOT NULL,
                    size INTEGER NOT NULL, version TEXT NOT NULL);
                CREATE TABLE worker (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
                CREATE TABLE lease (
                    generation INTEGER NOT NULL, number INTEGER NOT NULL, stage INTEGER NOT NULL,
                    shard INTEGER NOT NULL, worker INTEGER NOT NULL, incarnation INTEGER NOT NULL, key TEXT,
                    began INTEGER NOT NULL, state INTEGER NOT NULL,
                    PRIMARY KEY (generation, number)) WITHOUT ROWID;
                CREATE INDEX lease_of_open_unit ON lease (stage, shard) WHERE state > 0;
                CREATE TABLE chunk (
                    stage INTEGER NOT NULL, shard INTEGER NOT NULL, chunk INTEGER NOT NULL,
                    generation INTEGER NOT NULL, number INTEGER NOT NULL, digest INTEGER NOT NULL,
                    bytes INTEGER NOT NULL, samples INTEGER NOT NULL, skipped INTEGER NOT NULL,
                    last INTEGER NOT NULL, range_end INTEGER NOT NULL, time INTEGER NOT NULL DEFAULT 0,
                    PRIMARY KEY (stage, shard, chunk)) WITHOUT ROWID;
                CREATE TABLE finished (
                    stage INTEGER NOT NULL, shard INTEGER NOT NULL, chunks INTEGER NOT NULL,
                    samples INTEGER NOT NULL, skipped INTEGER NOT NULL, packed BLOB NOT NULL,
                    times BLOB NOT NULL DEFAULT x'',
                    PRIMARY KEY (stage, shard)) WITHOUT ROWID;
                CREATE TABLE trouble (
                    stage INTEGER NOT NULL, shard INTEGER NOT NULL, quarantined INTEGER NOT NULL,
                    detail BLOB NOT NULL, PRIMARY KEY (stage, shard)) WITHOUT ROWID;
                PRAGMA application_id = \(applicationID);
                PRAGMA user_version = \(schemaVersion);
                """)
    }
}
