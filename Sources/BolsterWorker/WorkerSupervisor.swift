import Foundation
import Logging

/// Keeps worker processes alive: one per slot, started again after a crash, ended together.
///
/// A child that dies of a signal (a kill, a trap, the out-of-memory killer) is started again after a pause
/// that doubles from a fifth of a second to ten; one that lived for a minute starts the count anew. A child
/// that ends by itself has said all there is to say and is not started again.
package final class WorkerSupervisor: @unchecked Sendable {
    /// One worker process.
    package struct Slot: Sendable {
        package let name: String
        package let arguments: [String]
        /// Where its standard error goes; nil is the parent's.
        package let logFile: String?

        package init(name: String, arguments: [String], logFile: String? = nil) {
            self.name = name
            self.arguments = arguments
            self.logFile = logFile
        }
    }

    private static let crashesMax = 20
    private static let pauseMax: TimeInterval = 10
    private static let healthyAfter: TimeInterval = 60

    private let program: String
    private let slots: [Slot]
    private let log: Logger
    // All below under `condition`.
    private let condition = NSCondition()
    private var children: [Int: Process] = [:]
    private var crashes: [Int: Int] = [:]
    private var statuses: [Int: Int32] = [:]
    private var stopping = false
    private var restarted = 0

    package init(program: String, slots: [Slot], log: Logger) {
        self.program = program
        self.slots = slots
        self.log = log
    }

    /// Starts every slot; returns at once.
    package func start() throws {
        for index in slots.indices { try launch(index) }
    }

    /// Waits until no slot has a process and none will be started again.
    ///
    /// - Returns: the exit codes by slot; a slot given up after too many crashes has 128 + signal.
    package func wait() -> [Int32] {
        condition.lock()
        defer { condition.unlock() }
        while statuses.count < slots.count { condition.wait() }
        return slots.indices.compactMap { statuses[$0] }
    }

    /// True once every slot has ended for good.
    package var allEnded: Bool {
        condition.lock()
        defer { condition.unlock() }
        return statuses.count == slots.count
    }

    /// How often a crashed worker was started again.
    package var restarts: Int {
        condition.lock()
        defer { condition.unlock() }
        return restarted
    }

    /// Asks every worker to finish its chunk and leave; none is started again.
    package func stop() {
        signal(SIGTERM)
    }

    /// Ends every worker at once.
    package func kill() {
        signal(SIGKILL)
    }

    private func signal(_ number: Int32) {
        condition.lock()
        stopping = true
        let processes = children.values.map(\.processIdentifier)
        for index in slots.indices where children[index] == nil && statuses[index] == nil {
            statuses[index] = 0
        }
        condition.broadcast()
        condition.unlock()
        for process in processes { _ = Foundation.kill(process, number) }
    }

    private func launch(_ index: Int) throws {
        let slot = slots[index]
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = slot.arguments
        process.standardInput = FileHandle.nullDevice
        if let logFile = slot.logFile {
            let output = try FileHandle(forAppendingTo: logFile)
            process.standardError = output
            process.standardOutput = output
        }
        let started = Date()
        process.terminationHandler = { [self] process in
            ended(index, process, lived: Date().timeIntervalSince(started))
        }
        condition.lock()
        defer { condition.unlock() }
        guard !stopping else {
            statuses[index] = 0
            condition.broadcast()
            return
        }
        try process.run()
        children[index] = process
    }

    private func ended(_ index: Int, _ process: Process, lived: TimeInterval) {
        let crashed = process.terminationReason == .uncaughtSignal
        condition.lock()
        children[index] = nil
        if lived > Self.healthyAfter { crashes[index] = 0 }
        let count = crashes[index, default: 0] + 1
        guard crashed, !stopping, count <= Self.crashesMax else {
            statuses[index] = crashed ? 128 + process.terminationStatus : process.terminationStatus
            condition.broadcast()
            condition.unlock()
            return
        }
        crashes[index] = count
        restarted += 1
        condition.unlock()
        let pause = min(Self.pauseMax, 0.2 * pow(2, Double(count - 1)))
        log.warning(
            "a worker process died and is started again",
            metadata: [
                LogKey.worker: "\(slots[index].name)", LogKey.signal: "\(process.terminationStatus)",
                LogKey.seconds: "\(pause)",
            ])
        DispatchQueue.global().asyncAfter(deadline: .now() + pause) { [self] in
            do {
                try launch(index)
            } catch {
                log.error(
                    "a worker process cannot be started",
                    metadata: [LogKey.worker: "\(slots[index].name)", LogKey.error: "\(error)"])
                condition.lock()
                statuses[index] = 1
                condition.broadcast()
                condition.unlock()
            }
        }
    }
}

extension FileHandle {
    /// Opens a file to write at its end, making it where it is missing.
    fileprivate convenience init(forAppendingTo path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw WorkerError(
                .mismatch, "the log file cannot be written: \(String(cString: strerror(errno)))",
                evidence: path)
        }
        self.init(fileDescriptor: descriptor, closeOnDealloc: true)
    }
}
