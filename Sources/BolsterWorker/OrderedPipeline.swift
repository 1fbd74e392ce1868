import Foundation

/// Inputs drawn from one source, prepared on several threads, handed over in the source's order.
///
///     source ──► [ thread: draw, prepare ]──┐
///            ──► [ thread: draw, prepare ]──┼──► results by index ──► next()
///            ──► [ thread: draw, prepare ]──┘
///
/// One thread at a time draws, so the source needs no lock of its own; at most `window` inputs are
/// between the source and `next()`, whatever the speeds. What the source throws comes out of `next()`
/// after everything drawn before it. One consumer.
final class OrderedPipeline<Input: Sendable, Output: Sendable>: @unchecked Sendable {
    // Everything mutable is touched under `condition` alone; the source's own state under `drawing`.
    private let condition = NSCondition()
    private let window: Int
    private let source: () throws -> Input?
    private let prepare: @Sendable (Input) -> Output
    private var drawing = false
    private var drawn = 0
    private var consumed = 0
    private var ended = false
    private var cancelled = false
    private var running = 0
    private var failure: (any Error)?
    private var results: [Int: Output] = [:]
    private var waited = Duration.zero

    /// - Parameters:
    ///   - threads: how many prepare at once, at least 1.
    ///   - window: the bound on what is drawn and not yet handed over, at least 1.
    ///   - source: the next input, nil at the end; called from several threads, one at a time.
    init(
        name: String, threads: Int, window: Int, source: @escaping () throws -> Input?,
        prepare: @escaping @Sendable (Input) -> Output
    ) {
        self.window = max(1, window)
        self.source = source
        self.prepare = prepare
        self.running = max(1, threads)
        for index in 0..<max(1, threads) {
            let thread = Thread { [self] in work() }
            thread.name = "\(name)-\(index)"
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    /// The next output in order; nil at the end or after `cancel()`.
    func next() throws -> Output? {
        condition.lock()
        defer { condition.unlock() }
        let start = ContinuousClock.now
        while results[consumed] == nil, !cancelled, !(ended && consumed == drawn) { condition.wait() }
        waited += ContinuousClock.now - start
        if let output = results.removeValue(forKey: consumed) {
            consumed += 1
            condition.broadcast()
            return output
        }
        if let failure, !cancelled { throw failure }
        return nil
    }

    /// How long `next()` has waited for preparation in total: what the model lost to reading and pixels.
    var consumerWaited: Duration {
        condition.lock()
        defer { condition.unlock() }
        return waited
    }

    /// Stops drawing and returns when no thread of the pipeline runs any more.
    func cancel() {
        condition.lock()
        cancelled = true
        condition.broadcast()
        while running > 0 { condition.wait() }
        results.removeAll()
        condition.unlock()
    }

    private func work() {
        while let (index, input) = draw() {
            let output = prepare(input)
            condition.lock()
            results[index] = output
            condition.broadcast()
            condition.unlock()
        }
        condition.lock()
        running -= 1
        condition.broadcast()
        condition.unlock()
    }

    /// Waits for its turn and for room, then draws one input; nil when there is no more to do.
    private func draw() -> (Int, Input)? {
        condition.lock()
        while !ended, !cancelled, drawing || drawn >= consumed + window { condition.wait() }
        guard !ended, !cancelled else {
            condition.unlock()
            return nil
        }
        drawing = true
        condition.unlock()
        let result = Result { try source() }
        condition.lock()
        defer {
            drawing = false
            condition.broadcast()
            condition.unlock()
        }
        switch result {
        case .success(let input?):
            drawn += 1
            return (drawn - 1, input)
        case .success(nil):
            ended = true
            return nil
        case .failure(let error):
            ended = true
            failure = error
            return nil
        }
    }
}
