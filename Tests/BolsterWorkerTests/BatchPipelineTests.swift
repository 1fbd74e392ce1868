import Synchronization
import Testing

@testable import BolsterWorker

@Suite struct BatchPipelineTests {
    private typealias Pipeline = BatchPipeline<Int, Int>

    /// Samples 0, 1, 2 … below `count`, a mark after every `chunk` of them; then the end, or an error.
    private final class Numbers {
        private var next = 0
        private var marked = 0
        private let count: Int
        private let chunk: Int
        private let failing: Bool

        init(_ count: Int, chunk: Int, failing: Bool = false) {
            self.count = count
            self.chunk = chunk
            self.failing = failing
        }

        func draw() throws -> Pipeline.Drawn? {
            if next == marked + chunk || (next == count && marked < count && !failing) {
                marked = next
                return .mark(next)
            }
            guard next < count else {
                if failing { throw WorkerError(.mismatch, "the source breaks") }
                return nil
            }
            defer { next += 1 }
            return .sample(UnitSample(index: next, key: "\(next)", content: .texts(.success([]))))
        }
    }

    /// Sample n has n % 4 rows; row r holds the number 1000 n + r for both models, the second one negative.
    private static func pipeline(
        _ numbers: Numbers, threads: Int = 4, rows: Int = 5, window: Int = 6
    ) -> Pipeline {
        Pipeline(
            name: "test",
            shape: .init(
                threads: threads, step: .augmentation, rows: rows,
                widths: [MemoryLayout<Int64>.size, MemoryLayout<Int32>.size], window: window),
            meter: StepMeter(threads: threads), source: { try numbers.draw() },
            prepare: { sample in
                let number = sample.index
                return PreparedSample(number, rows: number % 4) { row, target in
                    var state = UInt64(number)
                    for _ in 0..<(number * 37 % 200) { state = state &* 6_364_136_223_846_793_005 &+ 1 }
                    let value = Int64(1000 * number + row + (state == 1 ? 1 : 0))
                    target[0].storeBytes(of: value, as: Int64.self)
                    target[1].storeBytes(of: Int32(-value), as: Int32.self)
                }
            })
    }

    /// Every value by batch, notes and marks between, as one line.
    private static func run(_ pipeline: Pipeline) throws -> (notes: [Int], batches: [[Int64]], marks: [Int]) {
        var notes: [Int] = []
        var batches: [[Int64]] = []
        var marks: [Int] = []
        while let event = try pipeline.next() {
            switch event {
            case .note(let number, let rows):
                #expect(rows == number % 4)
                notes.append(number)
            case .batch(let batch):
                let first = Array(batch.values(0..<batch.count, of: 0, as: Int64.self))
                let second = Array(batch.values(0..<batch.count, of: 1, as: Int32.self))
                #expect(first.map { Int32(-$0) } == second)
                batches.append(first)
                pipeline.recycle(batch)
            case .mark(let number): marks.append(number)
            }
        }
        return (notes, batches, marks)
    }

    /// What the batches must be: rows in order, cut at the batch's size and at each mark.
    private static func expected(_ count: Int, chunk: Int, rows: Int) -> [[Int64]] {
        stride(from: 0, to: count, by: chunk).flatMap { start -> [[Int64]] in
            let values = (start..<min(start + chunk, count)).flatMap { number in
                (0..<number % 4).map { Int64(1000 * number + $0) }
            }
            return stride(from: 0, to: values.count, by: rows).map {
                Array(values[$0..<min($0 + rows, values.count)])
            }
        }
    }

    @Test(
        "Batches follow from the source, the chunk and the batch size alone",
        arguments: [1, 4], [1, 5, 64])
    func composition(threads: Int, rows: Int) throws {
        let result = try Self.run(
            Self.pipeline(Numbers(300, chunk: 23), threads: threads, rows: rows, window: threads + 1))
        #expect(result.notes == Array(0..<300))
        #expect(result.batches == Self.expected(300, chunk: 23, rows: rows))
        #expect(result.marks == Array(stride(from: 23, to: 300, by: 23)) + [300])
    }

    @Test("No more is read ahead than the bounds say, however slow the consumer is")
    func bounds() throws {
        let drawn = Mutex(0)
        let numbers = Numbers(400, chunk: 400)
        let pipeline = Pipeline(
            name: "test",
            shape: .init(threads: 3, step: .augmentation, rows: 4, widths: [1], window: 5),
            meter: StepMeter(threads: 3),
            source: {
                drawn.withLock { $0 += 1 }
                return try numbers.draw()
            },
            prepare: { sample in
                PreparedSample(sample.index, rows: 1) { _, target in
                    target[0].storeBytes(of: 0, as: UInt8.self)
                }
            })
        var taken = 0
        while let event = try pipeline.next() {
            if case .note = event { taken += 1 }
            // Three batches of four rows, the window, and the mark.
            #expect(drawn.withLock { $0 } <= taken + 12 + 5 + 2)
            if case .batch(let batch) = event { pipeline.recycle(batch) }
        }
        #expect(taken == 400)
    }

    @Test("An error of the source comes after everything read before it")
    func failure() throws {
        let pipeline = Self.pipeline(Numbers(20, chunk: 8, failing: true))
        var notes = 0
        #expect(throws: WorkerError.self) {
            while let event = try pipeline.next() {
                if case .note = event { notes += 1 }
                if case .batch(let batch) = event { pipeline.recycle(batch) }
            }
        }
        #expect(notes == 20)
        pipeline.cancel()
    }

    @Test("A cancelled pipeline has no thread left and hands out nothing")
    func cancelling() throws {
        let pipeline = Self.pipeline(Numbers(1_000_000, chunk: 1000))
        guard case .note(0, rows: 0)? = try pipeline.next() else {
            Issue.record("the first event is the note of sample 0")
            return
        }
        pipeline.cancel()
        #expect(try pipeline.next() == nil)
    }

    @Test("What is taken from a queue is not kept alive")
    func queue() {
        final class Thing {}
        var queue = ArrivalQueue<Thing>()
        weak var first: Thing?
        do {
            let thing = Thing()
            first = thing
            queue.append(thing)
        }
        #expect(first != nil)
        _ = queue.popFirst()
        #expect(first == nil)
        for _ in 0..<1000 { queue.append(Thing()) }
        for _ in 0..<1000 { #expect(queue.popFirst() != nil) }
        #expect(queue.popFirst() == nil && queue.count == 0)
    }
}
