import Testing

@testable import BolsterLeasing

@Suite("A device whose probe was wrong") struct DeviceRefusalTests {
    private func refuse(_ worker: TestWorker, _ grant: Grant, _ ledger: TestLedger) -> LeaseLedger.OnFail {
        ledger.failReceived(
            Fail(unit: grant.unit, epoch: grant.epoch, blame: .device, message: "differs"),
            from: worker.sender, now: .zero)
    }

    @Test("It gets no more leases of the stage, the unit loses no attempt, and another worker goes on")
    func refused() throws {
        let ledger = TestLedger(plan: plan(shards: 2), generation: 1)
        let (wrong, right) = (TestWorker("wrong"), TestWorker("right"))
        wrong.greet(ledger)
        right.greet(ledger)
        let grant = try #require(wrong.lease(ledger, loaded: ["views"]))
        #expect(
            refuse(wrong, grant, ledger)
                == .journal([.ended(grant.unit, grant.epoch)], attempts: 0, quarantined: false))
        // Said again, it is only acknowledged.
        #expect(refuse(wrong, grant, ledger) == .acknowledge(attempts: 0, quarantined: false))
        var stages: [String] = []
        while let grant = wrong.lease(ledger, loaded: ["views"]) { stages.append(grant.unit.stage) }
        #expect(stages == ["captions.a", "captions.a"])
        let others = (0..<2).compactMap { _ in right.lease(ledger, loaded: ["views"])?.unit }
        #expect(Set(others) == [grant.unit, UnitID(stage: "views", shard: 1)])
    }

    @Test("A new start of the worker may show that its device is right again") func restarted() throws {
        let ledger = TestLedger(plan: plan(shards: 1, stages: oneStage), generation: 1)
        let worker = TestWorker("w")
        worker.greet(ledger)
        let grant = try #require(worker.lease(ledger))
        _ = refuse(worker, grant, ledger)
        #expect(worker.lease(ledger) == nil)
        let again = TestWorker("w", incarnation: 2)
        again.greet(ledger)
        #expect(again.lease(ledger)?.unit == grant.unit)
    }
}
