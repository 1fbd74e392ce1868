import Testing

@testable import BolsterLeasing

/// Captions of 10 units, of which `done`; texts that read them; and views.
private func status(
    captions: (done: Int, samples: Int, left: Int?, rate: Double) = (0, 0, nil, 0),
    texts: (done: Int, samples: Int, left: Int?, rate: Double) = (0, 0, nil, 0),
    uses: [DeviceUse] = [], devices: Int = 0
) -> StatusReply {
    func stage(_ name: String, _ counts: (done: Int, samples: Int, left: Int?, rate: Double)) -> StageStatus {
        var stage = StageStatus(stage: name)
        (stage.units, stage.done, stage.samples) = (10, counts.done, counts.samples)
        (stage.samplesLeft, stage.samplesPerSecond) = (counts.left, counts.rate)
        return stage
    }
    var second = stage("texts", texts)
    second.reads = "captions"
    var reply = StatusReply(
        run: "r", state: .running, stages: [stage("captions", captions), second], workers: [],
        workersTotal: devices, quarantined: [], running: .zero)
    reply.uses = uses
    reply.devices = devices > 0 ? [DeviceStatus(device: "cuda", connected: devices, held: .zero)] : []
    return reply
}

private func use(_ stage: String, _ samples: Int, _ seconds: Int) -> DeviceUse {
    DeviceUse(stage: stage, device: "cuda", samples: samples, time: .seconds(seconds))
}

@Suite("How long a run takes yet") struct RunEstimateTests {
    @Test("Before anything has moved nothing is foretold") func untouched() {
        let estimate = RunEstimate(status(devices: 4))
        #expect(estimate.remaining == nil)
        #expect(estimate.fraction == 0)
        #expect(estimate.stages.allSatisfy { $0.remaining == nil && $0.fraction == 0 })
        #expect(estimate.unpriced == ["captions", "texts"])
    }

    @Test("A stage ends when its samples left are done at its rate of now") func oneStage() {
        let estimate = RunEstimate(status(captions: (4, 400, 600, 20)))
        #expect(estimate.stages[0].remaining == .seconds(30))
        #expect(estimate.stages[0].fraction == 0.4)
        #expect(estimate.stages[0].total == 1000)
    }

    @Test("A stage cannot end before the one it reads") func readsAnother() {
        let both = RunEstimate(status(captions: (4, 400, 600, 20), texts: (3, 300, 700, 1000)))
        #expect(both.stages[1].remaining == .seconds(30))
        let unknown = RunEstimate(status(captions: (4, 400, 600, 0), texts: (3, 300, 700, 1000)))
        #expect(unknown.stages[1].remaining == nil)
    }

    @Test("The run's time is that of every stage's device time on the devices connected") func deviceTime() {
        // A caption costs 2 s of a device, its text 0.1 s: 600 × 2 s and 1000 × 0.1 s are left for 4 devices,
        // whatever the rates of now are.
        let uses = [use("captions", 400, 800), use("texts", 100, 10)]
        for rates in [(20.0, 0.0), (0.0, 50.0), (7.0, 7.0)] {
            let estimate = RunEstimate(
                status(
                    captions: (4, 400, 600, rates.0), texts: (0, 0, 1000, rates.1), uses: uses, devices: 4))
            #expect(estimate.remaining == .seconds(325))
            #expect(estimate.unpriced.isEmpty)
            #expect(abs(estimate.fraction - 800.0 / 2100) < 1e-9)
        }
    }

    @Test("A stage's last units keep only so many devices busy") func tail() {
        let uses = [use("captions", 400, 800), use("texts", 100, 10)]
        let estimate = RunEstimate(
            status(
                captions: (9, 950, 50, 20), texts: (10, 1000, 0, 0), uses: uses, devices: 8))
        #expect(estimate.remaining == .seconds(100))
    }

    @Test("A stage that has not begun makes the time a lower bound, by name") func unpriced() {
        let estimate = RunEstimate(
            status(
                captions: (4, 400, 600, 20), texts: (0, 0, 1000, 0), uses: [use("captions", 400, 800)],
                devices: 4))
        #expect(estimate.remaining == .seconds(300))
        #expect(estimate.unpriced == ["texts"])
    }

    @Test("Without workers nothing is foretold") func nobody() {
        let uses = [use("captions", 400, 800), use("texts", 100, 10)]
        #expect(
            RunEstimate(status(captions: (4, 400, 600, 0), texts: (1, 100, 900, 0), uses: uses)).remaining
                == nil)
    }

    @Test("At the end all is at one and no time is left, whatever the rates") func finished() {
        let estimate = RunEstimate(
            status(captions: (10, 1000, 0, 3), texts: (10, 1000, 0, 0), devices: 2))
        #expect(estimate.remaining == .zero)
        #expect(estimate.fraction == 1)
        #expect(estimate.stages.map(\.remaining) == [.zero, .zero])
    }

    @Test("What is not settled is never shown as done, however wrong the guess") func almost() {
        let estimate = RunEstimate(status(captions: (9, 1100, 0, 3)))
        #expect(estimate.stages[0].fraction < 1)
    }
}

@Suite("Samples that are left") struct SamplesLeftTests {
    private func left(_ ledger: TestLedger) -> [Int?] {
        ledger.machine.status(run: "r", samplesPerSecond: [:], running: .zero, now: .zero).stages
            .map(\.samplesLeft)
    }

    @Test("Nothing is known before the first chunk") func nothing() {
        #expect(left(TestLedger(plan: plan(shards: 3), generation: 1)) == [nil, nil, nil])
    }

    @Test("The first chunk tells by its bytes, the first unit by its samples, for every stage")
    func learning() {
        let ledger = TestLedger(plan: plan(shards: 3), generation: 1)
        let worker = TestWorker("w")
        worker.greet(ledger)
        let grant = worker.lease(ledger)!
        #expect(worker.commit(grant, chunk: 0, to: ledger).isJournalled)
        // Four samples in 4096 bytes, and three shards of 1000 bytes: 3 samples, all of them done.
        #expect(left(ledger) == [0, 3, 3])
        #expect(worker.commit(grant, chunk: 1, isLast: true, to: ledger).isJournalled)
        // A shard has seven samples, so three have 21.
        #expect(left(ledger) == [14, 21, 21])
    }

    @Test("A unit given up leaves nothing to do, for what reads it neither") func givenUp() {
        var limits = LeaseLimits()
        limits.attempts = 1
        let ledger = TestLedger(plan: plan(shards: 2, limits: limits), generation: 1)
        let worker = TestWorker("w")
        worker.greet(ledger)
        let grant = worker.lease(ledger)!
        _ = worker.commit(grant, chunk: 0, to: ledger)
        _ = worker.commit(grant, chunk: 1, isLast: true, to: ledger)
        let broken = worker.lease(ledger, loaded: ["captions.a"])!
        #expect(broken.unit == UnitID(stage: "captions.a", shard: 1))
        _ = worker.commit(broken, chunk: 0, to: ledger)
        _ = worker.fail(broken, ledger)
        #expect(left(ledger) == [0, 14, 7])
    }
}

@Suite("Device time of a chunk") struct DeviceTimeTests {
    private func times(_ actions: [WorkerSession.Action]) -> [Duration] {
        actions.compactMap {
            if case .send(let frame) = $0, case .commit(let commit) = frame.message {
                return commit.deviceTime
            }
            return nil
        }
    }

    @Test("It runs from the chunk before, or the lease's start, to the durable record file") func measured() {
        let session = TestSession()
        _ = session.follow()
        _ = session.receive(.grant(TestSession.grant(1, ask: 1)), at: .seconds(10))
        let grant = TestSession.grant(1, ask: 1)
        #expect(times(session.finish(grant, 0, at: .seconds(13))) == [.seconds(3)])
        #expect(times(session.finish(grant, 1, at: .seconds(15))) == [.seconds(2)])
    }

    @Test("Loading models is no chunk's time") func loading() {
        let session = TestSession()
        _ = session.follow()
        _ = session.receive(.grant(TestSession.grant(1, ask: 1)), at: .seconds(10))
        session.machine.modelsLoaded(now: .seconds(50))
        #expect(times(session.finish(TestSession.grant(1, ask: 1), 0, at: .seconds(53))) == [.seconds(3)])
    }

    @Test("A repeated commit tells the same time") func repeated() {
        let session = TestSession()
        _ = session.follow()
        _ = session.receive(.grant(TestSession.grant(1, ask: 1)), at: .seconds(10))
        _ = session.finish(TestSession.grant(1, ask: 1), 0, at: .seconds(13))
        #expect(times(session.machine.ticked(now: .seconds(40))) == [.seconds(3)])
    }
}
