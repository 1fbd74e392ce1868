import Testing

@testable import BolsterLeasing

/// The promises of the lease protocol (LeaseProtocol.md), as far as the ledger alone keeps them.
@Suite("Promises of the ledger") struct PromiseTests {
    private func ledger(shards: Int = 1) -> TestLedger {
        TestLedger(plan: plan(shards: shards, stages: oneStage), generation: 1)
    }

    @Test("Promise 1: a chunk is committed once, whoever makes it") func once() throws {
        let ledger = ledger()
        let a = TestWorker("a")
        let b = TestWorker("b")
        a.greet(ledger)
        let first = try #require(a.lease(ledger))
        _ = ledger.ticked(now: .seconds(20))
        b.greet(ledger, at: .seconds(20))
        let second = try #require(b.lease(ledger, at: .seconds(20)))
        #expect(b.commit(second, chunk: 0, to: ledger).isJournalled)
        #expect(a.commit(first, chunk: 0, to: ledger).refusal == .alreadyCommitted)
        #expect(ledger.stageCounts[0].chunks == 1)
    }

    @Test("Promise 2: a late commit counts although the lease has expired") func late() throws {
        let ledger = ledger()
        let a = TestWorker("a")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        _ = ledger.ticked(now: .seconds(20))
        #expect(ledger.leasesLiving == 0)
        #expect(a.commit(grant, chunk: 0, to: ledger, at: .seconds(60)).isJournalled)
    }

    @Test("Promise 2: an equal repetition is acknowledged, another digest is refused") func repetition()
        throws
    {
        let ledger = ledger()
        let a = TestWorker("a")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        for isLast in [false, true] {
            let chunk = isLast ? 1 : 0
            #expect(a.commit(grant, chunk: chunk, isLast: isLast, to: ledger).isJournalled)
            #expect(a.commit(grant, chunk: chunk, isLast: isLast, to: ledger).isAcknowledged)
            #expect(
                a.commit(grant, chunk: chunk, isLast: isLast, digest: 1, to: ledger).refusal
                    == .alreadyCommitted)
        }
    }

    @Test("Promise 2: an epoch of another key, worker or unit is refused") func forged() throws {
        let ledger = ledger(shards: 2)
        let a = TestWorker("a", key: "K1")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        #expect(TestWorker("a", key: "K2").commit(grant, chunk: 0, to: ledger).refusal == .neverGranted)
        #expect(TestWorker("b", key: "K1").commit(grant, chunk: 0, to: ledger).refusal == .neverGranted)
        var other = grant
        other.unit = UnitID(stage: "views", shard: 1)
        other.shard = ledger.plan.shards[1]
        #expect(a.commit(other, chunk: 0, to: ledger).refusal == .neverGranted)
        other = grant
        other.epoch = Epoch(generation: 0, grant: 1)
        #expect(a.commit(other, chunk: 0, to: ledger).refusal == .neverGranted)
    }

    @Test("Promise 2: a former fingerprint is refused") func fingerprintChanged() throws {
        let ledger = ledger()
        let a = TestWorker("a")
        a.greet(ledger)
        var grant = try #require(a.lease(ledger))
        grant.fingerprint = fingerprint("old")
        #expect(a.commit(grant, chunk: 0, to: ledger).refusal == .fingerprint)
    }

    @Test("Impossible commits are refused") func impossible() throws {
        let ledger = ledger()
        let a = TestWorker("a")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        var wrongName = commitment(grant, chunk: 0)
        wrongName.file = "records/views/s0/000001-1-1.records"
        #expect(ledger.commitReceived(wrongName, from: a.sender, now: .zero).refusal == .malformed)
        var short = commitment(grant, chunk: 0)
        short.result.samples = 3
        #expect(ledger.commitReceived(short, from: a.sender, now: .zero).refusal == .malformed)
        _ = a.commit(grant, chunk: 1, isLast: true, to: ledger)
        #expect(a.commit(grant, chunk: 2, to: ledger).refusal == .malformed)
    }

    @Test("Promise 3: reports without progress do not save a hung lease") func hung() throws {
        let ledger = ledger()
        let a = TestWorker("a")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        var lostAt: Duration?
        for second in stride(from: 2, through: 600, by: 2) where lostAt == nil {
            _ = a.report(grant, samples: second <= 10 ? second : 10, to: ledger, at: .seconds(second))
            if !ledger.ticked(now: .seconds(second)).isEmpty { lostAt = .seconds(second) }
        }
        #expect(lostAt == .seconds(330))
    }

    @Test("Promise 3: loading extends a lease, but not for ever") func loading() throws {
        let ledger = ledger()
        let a = TestWorker("a")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        var lostAt: Duration?
        for second in stride(from: 2, through: 2_000, by: 2) where lostAt == nil {
            _ = a.report(grant, .loading, samples: 0, to: ledger, at: .seconds(second))
            if !ledger.ticked(now: .seconds(second)).isEmpty { lostAt = .seconds(second) }
        }
        #expect(lostAt == .seconds(922))
    }

    @Test("Promise 3: a worker that reports progress keeps its lease for hours") func progress() throws {
        let ledger = ledger()
        let a = TestWorker("a")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        for second in stride(from: 10, through: 20_000, by: 10) {
            #expect(
                a.report(grant, samples: second, to: ledger, at: .seconds(second))
                    == .reply(revoked: [], drain: false, []))
            #expect(ledger.ticked(now: .seconds(second)).isEmpty)
        }
    }

    @Test("Promise 3: a lease queued behind another lives by the other's progress") func queued() throws {
        let ledger = ledger(shards: 2)
        let a = TestWorker("a")
        a.greet(ledger)
        let first = try #require(a.lease(ledger))
        let second = try #require(a.lease(ledger))
        for time in stride(from: 10, through: 3_000, by: 10) {
            let reports = [
                LeaseReport(epoch: second.epoch, phase: .queued, chunk: 0, samplesDone: 0),
                LeaseReport(epoch: first.epoch, phase: .working, chunk: 0, samplesDone: time),
            ]
            _ = ledger.heartbeatReceived(
                Heartbeat(leases: reports, samplesPerSecond: 1), from: a.sender, now: .seconds(time))
            #expect(ledger.ticked(now: .seconds(time)).isEmpty)
        }
    }

    @Test("Promise 3: a lease queued behind a hung one is lost with it") func queuedBehindHung() throws {
        let ledger = ledger(shards: 2)
        let a = TestWorker("a")
        a.greet(ledger)
        let grants = try (0..<2).map { _ in try #require(a.lease(ledger)) }
        var lostAt: [Int] = []
        for time in stride(from: 10, through: 600, by: 10) {
            let reports = [
                LeaseReport(epoch: grants[0].epoch, phase: .working, chunk: 0, samplesDone: min(time, 50)),
                LeaseReport(epoch: grants[1].epoch, phase: .queued, chunk: 0, samplesDone: 0),
            ]
            _ = ledger.heartbeatReceived(
                Heartbeat(leases: reports, samplesPerSecond: 1), from: a.sender, now: .seconds(time))
            for case .ended in ledger.ticked(now: .seconds(time)) { lostAt.append(time) }
        }
        // The time to progress after the last sample, then the time to expiry.
        #expect(lostAt == [370, 370])
    }

    @Test("A revoked lease is told in the heartbeat's answer") func revoked() throws {
        let ledger = ledger()
        let a = TestWorker("a")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        _ = ledger.ticked(now: .seconds(20))
        #expect(
            a.report(grant, samples: 4, to: ledger, at: .seconds(21))
                == .reply(revoked: [grant.epoch], drain: false, []))
    }

    @Test("Promise 4: preemption burns no attempt, however often") func preemption() throws {
        let ledger = ledger()
        for round in 0..<40 {
            let worker = TestWorker("w\(round)")
            worker.greet(ledger, at: .seconds(round * 100))
            let grant = try #require(worker.lease(ledger, at: .seconds(round * 100)))
            #expect(grant.firstChunk == round && grant.isolation.isEmpty)
            _ = worker.commit(grant, chunk: round, to: ledger, at: .seconds(round * 100))
            let isExpired = round.isMultiple(of: 2)
            if isExpired {
                _ = ledger.ticked(now: .seconds(round * 100 + 50))
            } else {
                _ = ledger.releaseReceived(grant.epoch, from: worker.sender, now: .seconds(round * 100))
            }
        }
        #expect(ledger.open[0]?.trouble.attempts == 0 && ledger.outcome == nil)
    }

    @Test("Promise 4: a chunk lost by three workers is isolated, its poison sample found and skipped")
    func poison() throws {
        let ledger = ledger()
        var grants: [Grant] = []
        for round in 0..<6 {
            let now = Duration.seconds(round * 100)
            _ = ledger.ticked(now: now)
            let worker = TestWorker("w\(round)")
            worker.greet(ledger, at: now)
            let grant = try #require(worker.lease(ledger, at: now))
            grants.append(grant)
            guard !grant.isolation.isEmpty else { continue }
            for sample in 0...2 where !grant.isolation[0].skip.contains(sample) {
                let announcement = Announcement(
                    unit: grant.unit, epoch: grant.epoch, sample: sample, key: "k")
                #expect(ledger.announcementReceived(announcement, from: worker.sender, now: now) == .proceed)
            }
        }
        #expect(grants.map { $0.isolation.count } == [0, 0, 0, 1, 1, 1])
        #expect(grants[4].isolation[0].skip == [] && grants[5].isolation[0].skip == [2])
    }

    @Test("Promise 4: a committed chunk's losses are forgotten") func lossesForgotten() throws {
        let ledger = ledger()
        for round in 0..<2 {
            let worker = TestWorker("w\(round)")
            worker.greet(ledger, at: .seconds(round * 100))
            _ = worker.lease(ledger, at: .seconds(round * 100))
            _ = ledger.ticked(now: .seconds(round * 100 + 50))
        }
        let last = TestWorker("last")
        last.greet(ledger, at: .seconds(300))
        let grant = try #require(last.lease(ledger, at: .seconds(300)))
        _ = last.commit(grant, chunk: 0, to: ledger, at: .seconds(300))
        #expect(ledger.open[0]?.trouble.losses == [])
    }

    @Test("Promise 5: a ledger made anew from its journal takes the commits of leases granted before")
    func replay() throws {
        var changes: [LedgerChange] = []
        let ledger = TestLedger(plan: plan(shards: 1), generation: 1)
        let a = TestWorker("a", key: "K")
        a.greet(ledger)
        guard case .grant(let grant, let granted) = a.ask(ledger, loaded: ["captions.a"]) else {
            return #expect(Bool(false))
        }
        changes.append(granted)
        guard case .journal(let committed, _) = a.commit(grant, chunk: 0, to: ledger) else {
            return #expect(Bool(false))
        }
        changes.append(committed)
        let next = TestLedger(plan: plan(shards: 1), generation: 2)
        for change in changes { try next.replayed(change, now: .zero) }
        #expect(next.leasesLiving == 1)
        #expect(a.commit(grant, chunk: 0, to: next).isAcknowledged)
        #expect(
            TestWorker("a", key: "other").commit(grant, chunk: 1, isLast: true, to: next).refusal
                == .neverGranted)
        #expect(a.commit(grant, chunk: 1, isLast: true, to: next).isJournalled)
        a.greet(next)
        #expect(a.lease(next, loaded: ["texts.a"])?.unit.stage == "texts.a")
    }

    @Test("Promise 5: a lease that was over before a restart may still commit after it") func formerGrant()
        throws
    {
        let former = ledger()
        let a = TestWorker("a", key: "K")
        a.greet(former)
        let grant = try #require(a.lease(former))
        let record = GrantRecord(epoch: grant.epoch, worker: WorkerID("a"), incarnation: 1, key: "K")
        let next = TestLedger(plan: former.plan, generation: 2)
        try next.machine.replayedFormerGrant(grant.unit, record)
        #expect(next.leasesLiving == 0)
        #expect(TestWorker("a", key: "other").commit(grant, chunk: 0, to: next).refusal == .neverGranted)
        #expect(a.commit(grant, chunk: 0, to: next).isJournalled)
    }

    @Test("Promise 5: a lease whose Grant died with its coordinator is ready again at once") func lostGrant()
        throws
    {
        let former = ledger()
        let a = TestWorker("a")
        a.greet(former)
        guard case .grant(let grant, let granted) = a.ask(former) else {
            throw LeasingError(.malformed, "no grant")
        }
        let next = TestLedger(plan: former.plan, generation: 2)
        try next.replayed(granted, now: .zero)
        a.greet(next)
        let silence = Heartbeat(leases: [], samplesPerSecond: 0)
        _ = next.heartbeatReceived(silence, from: a.sender, following: 1, now: .zero)
        #expect(next.leasesLiving == 1)
        #expect(
            next.heartbeatReceived(silence, from: a.sender, following: 2, now: .zero)
                == .reply(revoked: [], drain: false, [.ended(grant.unit, grant.epoch)]))
        #expect(a.lease(next)?.unit == grant.unit)
    }
}
