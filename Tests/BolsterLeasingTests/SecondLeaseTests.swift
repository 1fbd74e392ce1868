import Testing

@testable import BolsterLeasing

@Suite("Promise 6: second leases at the tail") struct SecondLeaseTests {
    /// Captions and views over one shard of eight chunks; the views are done, "a" holds the captions.
    private func tail() throws -> (TestLedger, TestWorker, Grant) {
        let stages = Array(plan(shards: 1).stages.prefix(2))
        let ledger = TestLedger(plan: plan(shards: 1, stages: stages), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        let views = try #require(a.lease(ledger, loaded: ["views"]))
        for chunk in 0..<8 { _ = a.commit(views, chunk: chunk, isLast: chunk == 7, to: ledger) }
        return (ledger, a, try #require(a.lease(ledger)))
    }

    private func helper(_ ledger: TestLedger, at now: Duration) -> (TestWorker, Grant?) {
        let b = TestWorker("b")
        b.greet(ledger, at: now)
        return (b, b.lease(ledger, at: now))
    }

    @Test("An idle worker begins in the middle of what is left") func second() throws {
        let (ledger, a, first) = try tail()
        _ = a.commit(first, chunk: 0, to: ledger, at: .seconds(15))
        _ = a.report(first, samples: 5, chunk: 1, to: ledger, at: .seconds(50))
        let (b, second) = helper(ledger, at: .seconds(60))
        let grant = try #require(second)
        #expect(grant.unit == first.unit && grant.epoch != first.epoch)
        #expect(grant.firstChunk == 5 && grant.offset == 5 * 4096 && grant.firstSample == 20)
        for chunk in 1..<5 { #expect(a.commit(first, chunk: chunk, to: ledger).isJournalled) }
        for chunk in 5..<8 {
            #expect(b.commit(grant, chunk: chunk, isLast: chunk == 7, to: ledger).isJournalled)
        }
        #expect(ledger.outcome == .complete && ledger.leasesLiving == 0)
        #expect(a.commit(first, chunk: 5, to: ledger).refusal == .alreadyCommitted)
    }

    @Test("Not before its time, never a third, never to the holder itself") func bounded() throws {
        let (ledger, a, first) = try tail()
        #expect(helper(ledger, at: .seconds(10)).1 == nil)
        _ = a.report(first, samples: 5, to: ledger, at: .seconds(19))
        _ = a.report(first, samples: 6, to: ledger, at: .seconds(59))
        #expect(a.lease(ledger, at: .seconds(60)) == nil)
        #expect(helper(ledger, at: .seconds(62)).1 != nil)
        let c = TestWorker("c")
        c.greet(ledger, at: .seconds(64))
        #expect(c.lease(ledger, at: .seconds(64)) == nil)
    }

    @Test("When the first holder is lost, the unit stays with the second") func firstLost() throws {
        let (ledger, _, first) = try tail()
        let (b, second) = helper(ledger, at: .seconds(60))
        let grant = try #require(second)
        _ = ledger.ticked(now: .seconds(61))
        #expect(ledger.leasesLiving == 1)
        let c = TestWorker("c")
        c.greet(ledger, at: .seconds(61))
        #expect(c.lease(ledger, at: .seconds(61)) == nil)
        for chunk in 4..<8 {
            _ = b.commit(grant, chunk: chunk, isLast: chunk == 7, to: ledger, at: .seconds(70))
        }
        guard case .journal = ledger.releaseReceived(grant.epoch, from: b.sender, now: .seconds(71)) else {
            throw LeasingError(.malformed, "the release was not taken")
        }
        let rest = try #require(b.lease(ledger, at: .seconds(72)))
        #expect(rest.unit == first.unit && rest.firstChunk == 0 && rest.committed == [4..<8])
    }

    @Test("A second lease on texts begins in the middle too, and leaves what lies before to the first")
    func texts() throws {
        let stages = [plan(shards: 1).stages[0], plan(shards: 1).stages[2]]
        let ledger = TestLedger(plan: plan(shards: 1, stages: stages), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        let captions = try #require(a.lease(ledger))
        for chunk in 0..<8 { _ = a.commit(captions, chunk: chunk, isLast: chunk == 7, to: ledger) }
        let first = try #require(a.lease(ledger))
        _ = a.commit(first, chunk: 0, to: ledger, at: .seconds(50))
        let grant = try #require(helper(ledger, at: .seconds(60)).1)
        #expect(grant.unit.stage == "texts.a" && grant.firstChunk == 5 && grant.sources.count == 8)
        #expect(grant.sources.map(\.chunk).filter(grant.wants) == [5, 6, 7])
        #expect(first.sources.map(\.chunk).filter(first.wants) == Array(0..<8))
    }

    @Test("Not to a worker that failed at the unit, nor to one without its labels") func unsuited() throws {
        var stages = Array(plan(shards: 1).stages.prefix(2))
        stages[0] = StagePlan(name: "captions.a", fingerprint: fingerprint("a"), labels: ["big"])
        let ledger = TestLedger(plan: plan(shards: 1, stages: stages), generation: 1)
        func worker(_ name: String, at now: Duration = .zero, labels: [String]) -> TestWorker {
            let worker = TestWorker(name)
            var hello = TestWorker.hello
            hello.labels = labels
            _ = ledger.helloReceived(hello, from: worker.sender, now: now)
            return worker
        }
        let a = worker("a", labels: ["big"])
        let views = try #require(a.lease(ledger, loaded: ["views"]))
        for chunk in 0..<8 { _ = a.commit(views, chunk: chunk, isLast: chunk == 7, to: ledger) }
        let failing = worker("failing", labels: ["big"])
        _ = failing.fail(try #require(failing.lease(ledger)), ledger)
        _ = ledger.ticked(now: .seconds(1))
        let first = try #require(a.lease(ledger, at: .seconds(1)))
        _ = a.report(first, samples: 4, to: ledger, at: .seconds(59))
        #expect(worker("small", at: .seconds(61), labels: []).lease(ledger, at: .seconds(61)) == nil)
        #expect(failing.lease(ledger, at: .seconds(62)) == nil)
        #expect(worker("fit", at: .seconds(63), labels: ["big"]).lease(ledger, at: .seconds(63)) != nil)
    }
}
