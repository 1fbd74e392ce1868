import BolsterLeasing
import Foundation

/// Encodes and stores a unit's records behind the models, on a thread of its own, chunk after chunk.
///
///     compute thread: append(chunk) ─► at most `waitingMax` chunks ─► [ encode, store ] ─► committed
///
/// A chunk is reported only when its file is durable. After a failure nothing more is stored.
final class RecordWriter: @unchecked Sendable {
    /// Chunks that wait for the one being stored.
    private static let waitingMax = 2

    // Everything mutable is touched under `condition` alone.
    private let condition = NSCondition()
    private var waiting = ArrivalQueue<() throws -> Void>()
    private var isWorking = false
    private var isEnding = false
    private var failure: (any Error)?
    private let meter: StepMeter

    init(name: String, meter: StepMeter) {
        self.meter = meter
        let thread = Thread { [self] in work() }
        thread.name = name
        thread.stackSize = 1 << 20
        isWorking = true
        thread.start()
    }

    /// Takes a chunk; waits while too many are not yet stored.
    ///
    /// - Throws: what storing an earlier chunk threw.
    func append(_ store: @escaping () throws -> Void) throws {
        condition.lock()
        defer { condition.unlock() }
        while waiting.count >= Self.waitingMax, failure == nil { condition.wait() }
        if let failure { throw failure }
        waiting.append(store)
        condition.broadcast()
    }

    /// Returns when everything is stored and the thread has ended.
    ///
    /// - Throws: what storing a chunk threw.
    func finish() throws {
        condition.lock()
        defer { condition.unlock() }
        isEnding = true
        condition.broadcast()
        while isWorking { condition.wait() }
        if let failure { throw failure }
    }

    private func work() {
        while let store = next() {
            let result = meter.measure(.writing) { Result { try store() } }
            guard case .failure(let error) = result else { continue }
            condition.lock()
            failure = error
            condition.unlock()
        }
        condition.lock()
        isWorking = false
        condition.broadcast()
        condition.unlock()
    }

    private func next() -> (() throws -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while failure == nil {
            if let store = waiting.popFirst() {
                condition.broadcast()
                return store
            }
            if isEnding { return nil }
            condition.wait()
        }
        return nil
    }
}
