import Testing

@testable import BolsterLeasing

@Suite("Operators' orders") struct OperatorTests {
    private let captions = UnitID(stage: "captions.a", shard: 0)
    private let texts = UnitID(stage: "texts.a", shard: 0)

    /// A ledger of `plan(shards:)` and a worker that has greeted it.
    private func start(shards: Int = 1) -> (TestLedger, TestWorker) {
        let ledger = TestLedger(plan: plan(shards: shards), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        return (ledger, a)
    }

    /// Leases a unit of `stage` and commits all of its three chunks.
    @discardableResult
    private func finish(_ stage: String, _ worker: TestWorker, _ ledger: TestLedger) throws -> Grant {
        let grant = try #require(worker.lease(ledger, loaded: [stage]))
        #expect(grant.unit.stage == stage)
        for chunk in 0..<3 where !grant.isCommitted(chunk) {
            #expect(worker.commit(grant, chunk: chunk, isLast: chunk == 2, to: ledger).isJournalled)
        }
        return grant
    }

    private func quarantine(_ worker: TestWorker, _ ledger: TestLedger) throws {
        for attempt in 1...3 {
            let now = Duration.seconds(100 * attempt)
            _ = ledger.ticked(now: now)
            let grant = try #require(worker.lease(ledger, loaded: ["captions.a"], at: now))
            #expect(grant.unit.stage == "captions.a")
            _ = worker.fail(grant, ledger, at: now)
        }
    }

    /// A ledger that was told the same changes.
    private func replica(_ changes: [LedgerChange], shards: Int = 1) throws -> TestLedger {
        let ledger = TestLedger(plan: plan(shards: shards), generation: 2)
        for change in changes { try ledger.replayed(change, now: .zero) }
        return ledger
    }

    @Test("A retried unit has all its attempts, and what it blocked waits for it") func retry() throws {
        let (ledger, a) = start()
        try quarantine(a, ledger)
        #expect(ledger.stageCounts.map(\.blocked) == [0, 0, 1])
        #expect(ledger.machine.retryRequested(RetryRequest(stages: ["views"])).isEmpty)
        #expect(ledger.machine.retryRequested(RetryRequest(units: [texts])) == [.retried(captions)])
        #expect(ledger.stageCounts.map { $0.quarantined + $0.blocked } == [0, 0, 0])
        try quarantine(a, ledger)
        #expect(ledger.machine.retryRequested(RetryRequest()) == [.retried(captions)])
        #expect(ledger.machine.retryRequested(RetryRequest()).isEmpty)
        let b = TestWorker("b")
        b.greet(ledger)
        try finish("captions.a", b, ledger)
        try finish("texts.a", b, ledger)
    }

    @Test("Only the worker's chunks are reopened, with the texts of them, and both are made again")
    func invalidate() throws {
        let (ledger, a) = start()
        let b = TestWorker("b")
        b.greet(ledger)
        let first = try #require(a.lease(ledger, loaded: ["captions.a"]))
        _ = a.commit(first, chunk: 0, to: ledger)
        _ = ledger.releaseReceived(first.epoch, from: a.sender, now: .zero)
        try finish("captions.a", b, ledger)
        try finish("texts.a", b, ledger)
        try finish("views", b, ledger)
        #expect(ledger.outcome == .complete)

        let changes = ledger.machine.invalidated([captions: [0]], by: WorkerID("a"), stage: nil)
        #expect(changes.count == 2 && ledger.outcome == nil)
        #expect(
            ledger.stageCounts.map(\.chunks) == [2, 3, 2] && ledger.stageCounts.map(\.done) == [0, 1, 0])
        // The commit that was distrusted does not come back by being repeated.
        #expect(a.commit(first, chunk: 0, to: ledger).refusal == .neverGranted)
        let again = try finish("captions.a", b, ledger)
        #expect(again.firstChunk == 0 && again.committed == [1..<3])
        let texts = try finish("texts.a", b, ledger)
        #expect(texts.committed == [1..<3])
        #expect(texts.sources.map(\.epoch) == [again.epoch, texts.sources[1].epoch, texts.sources[2].epoch])
        #expect(texts.sources[1].epoch != again.epoch)
    }

    @Test("A worker that computes from reopened chunks loses its lease and may not commit") func staleSource()
        throws
    {
        let (ledger, a) = start()
        let b = TestWorker("b")
        b.greet(ledger)
        try finish("captions.a", a, ledger)
        let texts = try #require(b.lease(ledger, loaded: ["texts.a"]))
        _ = ledger.machine.invalidated([captions: [1]], by: WorkerID("a"), stage: "captions.a")
        #expect(b.commit(texts, chunk: 0, to: ledger).refusal == .neverGranted)
        #expect(
            b.report(texts, samples: 1, to: ledger, at: .seconds(1))
                == .reply(revoked: [texts.epoch], drain: false, []))
        let again = try #require(b.lease(ledger, loaded: ["texts.a"], at: .seconds(1)))
        #expect(again.unit.stage != "texts.a")
    }

    @Test("What a distrusted worker holds is taken back, other stages' leases are not") func voided() throws {
        let (ledger, a) = start()
        let mine = try #require(a.lease(ledger, loaded: ["captions.a"]))
        let views = try #require(a.lease(ledger, loaded: ["views"]))
        let changes = ledger.machine.invalidated([:], by: WorkerID("a"), stage: "captions.a")
        #expect(changes == [.reopened(captions, kept: CommittedChunks(), void: WorkerID("a"))])
        #expect(a.commit(mine, chunk: 0, to: ledger).refusal == .neverGranted)
        #expect(a.commit(views, chunk: 0, to: ledger).isJournalled)
    }

    @Test("The journal tells retries, reopened chunks and new shards again") func replay() throws {
        let (ledger, a) = start()
        var changes: [LedgerChange] = []
        let grant = try #require(a.lease(ledger, loaded: ["captions.a"]))
        changes.append(
            .granted(
                grant.unit, GrantRecord(epoch: grant.epoch, worker: WorkerID("a"), incarnation: 1, key: nil)))
        for chunk in 0..<2 {
            let answer = a.commit(grant, chunk: chunk, isLast: chunk == 1, to: ledger)
            guard case .journal(let change, _) = answer else { return #expect(Bool(false)) }
            changes.append(change)
        }
        changes += ledger.machine.invalidated([captions: [1]], by: WorkerID("a"), stage: nil)
        let more = ShardReference(index: 1, name: "s1", location: "/in/s1.tar", size: 9, version: "1")
        guard case .journal(let addition) = ledger.machine.extendRequested([more]) else {
            return #expect(Bool(false))
        }
        changes.append(addition)
        let other = try replica(changes)
        #expect(other.stageCounts == ledger.stageCounts && other.plan.shards.count == 2)
        #expect(other.open[0]?.chunks == ledger.open[0]?.chunks)
        #expect(other.open[0]?.chunks.ranges == [0..<1])
    }

    @Test("New shards come after the others, and all of their units are done like any") func extend() throws {
        let (ledger, a) = start()
        for stage in ["captions.a", "texts.a", "views"] { try finish(stage, a, ledger) }
        #expect(ledger.outcome == .complete)
        let known = ledger.plan.shards
        let more = (1..<100).map {
            ShardReference(index: $0, name: "n\($0)", location: "/in/n\($0).tar", size: 1, version: "1")
        }
        guard case .journal(.extended(more)) = ledger.machine.extendRequested(known + more) else {
            return #expect(Bool(false))
        }
        #expect(ledger.machine.extendRequested(more) == .acknowledge)
        for stage in ["captions.a", "views", "texts.a"] {
            let shards = try (1..<100).map { _ in try finish(stage, a, ledger).unit.shard }
            #expect(shards.sorted() == Array(1..<100))
        }
        #expect(ledger.outcome == .complete && ledger.stageCounts.map(\.units) == [100, 100, 100])
    }

    @Test("A changed shard and two shards of one name are refused") func refusedExtension() {
        let (ledger, _) = start()
        func refusal(_ shards: [ShardReference]) -> Bool {
            if case .refuse = ledger.machine.extendRequested(shards) { true } else { false }
        }
        func shard(_ index: Int, _ name: String, size: Int64 = 1000) -> ShardReference {
            ShardReference(index: index, name: name, location: "/in/\(name).tar", size: size, version: "7")
        }
        #expect(refusal([shard(0, "s0", size: 999)]))
        #expect(refusal([shard(1, "s1"), shard(2, "s1", size: 5)]))
        #expect(ledger.plan.shards.count == 1)
    }
}
