import BolsterStorage
import Foundation
import GRDB
import Logging
import Synchronization

/// Copies of the ledger in the output, so that losing the state folder's disk loses minutes, not the run.
///
///     ledger/<generation, 8 digits>-<number, 6 digits>.sqlite      the newest name is the newest copy
///
/// SQLite's online backup reads beside the writer, on a thread of its own; the copy is then written like
/// any other object: whole or not at all.
final class LedgerBackup: Sendable {
    static let kept = 3

    private let database: String
    private let output: ObjectStore
    private let generation: UInt64
    private let log: Logger
    private let progress = Mutex((isRunning: false, made: 0))

    init(database: String, output: ObjectStore, generation: UInt64, log: Logger) {
        self.database = database
        self.output = output
        self.generation = generation
        self.log = log
    }

    /// Begins a copy, unless one is under way. A failure is logged: the run itself is not in danger.
    func begin() {
        let isFree = progress.withLock { progress in
            defer { progress.isRunning = true }
            return !progress.isRunning
        }
        guard isFree else { return }
        let thread = Thread { [self] in
            do {
                try copy()
            } catch {
                log.error(
                    "the ledger could not be copied to the output", metadata: [LogKey.reason: "\(error)"])
            }
            progress.withLock { $0.isRunning = false }
        }
        thread.name = "ledger-backup"
        thread.start()
    }

    /// Makes a copy now, on this thread.
    func copy() throws {
        let number = progress.withLock { progress in
            progress.made += 1
            return progress.made
        }
        let temporary = "\(database).copy-\(number)"
        defer { unlink(temporary) }
        unlink(temporary)
        do {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(10)
            let source = try DatabaseQueue(path: database, configuration: configuration)
            let copy = try DatabaseQueue(path: temporary)
            try source.backup(to: copy)
            // The copy is one file: nothing of it may be left in a write-ahead log.
            try copy.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
            try copy.close()
        }
        let name = Self.name(generation: generation, number: number)
        try output.write(name, [UInt8](Data(contentsOf: URL(fileURLWithPath: temporary))))
        log.debug("the ledger is copied to the output", metadata: [LogKey.backup: "\(name)"])
        for old in try output.list(prefix: "ledger/").filter({ $0.hasSuffix(".sqlite") }).dropLast(Self.kept)
        {
            try output.delete(old)
        }
    }

    static func name(generation: UInt64, number: Int) -> String {
        "ledger/\(padded("\(generation)", 8))-\(padded("\(number)", 6)).sqlite"
    }

    private static func padded(_ digits: String, _ width: Int) -> String {
        String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Puts the newest copy into a state folder that has no ledger; returns its name, nil without copies.
    static func restore(to database: String, from output: ObjectStore) throws -> String? {
        guard let newest = try output.list(prefix: "ledger/").last(where: { $0.hasSuffix(".sqlite") }) else {
            return nil
        }
        var writer = try AtomicFileWriter(path: database)
        try writer.append(try output.read(newest))
        try writer.commit()
        return newest
    }
}
