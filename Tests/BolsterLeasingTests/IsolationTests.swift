import Testing

@testable import BolsterLeasing

/// What the simulator found about samples that kill their workers.
@Suite("Isolation") struct IsolationTests {
    private static let limits = LeaseLimits()

    private func ledger() -> (TestLedger, TestWorker) {
        let ledger = TestLedger(plan: plan(shards: 1, stages: oneStage), generation: 1)
        let worker = TestWorker("w")
        worker.greet(ledger)
        return (ledger, worker)
    }

    /// The worker takes the unit at `now` and is lost once its lease has expired; returns the time then.
    private func lose(
        _ ledger: TestLedger, _ worker: TestWorker, at now: Duration, announcing samples: [Int] = [],
        loading: Bool = false
    ) -> Duration {
        worker.greet(ledger, at: now)
        guard let grant = worker.lease(ledger, at: now) else { return now }
        if loading { _ = worker.report(grant, .loading, samples: 0, to: ledger, at: now) }
        for sample in samples {
            _ = ledger.announcementReceived(
                Announcement(unit: grant.unit, epoch: grant.epoch, sample: sample, key: "k"),
                from: worker.sender, now: now)
        }
        let later = now + Self.limits.expires + .seconds(1)
        _ = ledger.ticked(now: later)
        return later
    }

    private func trouble(_ ledger: TestLedger) -> Trouble { ledger.open[0]?.trouble ?? Trouble() }

    @Test(
        "A worker that dies right after an announcement is blamed on the sample, though it last said loading")
    func announcedWhileLoading() {
        let (ledger, worker) = ledger()
        var now = Duration.zero
        for _ in 0..<3 { now = lose(ledger, worker, at: now) }
        for _ in 0..<2 { now = lose(ledger, worker, at: now, announcing: [1], loading: true) }
        #expect(trouble(ledger).losses.first?.skip == [1])
    }

    @Test("A chunk whose workers die before their first report of work is isolated in the end")
    func diesWhileLoading() {
        let (ledger, worker) = ledger()
        var now = Duration.zero
        for _ in 0..<8 { now = lose(ledger, worker, at: now, loading: true) }
        #expect(trouble(ledger).losses.first?.isIsolated == false)
        now = lose(ledger, worker, at: now, loading: true)
        #expect(trouble(ledger).losses.first?.isIsolated == true)
    }

    @Test("An old announcement that comes late does not testify against its sample")
    func lateAnnouncement() {
        let (ledger, worker) = ledger()
        var now = Duration.zero
        for _ in 0..<3 { now = lose(ledger, worker, at: now) }
        for _ in 0..<2 { now = lose(ledger, worker, at: now, announcing: [0, 1, 2, 1]) }
        #expect(trouble(ledger).losses.first?.skip == [2])
    }

    @Test("A sample is remembered with its own chunk, wherever the worker stood") func ownChunk() {
        let (ledger, worker) = ledger()
        var now = Duration.zero
        for _ in 0..<2 { now = lose(ledger, worker, at: now, announcing: [5]) }
        #expect(trouble(ledger).losses.map(\.chunk) == [1])
    }

    @Test("Each sample that kills is skipped after its second death, and the next has its own two")
    func skipped() {
        let (ledger, worker) = ledger()
        var now = Duration.zero
        for _ in 0..<3 { now = lose(ledger, worker, at: now) }
        var skips: [[Int]] = []
        for sample in [1, 1, 3, 3] {
            now = lose(ledger, worker, at: now, announcing: [sample])
            skips.append(trouble(ledger).losses.first?.skip ?? [])
        }
        #expect(skips == [[], [1], [1], [1, 3]])
    }

    @Test("Sixteen losses in isolation without a culprit, not fifteen, give the unit up") func hopeless() {
        let (ledger, worker) = ledger()
        var now = Duration.zero
        for _ in 0..<3 + 15 { now = lose(ledger, worker, at: now) }
        #expect(ledger.stageCounts[0].quarantined == 0)
        now = lose(ledger, worker, at: now)
        #expect(ledger.stageCounts[0].quarantined == 1 && trouble(ledger).attempts == 0)
    }

    @Test("After a restart nothing is remembered of chunks that are committed, and all of the others")
    func replayed() throws {
        let (ledger, worker) = ledger()
        let now = lose(ledger, worker, at: lose(ledger, worker, at: .zero))
        var lost = trouble(ledger)
        lost.attempts = 2
        let grant = try #require(worker.lease(ledger, at: now))
        guard case .journal(let committed, _) = worker.commit(grant, chunk: 0, to: ledger, at: now) else {
            return #expect(Bool(false))
        }
        let unit = grant.unit
        // A journal's rows come chunks first.
        let next = TestLedger(plan: ledger.plan, generation: 2)
        for change in [committed, .troubled(unit, lost)] { try next.replayed(change, now: .zero) }
        #expect(trouble(next).losses == [] && trouble(ledger).losses == [])
        let other = TestLedger(plan: ledger.plan, generation: 2)
        try other.replayed(.troubled(unit, lost), now: .zero)
        #expect(trouble(other) == lost && lost.losses.map(\.count) == [2])
        _ = lose(other, worker, at: .zero)
        #expect(trouble(other).losses.first?.isIsolated == true)
    }
}
