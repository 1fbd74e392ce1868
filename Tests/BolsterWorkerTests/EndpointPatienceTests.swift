import Testing

@testable import BolsterWorker

@Suite struct EndpointPatienceTests {
    private let start = ContinuousClock.now

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("A server that never answered gets one more chance, which comes when nothing else is left to do")
    func never() {
        var patience = EndpointPatience(patience: .seconds(1800))
        #expect(patience.after(.away, lastAnswer: nil, now: at(120)) == .handBack(after: .zero))
        #expect(patience.after(.away, lastAnswer: nil, now: at(240)) == .leave)
    }

    @Test("A server that has answered is waited for as long as said, and an answer begins the wait anew")
    func answered() {
        var patience = EndpointPatience(patience: .seconds(1800))
        for minute in stride(from: 2, to: 30, by: 2) {
            #expect(
                patience.after(.away, lastAnswer: at(0), now: at(60 * minute)) == .handBack(after: .zero),
                "\(minute)")
        }
        #expect(patience.after(.away, lastAnswer: at(1200), now: at(2000)) == .handBack(after: .zero))
        #expect(patience.after(.away, lastAnswer: at(1200), now: at(3000)) == .leave)
        #expect(patience.after(.away, lastAnswer: at(3100), now: at(3200)) == .handBack(after: .zero))
    }

    @Test("A wrong key or address is final at its second time, whatever was before")
    func misconfigured() {
        var patience = EndpointPatience(patience: .seconds(1800))
        #expect(patience.after(.misconfigured, lastAnswer: at(9), now: at(10)) == .handBack(after: .zero))
        #expect(patience.after(.misconfigured, lastAnswer: at(9), now: at(11)) == .leave)
    }

    @Test("Samples that fail one after the other cost one unit an attempt, and no second unit in a row")
    func broken() {
        var patience = EndpointPatience(patience: .seconds(1800))
        #expect(patience.after(.broken, lastAnswer: at(1), now: at(10)) == .burn)
        let rests = (0..<6).map { patience.after(.broken, lastAnswer: at(1), now: at(20 + $0)) }
        #expect(rests == [4, 8, 16, 30, 30, 30].map { .handBack(after: .seconds($0)) })
        // It has answered since: the next may be the unit's fault again.
        #expect(patience.after(.broken, lastAnswer: at(40), now: at(50)) == .burn)
        var other = EndpointPatience(patience: .seconds(1800))
        #expect(other.after(.broken, lastAnswer: nil, now: at(10)) == .burn)
        #expect(other.after(.broken, lastAnswer: nil, now: at(20)) == .leave)
    }
}
