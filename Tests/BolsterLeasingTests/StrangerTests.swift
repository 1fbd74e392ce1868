import Testing

@testable import BolsterLeasing

/// What is said of a lease by one who does not hold it, and what a worker may not have.
@Suite("Words of others") struct StrangerTests {
    /// "a" holds the only unit; "b" has greeted too.
    private func held() throws -> (ledger: TestLedger, a: TestWorker, b: TestWorker, grant: Grant) {
        let ledger = TestLedger(plan: plan(shards: 1, stages: oneStage), generation: 1)
        let a = TestWorker("a", key: "A")
        let b = TestWorker("b", key: "B")
        a.greet(ledger)
        b.greet(ledger)
        return (ledger, a, b, try #require(a.lease(ledger)))
    }

    @Test("Promise 3: another's report extends no lease, and is told so") func heartbeat() throws {
        let (ledger, _, b, grant) = try held()
        for second in stride(from: 2, to: 20, by: 2) {
            #expect(
                b.report(grant, samples: second, to: ledger, at: .seconds(second))
                    == .reply(revoked: [grant.epoch], drain: false, []))
        }
        #expect(ledger.ticked(now: .seconds(20)).first == .ended(grant.unit, grant.epoch))
    }

    @Test("Promise 4: another's Fail burns no attempt, and its Release ends no lease") func fail() throws {
        let (ledger, _, b, grant) = try held()
        #expect(b.fail(grant, ledger) == .acknowledge(attempts: 0, quarantined: false))
        #expect(ledger.releaseReceived(grant.epoch, from: b.sender, now: .zero) == .acknowledge)
        #expect(ledger.leasesLiving == 1 && ledger.open[0]?.trouble.attempts == 0)
    }

    @Test("Promise 4: another's announcement testifies to nothing") func announcement() throws {
        let (ledger, _, b, grant) = try held()
        let announcement = Announcement(unit: grant.unit, epoch: grant.epoch, sample: 2, key: "k")
        #expect(ledger.announcementReceived(announcement, from: b.sender, now: .zero) == .ignore)
        #expect(ledger.machine.leases[grant.epoch]?.announced == nil)
    }

    @Test("A worker's name under another key is a worker that has not greeted") func otherKey() throws {
        let (ledger, _, _, grant) = try held()
        let forger = TestWorker("a", key: "F")
        let unknown = Refusal(.unknownWorker, "say Hello first")
        #expect(forger.ask(ledger) == .refuse(unknown))
        #expect(forger.fail(grant, ledger) == .refuse(unknown))
        #expect(forger.report(grant, samples: 1, to: ledger, at: .zero) == .refuse(unknown))
        #expect(ledger.releaseReceived(grant.epoch, from: forger.sender, now: .zero) == .refuse(unknown))
        #expect(ledger.leasesLiving == 1)
    }

    @Test("Promise 4: a device that computes wrongly burns no attempt, and gets that stage no more")
    func wrongDevice() throws {
        let (ledger, a, b, grant) = try held()
        let fail = Fail(unit: grant.unit, epoch: grant.epoch, blame: .device, message: "probe")
        #expect(
            ledger.failReceived(fail, from: a.sender, now: .zero)
                == .journal([.ended(grant.unit, grant.epoch)], attempts: 0, quarantined: false))
        #expect(a.lease(ledger, at: .seconds(60)) == nil)
        #expect(b.lease(ledger, at: .seconds(60))?.unit == grant.unit)
    }

    @Test("A name is kept for a worker that reports, and free for another key once it is silent")
    func silence() throws {
        let ledger = TestLedger(plan: plan(shards: 1, stages: oneStage), generation: 1)
        let (a, other) = (TestWorker("a", key: "A"), TestWorker("a", key: "B"))
        a.greet(ledger)
        let silent = Heartbeat(leases: [], samplesPerSecond: 0)
        for second in stride(from: 2, through: 60, by: 2) {
            _ = ledger.heartbeatReceived(silent, from: a.sender, now: .seconds(second))
        }
        guard case .refuse(let refusal) = other.greet(ledger, at: .seconds(61)) else {
            return #expect(Bool(false))
        }
        #expect(refusal.reason == .nameTaken)
        #expect(other.greet(ledger, at: .seconds(81)) == .welcome([]))
    }

    @Test("Epochs are in the order of their generations, then of their grants") func epochs() {
        let ordered = [(1, 1), (1, 2), (1, 10), (2, 1), (10, 1)].map { Epoch(generation: $0.0, grant: $0.1) }
        #expect(ordered.reversed().sorted() == ordered)
        #expect(ordered.map { Epoch($0.description) } == ordered)
    }

    @Test("A commit extends its lease") func commitExtends() throws {
        let (ledger, a, _, grant) = try held()
        _ = a.commit(grant, chunk: 0, to: ledger, at: .seconds(15))
        #expect(ledger.ticked(now: .seconds(34)).isEmpty)
        #expect(ledger.ticked(now: .seconds(35)).first == .ended(grant.unit, grant.epoch))
    }

    @Test("A worker has at most sixteen leases") func crowded() {
        let ledger = TestLedger(plan: plan(shards: 40, stages: oneStage), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        let grants = (0..<20).compactMap { _ in a.lease(ledger) }
        #expect(grants.count == 16 && ledger.leasesLiving == 16)
        #expect(Set(grants.map(\.epoch)).count == 16)
        _ = ledger.releaseReceived(grants[3].epoch, from: a.sender, now: .zero)
        #expect(a.lease(ledger)?.unit == grants[3].unit)
    }

    @Test("A worker that fails at everything waits longer and longer, until it commits") func tired() throws {
        let ledger = TestLedger(plan: plan(shards: 60, stages: oneStage), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        var waits: [Duration] = []
        var now = Duration.zero
        while waits.count < 4 {
            switch a.ask(ledger, at: now) {
            case .grant(let grant, _): _ = a.fail(grant, ledger, at: now)
            case .wait(let time):
                waits.append(time)
                now += time
            default: throw LeasingError(.malformed, "neither a lease nor a wait")
            }
        }
        #expect(waits == [.seconds(1), .seconds(2), .seconds(4), .seconds(8)])
        let grant = try #require(a.lease(ledger, at: now))
        _ = a.commit(grant, chunk: 0, to: ledger, at: now)
        _ = a.fail(grant, ledger, at: now)
        #expect(a.lease(ledger, at: now) != nil)
    }

    @Test("A failed unit rests for one second, then two; with its last attempt it is given up") func rests()
        throws
    {
        let ledger = TestLedger(plan: plan(shards: 1, stages: oneStage), generation: 1)
        var now = Duration.zero
        for (attempt, pause) in [1, 2].enumerated() {
            let worker = TestWorker("w\(attempt)")
            worker.greet(ledger, at: now)
            _ = worker.fail(try #require(worker.lease(ledger, at: now)), ledger, at: now)
            let other = TestWorker("other")
            other.greet(ledger, at: now)
            _ = ledger.ticked(now: now + .seconds(pause) - .milliseconds(1))
            #expect(other.lease(ledger, at: now) == nil)
            now += .seconds(pause)
            _ = ledger.ticked(now: now)
        }
        let last = TestWorker("last")
        last.greet(ledger, at: now)
        let grant = try #require(last.lease(ledger, at: now))
        guard case .journal(let changes, attempts: 3, quarantined: true) = last.fail(grant, ledger, at: now)
        else { return #expect(Bool(false)) }
        guard case .quarantined(grant.unit, let trouble)? = changes.last else {
            return #expect(Bool(false))
        }
        #expect(trouble.attempts == 3 && ledger.leasesLiving == 0)
        #expect(last.lease(ledger, at: now + .seconds(100)) == nil)
    }
}
