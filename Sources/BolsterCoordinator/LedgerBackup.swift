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
    /// Bytes that go to and from the output at a time.
    private static let pieceBytes = 8 << 20

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
        } catch {
            throw LedgerDatabase.explained(error, temporary)
        }
        let name = Self.name(generation: generation, number: number)
        try upload(temporary, as: name)
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

    private func upload(_ path: String, as name: String) throws {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        var writer = try output.writer(name)
        while let bytes = try file.read(upToCount: Self.pieceBytes), !bytes.isEmpty {
            try writer.append([UInt8](bytes))
        }
        try writer.commit()
    }

    /// Puts the newest copy that is whole at `path`, where nothing may be; returns its name, nil without any.
    static func restore(to path: String, from output: ObjectStore, _ log: Logger) throws -> String? {
        for name in try output.list(prefix: "ledger/").filter({ $0.hasSuffix(".sqlite") }).reversed() {
            try download(name, from: output, to: path)
            do {
                try LedgerDatabase.openReadOnly(path).close()
                return name
            } catch let error as CoordinatorError where error.code != .newerSchema {
                log.error(
                    "a copy of the ledger is damaged; the one before it is taken",
                    metadata: [LogKey.backup: "\(name)", LogKey.reason: "\(error)"])
                unlink(path)
            }
        }
        return nil
    }

    private static func download(_ name: String, from output: ObjectStore, to path: String) throws {
        let size = try output.size(name)
        var writer = try ObjectStore(root: (path as NSString).deletingLastPathComponent)
            .writer((path as NSString).lastPathComponent)
        for start in stride(from: 0, to: size, by: Int64.Stride(pieceBytes)) {
            try writer.append(try output.read(name, range: start..<min(size, start + Int64(pieceBytes))))
        }
        try writer.commit()
    }
}
