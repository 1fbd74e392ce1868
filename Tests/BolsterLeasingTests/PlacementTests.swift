import Testing

@testable import BolsterLeasing

@Suite("Placement") struct PlacementTests {
    private func hello(host: String = "h", device: String = "cpu", labels: [String] = []) -> Hello {
        Hello(host: host, labels: labels, device: device, computeClass: "c", program: "1")
    }

    private func worker(_ name: String, _ hello: Hello, _ ledger: TestLedger) -> TestWorker {
        let worker = TestWorker(name)
        _ = ledger.helloReceived(hello, from: worker.sender, now: .zero)
        return worker
    }

    private func ledger(shards: Int, labels: [String: Set<String>] = [:]) -> TestLedger {
        let stages = plan(shards: shards).stages.map {
            StagePlan(
                name: $0.name, fingerprint: $0.fingerprint, reads: $0.reads, labels: labels[$0.name] ?? [])
        }
        return TestLedger(plan: plan(shards: shards, stages: stages), generation: 1)
    }

    @Test("A stage goes only to workers with all of its labels, said or their own device and host")
    func labels() {
        let ledger = ledger(shards: 9, labels: ["captions.a": ["cuda", "big"], "views": ["h2"]])
        let none = worker("a", hello(device: "cuda:0"), ledger)
        #expect(none.lease(ledger, loaded: ["captions.a", "views"]) == nil)
        let big = worker("b", hello(device: "cuda:1", labels: ["big"]), ledger)
        #expect(
            (0..<3).map { _ in big.lease(ledger)?.unit.stage } == ["captions.a", "captions.a", "captions.a"])
        let other = worker("c", hello(host: "h2", labels: ["big"]), ledger)
        #expect(other.lease(ledger)?.unit.stage == "views")
        let first = worker("d", hello(device: "cuda:1", labels: ["big", "h2"]), ledger)
        #expect(first.lease(ledger, loaded: ["views"])?.unit.stage == "views")
    }

    @Test("A worker stays on the stage whose model it holds as long as there is any of it") func stays() {
        let ledger = ledger(shards: 4)
        let a = worker("a", hello(), ledger)
        var stages: [String] = []
        for _ in 0..<6 {
            let grant = a.lease(ledger, loaded: ["views", "captions.a"])!
            stages.append(grant.unit.stage)
            _ = a.commit(grant, chunk: 0, isLast: true, to: ledger)
        }
        #expect(stages == ["views", "views", "views", "views", "captions.a", "captions.a"])
    }

    @Test("Workers without a model spread over the stages that are ready") func spread() {
        let ledger = ledger(shards: 8)
        let stages = (0..<8).map { worker("w\($0)", hello(), ledger).lease(ledger)!.unit.stage }
        #expect(stages.count { $0 == "views" } == 4 && stages.count { $0 == "captions.a" } == 4)
    }

    @Test("Shards that the worker names come first, then those that its host's workers had") func nodes() {
        let ledger = ledger(shards: 10)
        let a = worker("a", hello(host: "n1"), ledger)
        guard case .grant(let told, _) = a.ask(ledger, loaded: ["views"], cached: [7]) else {
            return #expect(Bool(false))
        }
        #expect(told.unit.shard == 7)
        // Another process of that node reads the same shard for another stage; a far one begins in front.
        let b = worker("b", hello(host: "n1"), ledger)
        #expect(b.lease(ledger, loaded: ["captions.a"])?.unit.shard == 7)
        let c = worker("c", hello(host: "n2"), ledger)
        #expect(c.lease(ledger, loaded: ["captions.a"])?.unit.shard == 0)
        #expect(b.lease(ledger, loaded: ["captions.a"])?.unit.shard == 1)
    }

    @Test("Workers may come at any time, and go") func joinAndLeave() {
        let ledger = ledger(shards: 2)
        let a = worker("a", hello(), ledger)
        let grant = a.lease(ledger, loaded: ["views"])!
        let b = worker("b", hello(), ledger)
        #expect(b.lease(ledger, loaded: ["views"])?.unit.shard == 1)
        _ = ledger.releaseReceived(grant.epoch, from: a.sender, now: .zero)
        #expect(worker("c", hello(), ledger).lease(ledger, loaded: ["views"])?.unit.shard == 0)
    }
}
