import Testing

@testable import BolsterLeasing

@Suite("LeaseLedger") struct LeaseLedgerTests {
    @Test("Units are granted in shard order, several stages at once") func order() {
        let ledger = TestLedger(plan: plan(shards: 2), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        let units = (0..<4).map { _ in a.lease(ledger)!.unit.description }
        #expect(units == ["captions.a/0", "views/0", "captions.a/1", "views/1"])
        #expect(a.lease(ledger) == nil)
    }

    @Test("A worker stays on the stage whose model it holds") func stickiness() {
        let ledger = TestLedger(plan: plan(shards: 3), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        #expect(a.lease(ledger, loaded: ["views"])?.unit == UnitID(stage: "views", shard: 0))
        #expect(a.lease(ledger, loaded: ["views"])?.unit == UnitID(stage: "views", shard: 1))
    }

    @Test("A shard that the worker's node has comes before shard order") func cachedShards() {
        let ledger = TestLedger(plan: plan(shards: 9, stages: oneStage), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        guard case .grant(let grant, _) = a.ask(ledger, cached: [100, 7]) else { return #expect(Bool(false)) }
        #expect(grant.unit.shard == 7)
    }

    @Test("A stage's labels keep other workers away") func labels() {
        let stages = [StagePlan(name: "views", fingerprint: fingerprint("v"), labels: ["gpu"])]
        let ledger = TestLedger(plan: plan(shards: 1, stages: stages), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        #expect(a.lease(ledger) == nil)
        var hello = TestWorker.hello
        hello.labels = ["gpu", "big"]
        _ = ledger.helloReceived(hello, from: a.sender, now: .zero)
        #expect(a.lease(ledger) != nil)
    }

    @Test("Texts wait for their captions and get their record files") func dependency() throws {
        let ledger = TestLedger(plan: plan(shards: 1), generation: 3)
        let a = TestWorker("a")
        a.greet(ledger)
        let captions = try #require(a.lease(ledger, loaded: ["captions.a"]))
        #expect(a.lease(ledger, loaded: ["texts.a"])?.unit.stage == "views")
        #expect(a.commit(captions, chunk: 0, to: ledger).isJournalled)
        #expect(a.commit(captions, chunk: 1, isLast: true, digest: 5, to: ledger).isJournalled)
        let texts = try #require(a.lease(ledger))
        #expect(texts.unit.stage == "texts.a" && texts.reads == "captions.a")
        #expect(texts.sources.map(\.digest) == [99, 5] && texts.sources.map(\.samples) == [4, 3])
        #expect(texts.file(of: texts.sources[1]) == "records/captions.a/s0/000001-3-1.records")
    }

    @Test("A repeated Ask gets the same lease") func repeatedAsk() throws {
        let ledger = TestLedger(plan: plan(shards: 5, stages: oneStage), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        let grant = try #require(a.lease(ledger))
        a.asks -= 1
        #expect(a.ask(ledger) == .repeated(grant))
        #expect(ledger.leasesLiving == 1)
    }

    @Test("An Ask that a later one has overtaken gets nothing, whatever the later one got")
    func overtakenAsk() {
        let ledger = TestLedger(plan: plan(shards: 2, stages: oneStage), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        a.asks = 7
        #expect(a.lease(ledger) != nil)
        a.asks = 5
        #expect(a.ask(ledger) == .ignore)
        #expect(ledger.leasesLiving == 1)
    }

    @Test("The next worker goes on after the last committed chunk") func resume() throws {
        let ledger = TestLedger(plan: plan(shards: 1, stages: oneStage), generation: 1)
        let a = TestWorker("a")
        let b = TestWorker("b")
        a.greet(ledger)
        let first = try #require(a.lease(ledger))
        _ = a.commit(first, chunk: 0, to: ledger)
        _ = a.commit(first, chunk: 1, to: ledger)
        _ = ledger.ticked(now: .seconds(20))
        b.greet(ledger, at: .seconds(20))
        let second = try #require(b.lease(ledger, at: .seconds(20)))
        #expect(second.epoch > first.epoch)
        #expect(second.firstChunk == 2 && second.offset == 8192 && second.firstSample == 8)
        #expect(second.committed == [0..<2])
    }

    @Test("A newer start of a worker takes its leases back at once") func incarnation() {
        let ledger = TestLedger(plan: plan(shards: 1, stages: oneStage), generation: 1)
        let old = TestWorker("a")
        old.greet(ledger)
        let lost = old.lease(ledger)!
        let new = TestWorker("a", incarnation: 2)
        guard case .welcome(let changes) = new.greet(ledger) else { return #expect(Bool(false)) }
        #expect(changes.first == .ended(lost.unit, lost.epoch))
        #expect(new.lease(ledger)?.unit == lost.unit)
        #expect(
            old.ask(ledger)
                == .refuse(Refusal(.replaced, "a newer start of a is connected: this one should end")))
    }

    @Test("Another key cannot take a worker's name") func nameTaken() {
        let ledger = TestLedger(plan: plan(shards: 1), generation: 1)
        TestWorker("a", key: "K1").greet(ledger)
        guard case .refuse(let refusal) = TestWorker("a", incarnation: 5, key: "K2").greet(ledger) else {
            return #expect(Bool(false))
        }
        #expect(refusal.reason == .nameTaken)
    }

    @Test("The run ends when every unit is done") func end() {
        let ledger = TestLedger(plan: plan(shards: 1), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        for _ in 0..<3 {
            let grant = a.lease(ledger)!
            #expect(ledger.outcome == nil)
            _ = a.commit(grant, chunk: 0, isLast: true, to: ledger)
        }
        #expect(ledger.outcome == .complete)
        #expect(a.ask(ledger) == .finished(quarantined: 0, blocked: 0))
    }

    @Test("A quarantined unit blocks what reads it, and the run still ends") func quarantine() {
        let ledger = TestLedger(plan: plan(shards: 1), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        let views = a.lease(ledger, loaded: ["views"])!
        _ = a.commit(views, chunk: 0, isLast: true, to: ledger)
        for attempt in 1...3 {
            let now = Duration.seconds(100 * attempt)
            _ = ledger.ticked(now: now)
            let grant = a.lease(ledger, at: now)!
            guard case .journal(_, attempt, let quarantined) = a.fail(grant, ledger, at: now) else {
                return #expect(Bool(false))
            }
            #expect(quarantined == (attempt == 3))
        }
        #expect(ledger.outcome == .withQuarantine(quarantined: 1, blocked: 1))
        #expect(ledger.quarantinedUnits(max: 9).map(\.message) == ["broken"])
    }

    @Test("A failed unit rests, and goes to another worker first") func backoff() {
        let ledger = TestLedger(plan: plan(shards: 1, stages: oneStage), generation: 1)
        let a = TestWorker("a")
        let b = TestWorker("b")
        a.greet(ledger)
        b.greet(ledger)
        _ = a.fail(a.lease(ledger)!, ledger)
        #expect(b.lease(ledger) == nil)
        _ = ledger.ticked(now: .seconds(1))
        #expect(a.lease(ledger, at: .seconds(1)) == nil)
        #expect(b.lease(ledger, at: .seconds(1)) != nil)
    }

    @Test("A drained ledger grants nothing") func drain() {
        let ledger = TestLedger(plan: plan(shards: 1), generation: 1)
        let a = TestWorker("a")
        a.greet(ledger)
        ledger.drainRequested()
        #expect(a.ask(ledger) == .drain)
    }
}

@Suite("CommittedChunks") struct CommittedChunksTests {
    private func chunks(_ count: Int) -> CommittedChunks {
        var chunks = CommittedChunks()
        for chunk in (0..<count).reversed() {
            chunks.insert(
                CommittedChunk(
                    epoch: Epoch(generation: UInt64(chunk / 3), grant: 7),
                    result: chunkResult(chunk, isLast: chunk == count - 1, digest: .max - UInt64(chunk))))
        }
        return chunks
    }

    @Test("Packing keeps everything") func roundTrip() throws {
        for count in [1, 2, 19, 300] {
            #expect(try CommittedChunks(packed: chunks(count).packed()) == chunks(count))
        }
    }

    @Test("Every truncation of a packed row is told") func truncations() {
        let bytes = chunks(5).packed()
        for length in bytes.indices {
            #expect(throws: LeasingError.self) { try CommittedChunks(packed: Array(bytes[..<length])) }
        }
    }

    @Test("A set with a gap knows its ranges and is not complete") func gap() {
        var set = CommittedChunks()
        for chunk in [4, 0, 1] {
            set.insert(
                CommittedChunk(
                    epoch: Epoch(generation: 1, grant: 1), result: chunkResult(chunk, isLast: chunk == 4)))
        }
        #expect(set.ranges == [0..<2, 4..<5] && set.firstMissing == 2 && !set.isComplete)
        #expect(set.contradicts(chunkResult(5)) && set.contradicts(chunkResult(2, isLast: true)))
    }
}

@Suite("ShardBitmap") struct ShardBitmapTests {
    @Test("The first member is found wherever it is") func first() {
        var set = ShardBitmap(shards: 65_536)
        for shard in [65_535, 4_096, 4_095, 63, 64] { set.insert(shard) }
        var found: [Int] = []
        while let shard = set.first() {
            found.append(shard)
            set.remove(shard)
        }
        #expect(found == [63, 64, 4_095, 4_096, 65_535] && set.isEmpty)
        set.insert(70)
        #expect(set.first(from: 70) == 70 && set.first(from: 71) == nil && set.first(from: 70_000) == nil)
    }
}
