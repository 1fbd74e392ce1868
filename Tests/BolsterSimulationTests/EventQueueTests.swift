import Testing

@testable import BolsterTestKit

@Suite("Virtual time") struct EventQueueTests {
    @Test("Events come by time, those of one instant in the order they were entered") func order() {
        var queue = EventQueue<Int>()
        for (event, second) in [3, 1, 2, 1, 3, 0].enumerated() { queue.insert(event, due: .seconds(second)) }
        var events: [Int] = []
        while let (_, event) = queue.next() { events.append(event) }
        #expect(events == [5, 1, 3, 2, 0, 4])
    }

    @Test("A clock that runs fast or slow is read both ways") func skew() {
        let clock = SkewedClock(rate: 1.03, offset: .seconds(5))
        let local = clock.local(.seconds(100))
        #expect(local == .seconds(108))
        #expect(abs((clock.world(local) - .seconds(100)) / .nanoseconds(1)) < 10)
    }

    @Test("A seed is a stream of its own, and the same again") func random() {
        var first = SeededRandom(seed: 1)
        var again = SeededRandom(seed: 1)
        var other = SeededRandom(seed: 2)
        let numbers = (0..<4).map { _ in first.next() }
        #expect(numbers == (0..<4).map { _ in again.next() })
        #expect(numbers != (0..<4).map { _ in other.next() })
        let waits = (0..<4_000).map { _ in first.wait(perSecond: 2) / .seconds(1) }
        #expect((0.45...0.55).contains(waits.reduce(0, +) / 4_000))
    }
}
