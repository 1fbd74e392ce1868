import BolsterLeasing
import Foundation

/// Samples drawn from one source, prepared on several threads, gathered into batches in the source's order.
///
///     source ─► [ reader ] ─► samples ─► [ threads: prepare ] ─► placed in order: row r of batch b
///                                                                      │
///     next() ◄── notes, full batches, marks, in order ◄── [ the same threads: fill row r of batch b ]
///
/// A sample's rows get their places only when all samples before it have theirs, so what shares a batch
/// follows from the source and the batch's size alone, never from timing. A batch ends when it is full and at
/// a mark. Rows are filled by any thread, straight into the batch's memory; filling goes before preparing,
/// which goes before reading ahead.
///
/// Bounds: `window` samples read and not yet placed, `batches` batches in all, the consumer's one included,
/// and as many notes as have rows in them or `notesMax`. One consumer, which gives every batch back with
/// `recycle`. What the source throws comes out of `next()` after everything drawn before it.
final class BatchPipeline<Note: Sendable, Mark: Sendable>: @unchecked Sendable {
    /// What the source yields.
    enum Drawn {
        case sample(UnitSample)
        /// Ends the batch at hand.
        case mark(Mark)
    }

    enum Event {
        /// The next sample; its rows, if it has any, are in batches that follow.
        case note(Note, rows: Int)
        /// Rows to compute.
        case batch(RowBatch)
        case mark(Mark)
    }

    struct Shape {
        /// Threads that prepare and fill.
        let threads: Int
        /// What these threads' time counts as.
        let step: StepWaits.Step
        /// Rows of a batch.
        let rows: Int
        /// Bytes of a row, by model.
        let widths: [Int]
        /// The bound on samples that are read and have no rows yet.
        let window: Int
        /// Batches in memory: one with the consumer, one ready, one being filled.
        let batches = 3
        var notesMax: Int { 4 * rows + 2 * window }
    }

    private enum Prepared {
        case sample(PreparedSample<Note>, placed: Int)
        case mark(Mark)
    }

    private struct RowToFill {
        let batch: RowBatch
        let slot: Int
        let row: Int
        let fill: @Sendable (Int, RowBatch.Row) -> Void
    }

    private let shape: Shape
    private let meter: StepMeter
    private let source: () throws -> Drawn?
    private let prepare: @Sendable (UnitSample) -> PreparedSample<Note>

    // Everything below is touched under `condition` alone, and the source by the reader alone.
    private let condition = NSCondition()
    private var inputs = ArrivalQueue<(index: Int, sample: UnitSample)>()
    private var drawn = 0
    private var placed = 0
    private var prepared: [Int: Prepared] = [:]
    private var open: RowBatch?
    private var free: [RowBatch] = []
    private var made = 0
    private var rowsToFill = ArrivalQueue<RowToFill>()
    private var events = ArrivalQueue<Event>()
    private var sourceEnded = false
    private var failure: (any Error)?
    private var cancelled = false
    private var running = 0

    init(
        name: String, shape: Shape, meter: StepMeter, source: @escaping () throws -> Drawn?,
        prepare: @escaping @Sendable (UnitSample) -> PreparedSample<Note>
    ) {
        precondition(shape.threads > 0 && shape.rows > 0 && shape.window > 0, "a pipeline of nothing")
        self.shape = shape
        self.meter = meter
        self.source = source
        self.prepare = prepare
        running = shape.threads + 1
        start("\(name)-read") { [self] in read() }
        for index in 0..<shape.threads { start("\(name)-\(index)") { [self] in work() } }
    }

    private func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread { [self] in
            body()
            condition.lock()
            running -= 1
            condition.broadcast()
            condition.unlock()
        }
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
    }

    // MARK: The consumer

    /// The next event in order; nil at the end or after `cancel()`.
    func next() throws -> Event? {
        condition.lock()
        defer { condition.unlock() }
        while !cancelled {
            switch events.first {
            case .batch(let batch)? where batch.unwritten > 0: break
            case .some(let event):
                _ = events.popFirst()
                condition.broadcast()
                return event
            case nil:
                if sourceEnded, placed == drawn {
                    if let failure { throw failure }
                    return nil
                }
            }
            condition.wait()
        }
        return nil
    }

    /// Gives back a batch that the models are done with.
    func recycle(_ batch: RowBatch) {
        condition.lock()
        batch.count = 0
        free.append(batch)
        place()
        condition.broadcast()
        condition.unlock()
    }

    /// Stops reading and returns when no thread of the pipeline runs any more.
    func cancel() {
        condition.lock()
        cancelled = true
        condition.broadcast()
        while running > 0 { condition.wait() }
        events = ArrivalQueue()
        condition.unlock()
    }

    // MARK: The reader

    private func read() {
        while mayRead() {
            let result = meter.measure(.reading) { Result { try source() } }
            condition.lock()
            switch result {
            case .success(.sample(let sample)?):
                inputs.append((drawn, sample))
                drawn += 1
            case .success(.mark(let mark)?):
                prepared[drawn] = .mark(mark)
                drawn += 1
                place()
            case .success(nil): sourceEnded = true
            case .failure(let error):
                failure = error
                sourceEnded = true
            }
            condition.broadcast()
            condition.unlock()
        }
    }

    private func mayRead() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while !cancelled, drawn - placed >= shape.window || events.count >= shape.notesMax {
            condition.wait()
        }
        return !cancelled && !sourceEnded
    }

    // MARK: The threads that prepare and fill

    private enum Work {
        case fill(RowToFill)
        case prepare(Int, UnitSample)
    }

    private func work() {
        while let work = nextWork() {
            meter.began(shape.step)
            switch work {
            case .fill(let order):
                order.fill(order.row, order.batch.row(order.slot))
                meter.ended(shape.step)
                condition.lock()
                order.batch.unwritten -= 1
                if order.batch.unwritten == 0 { condition.broadcast() }
                condition.unlock()
            case .prepare(let index, let sample):
                let result = prepare(sample)
                meter.ended(shape.step)
                condition.lock()
                prepared[index] = .sample(result, placed: 0)
                place()
                condition.broadcast()
                condition.unlock()
            }
        }
    }

    private func nextWork() -> Work? {
        condition.lock()
        defer { condition.unlock() }
        while !cancelled {
            if let order = rowsToFill.popFirst() { return .fill(order) }
            if let input = inputs.popFirst() { return .prepare(input.index, input.sample) }
            if sourceEnded, placed == drawn { return nil }
            condition.wait()
        }
        return nil
    }

    // MARK: Places, under the lock

    /// Gives rows of batches to every sample whose turn it is, as far as there are batches.
    private func place() {
        while let next = prepared[placed] {
            switch next {
            case .mark(let mark):
                closeBatch()
                events.append(.mark(mark))
            case .sample(let sample, let done):
                guard place(sample, from: done) else { return }
            }
            prepared[placed] = nil
            placed += 1
        }
    }

    /// - Returns: false when rows are left, for which there is no batch now.
    private func place(_ sample: PreparedSample<Note>, from first: Int) -> Bool {
        if sample.rows == 0 { events.append(.note(sample.note, rows: sample.rows)) }
        for row in first..<sample.rows {
            guard let batch = batchWithRoom() else {
                prepared[placed] = .sample(sample, placed: row)
                return false
            }
            if row == 0 { events.append(.note(sample.note, rows: sample.rows)) }
            rowsToFill.append(RowToFill(batch: batch, slot: batch.count, row: row, fill: sample.fill))
            batch.count += 1
            batch.unwritten += 1
            if batch.count == batch.capacity { closeBatch() }
        }
        return true
    }

    private func batchWithRoom() -> RowBatch? {
        if let open { return open }
        if let batch = free.popLast() {
            open = batch
        } else if made < shape.batches {
            made += 1
            open = RowBatch(capacity: shape.rows, widths: shape.widths)
        }
        return open
    }

    private func closeBatch() {
        guard let batch = open else { return }
        open = nil
        events.append(.batch(batch))
    }
}

/// Values in the order in which they came; one that is taken out is not kept alive.
struct ArrivalQueue<Element> {
    private var slots: [Element?] = []
    private var head = 0

    var count: Int { slots.count - head }
    var first: Element? { head < slots.count ? slots[head] : nil }

    mutating func append(_ element: Element) { slots.append(element) }

    mutating func popFirst() -> Element? {
        guard head < slots.count else { return nil }
        let element = slots[head]
        slots[head] = nil
        head += 1
        if head >= 64, head * 2 >= slots.count {
            slots.removeFirst(head)
            head = 0
        }
        return element
    }
}
