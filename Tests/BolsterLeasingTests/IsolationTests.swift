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
}
