import Synchronization
import Testing

@testable import BolsterWorker

@Suite struct OrderedPipelineTests {
    /// 0, 1, 2 … below `count`; afterwards the end or an error. Drawn from by one thread at a time.
    private final class Numbers {
        private var next = 0
        private let count: Int
        private let failing: Bool
        init(_ count: Int, failing: Bool = false) {
            self.count = count
            self.failing = failing
        }
        func draw() throws -> Int? {
            guard next < count else {
                if failing { throw WorkerError(.mismatch, "the source breaks") }
                return nil
            }
            defer { next += 1 }
            return next
        }
    }

    @Test("What four threads prepare comes out in the source's order")
    func order() throws {
        let numbers = Numbers(500)
        let pipeline = OrderedPipeline(
            name: "test", threads: 4, window: 7, source: { try numbers.draw() },
            prepare: { number in
                var state = UInt64(number)
                for _ in 0..<(number * 37 % 400) { state = state &* 6_364_136_223_846_793_005 &+ 1 }
                return state == 1 ? -1 : number
            })
        var seen: [Int] = []
        while let number = try pipeline.next() { seen.append(number) }
        #expect(seen == Array(0..<500))
    }

    @Test("No more than the window is drawn ahead of the consumer")
    func window() throws {
        let drawn = Mutex(0)
        let numbers = Numbers(100)
        let pipeline = OrderedPipeline(
            name: "test", threads: 3, window: 5,
            source: {
                drawn.withLock { $0 += 1 }
                return try numbers.draw()
            }, prepare: { $0 })
        for taken in 1...100 {
            #expect(try pipeline.next() == taken - 1)
            #expect(drawn.withLock { $0 } <= taken + 5)
        }
        #expect(try pipeline.next() == nil)
    }

    @Test("An error of the source comes after everything drawn before it")
    func failure() throws {
        let numbers = Numbers(20, failing: true)
        let pipeline = OrderedPipeline(
            name: "test", threads: 4, window: 8, source: { try numbers.draw() }, prepare: { $0 })
        for number in 0..<20 { #expect(try pipeline.next() == number) }
        #expect(throws: WorkerError.self) { try pipeline.next() }
    }

    @Test("A cancelled pipeline has no thread left and hands out nothing")
    func cancelling() throws {
        let numbers = Numbers(1_000_000)
        let pipeline = OrderedPipeline(
            name: "test", threads: 2, window: 4, source: { try numbers.draw() }, prepare: { $0 })
        #expect(try pipeline.next() == 0)
        pipeline.cancel()
        #expect(try pipeline.next() == nil)
    }
}
