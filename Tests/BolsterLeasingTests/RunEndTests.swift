import Testing

@testable import BolsterLeasing

@Suite("RunEnd") struct RunEndTests {
    @Test("The word survives its bytes, and nothing else is taken for it") func bytes() {
        let end = RunEnd(quarantined: 7, blocked: 0)
        #expect(RunEnd(end.bytes) == end)
        for text in ["", "finished", "finished 1", "drained 1 2", "finished 1 x\n", "finished 1 2 3"] {
            #expect(RunEnd(Array(text.utf8)) == nil)
        }
        #expect(RunEnd.name(generation: 12) == "ended/12" && RunEnd.claim(generation: 12) == "generation/12")
    }

    @Test("A worker that finds the word gives up its work and ends as if it had been told") func found() {
        let session = TestSession()
        let grant = session.work()
        _ = session.finish(grant, 0)
        #expect(
            session.machine.runEnded(RunEnd(quarantined: 1, blocked: 2)) == [
                .abandon(grant.epoch, reason: "the run is over"),
                .exit(.finished(quarantined: 1, blocked: 2)),
            ])
        #expect(session.machine.runEnded(RunEnd(quarantined: 0, blocked: 0)).isEmpty)
    }

    @Test("Shards that were read are told with the next Ask, those that were not are not") func cached() {
        let session = TestSession()
        let grant = session.work()
        session.machine.progressed(grant.epoch, phase: .working, chunk: 0, samplesDone: 3)
        _ = session.machine.workEnded(grant.epoch, .stopped, now: .zero)
        #expect(session.machine.cachedShards == [1])
        let second = TestSession.grant(2, ask: 2)
        _ = session.receive(.grant(second))
        _ = session.machine.workEnded(second.epoch, .stopped, now: .zero)
        #expect(session.machine.cachedShards == [1])
    }
}
