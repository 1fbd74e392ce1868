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
    private struct Progress {
        var isRunning = false
        /// The latest copy that somebody wants, was begun, and is in the output.
        var wanted = 0
        var begun = 0
        var done = 0
    }

    private let progress = Mutex(Progress())

    init(database: String, output: ObjectStore, generation: UInt64, log: Logger) {
        self.database = database
        self.output = output
        self.generation = generation
        self.log = log
    }

    /// Copies of this number and below are in the output, or a later one is.
    var done: Int { progress.withLock { $0.done } }

    /// Begins a copy of what is durable now, and returns its number; after one that is under way, which may
    /// have read the ledger before. A failure is logged: the run itself is not in danger.
    @discardableResult
    func begin() -> Int {
        let (number, isFree) = progress.withLock { progress in
            defer { progress.isRunning = true }
            progress.wanted = progress.begun + 1
            return (progress.wanted, !progress.isRunning)
        }
        guard isFree else { return number }
        let thread = Thread { [self] in
            while isWanted {
                do {
                    try copy()
                } catch {
                    log.error(
                        "the ledger could not be copied to the output", metadata: [LogKey.reason: "\(error)"])
                }
            }
        }
        thread.name = "ledger-backup"
        thread.start()
        return number
    }

    private var isWanted: Bool {
        progress.withLock { progress in
            progress.isRunning = progress.begun < progress.wanted
            return progress.isRunning
        }
    }

    /// Makes a copy now, on this thread.
    func copy() throws {
        let number = progress.withLock { progress in
            progress.begun += 1
            return progress.begun
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
        progress.withLock { $0.done = max($0.done, number) }
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
