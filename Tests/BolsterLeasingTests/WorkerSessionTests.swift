import Testing

@testable import BolsterLeasing

/// A session that expectations can call, with the coordinator's answers at hand.
final class TestSession {
    typealias Action = WorkerSession.Action
    var machine: WorkerSession

    init(change: (inout WorkerSession.Configuration) -> Void = { _ in }) {
        var configuration = WorkerSession.Configuration(
            worker: WorkerID("w"), incarnation: 5, hello: TestWorker.hello)
        change(&configuration)
        machine = WorkerSession(configuration)
    }

    var isOver: Bool { machine.isOver }
    var isFull: Bool { machine.isFull }
    var generation: UInt64 { machine.generation }
    var commitsUnanswered: Int { machine.commitsUnanswered }
    func holds(_ grant: Grant) -> Bool { machine.index(of: grant.epoch) != nil }

    static func welcome(manifest: String = "m") -> Welcome {
        Welcome(
            manifest: manifest, manifestDirectory: "/", output: "/o", run: "r", stages: [],
            heartbeat: .seconds(2),
            expires: .seconds(20))
    }

    func receive(_ message: CoordinatorMessage, generation: UInt64 = 1, at now: Duration = .zero) -> [Action]
    {
        machine.received(CoordinatorFrame(generation: generation, message: message), now: now)
    }

    /// Connected, welcomed and ready; its first Ask is out.
    func follow() -> [Action] {
        _ = machine.connected(now: .zero)
        _ = receive(.welcome(Self.welcome()))
        return machine.ready(loadedStages: ["views"], now: .zero)
    }

    static func grant(_ number: UInt64, ask: UInt64) -> Grant {
        Grant(
            ask: ask, unit: UnitID(stage: "views", shard: Int(number)),
            shard: ShardReference(index: Int(number), name: "s", location: "/s", size: 1, version: "v"),
            fingerprint: fingerprint("v"), epoch: Epoch(generation: 1, grant: number))
    }

    func work() -> Grant {
        _ = follow()
        let grant = Self.grant(1, ask: 1)
        _ = receive(.grant(grant))
        return grant
    }

    func finish(_ grant: Grant, _ chunk: Int, at now: Duration = .zero) -> [Action] {
        machine.chunkFinished(grant, chunkResult(chunk), now: now)
    }
}

private func said(_ actions: [WorkerSession.Action]) -> [String] {
    actions.map { action in
        guard case .send(let frame) = action else { return "\(action)".prefix { $0 != "(" }.description }
        return "say " + "\(frame.message)".prefix { $0 != "(" }
    }
}

@Suite("WorkerSession") struct WorkerSessionTests {
    @Test("It greets, reads the manifest, and asks when ready") func start() {
        let session = TestSession()
        #expect(said(session.machine.connected(now: .zero)) == ["say hello"])
        #expect(said(session.receive(.welcome(TestSession.welcome()))) == ["configure"])
        #expect(said(session.machine.ready(loadedStages: [], now: .zero)) == ["say heartbeat", "say ask"])
    }

    @Test("A grant starts once; an answer to another Ask starts nothing") func grantOnce() {
        let session = TestSession()
        _ = session.follow()
        #expect(session.receive(.grant(TestSession.grant(9, ask: 7))).isEmpty)
        #expect(said(session.receive(.grant(TestSession.grant(1, ask: 1)))) == ["start"])
        #expect(session.receive(.grant(TestSession.grant(1, ask: 1))).isEmpty)
    }

    @Test("Wait is waited for") func wait() {
        let session = TestSession()
        _ = session.follow()
        _ = session.receive(.wait(ask: 1, retry: .seconds(1)))
        #expect(!said(session.machine.ticked(now: .milliseconds(900))).contains("say ask"))
        #expect(said(session.machine.ticked(now: .seconds(1))).contains("say ask"))
    }

    @Test("A commit is said again until it is answered") func commitRepeated() {
        let session = TestSession()
        let grant = session.work()
        #expect(said(session.finish(grant, 0)) == ["say commit"])
        #expect(said(session.machine.ticked(now: .seconds(5))).contains("say commit"))
        #expect(said(session.machine.ticked(now: .seconds(10))).contains("say commit"))
        _ = session.receive(.committed(grant.epoch, chunk: 0, unitDone: false))
        #expect(!said(session.machine.ticked(now: .seconds(15))).contains("say commit"))
    }

    @Test("A chunk of a lost lease is still committed") func lostLease() {
        let session = TestSession()
        let grant = session.work()
        #expect(said(session.receive(.heartbeatReply(revoked: [grant.epoch], drain: false))) == ["abandon"])
        #expect(said(session.finish(grant, 0)) == ["say commit"])
        #expect(said(session.machine.workEnded(grant.epoch, .stopped, now: .zero)) == ["say ask"])
        #expect(session.commitsUnanswered == 1)
    }

    @Test("After a silence it connects anew and says everything again") func reconnection() {
        let session = TestSession()
        let grant = session.work()
        _ = session.finish(grant, 0)
        #expect(said(session.machine.ticked(now: .seconds(15))).last == "reconnect")
        #expect(said(session.finish(grant, 1, at: .seconds(15))).isEmpty)
        #expect(said(session.machine.connected(now: .seconds(16))) == ["say hello"])
        let actions = session.receive(.welcome(TestSession.welcome()), generation: 2, at: .seconds(17))
        #expect(said(actions) == ["say heartbeat", "say commit", "say commit"])
        #expect(session.generation == 2)
    }

    @Test("An older coordinator is not heard") func olderGeneration() {
        let session = TestSession()
        let grant = session.work()
        _ = session.receive(.welcome(TestSession.welcome()), generation: 2)
        #expect(session.receive(.heartbeatReply(revoked: [grant.epoch], drain: true), generation: 1).isEmpty)
        #expect(session.receive(.welcome(TestSession.welcome(manifest: "old")), generation: 1).isEmpty)
    }

    @Test("A word from a newer coordinator is answered with Hello") func newerGeneration() {
        let session = TestSession()
        let grant = session.work()
        #expect(
            said(session.receive(.heartbeatReply(revoked: [grant.epoch], drain: false), generation: 2)) == [
                "say hello"
            ])
        #expect(
            said(session.receive(.welcome(TestSession.welcome()), generation: 2)).contains("say heartbeat"))
    }

    @Test("An unknown worker greets; any other refusal ends it") func refused() {
        let session = TestSession()
        _ = session.follow()
        #expect(said(session.receive(.refused(Refusal(.unknownWorker, "")))) == ["say hello"])
        #expect(
            session.receive(.refused(Refusal(.replaced, "x"))) == [.exit(.refused(Refusal(.replaced, "x")))])
        #expect(session.isOver)
    }

    @Test("A complete unit waits for its last answer, then the next is asked for") func complete() {
        let session = TestSession()
        let grant = session.work()
        _ = session.finish(grant, 0)
        #expect(said(session.machine.workEnded(grant.epoch, .complete, now: .zero)) == ["say ask"])
        #expect(session.receive(.committed(grant.epoch, chunk: 0, unitDone: true)).isEmpty)
        #expect(!session.holds(grant))
    }

    @Test("A failure is said until it is noted") func failure() {
        let session = TestSession()
        let grant = session.work()
        let end = WorkerSession.WorkEnd.failed(.shard, message: "torn", sample: nil)
        #expect(said(session.machine.workEnded(grant.epoch, end, now: .zero)) == ["say fail", "say ask"])
        #expect(said(session.machine.ticked(now: .seconds(5))).contains("say fail"))
        _ = session.receive(.noted(grant.epoch, attempts: 1, quarantined: false), at: .seconds(6))
        #expect(!said(session.machine.ticked(now: .seconds(11))).contains("say fail"))
    }

    @Test("A stop ends at the chunk's boundary, releases, and leaves") func stop() {
        let session = TestSession()
        let grant = session.work()
        #expect(session.machine.stopRequested(now: .zero) == [.stopAtBoundary(grant.epoch)])
        #expect(said(session.finish(grant, 0)) == ["say commit"])
        #expect(session.machine.workEnded(grant.epoch, .stopped, now: .zero).isEmpty)
        #expect(said(session.receive(.committed(grant.epoch, chunk: 0, unitDone: false))) == ["say release"])
        #expect(session.receive(.released(grant.epoch)) == [.exit(.drained)])
    }

    @Test("A second stop ends at once, and so does the end of grace") func impatience() {
        let session = TestSession()
        _ = session.work()
        _ = session.machine.stopRequested(now: .zero)
        #expect(session.machine.stopRequested(now: .zero) == [.exit(.interrupted)])
        let other = TestSession()
        _ = other.work()
        _ = other.machine.stopRequested(now: .zero)
        #expect(said(other.machine.ticked(now: .seconds(30))) == ["say release", "exit"])
    }

    @Test("A grant that arrives while leaving is handed back") func grantWhileLeaving() {
        let session = TestSession()
        _ = session.follow()
        #expect(session.machine.stopRequested(now: .zero).isEmpty)
        #expect(said(session.receive(.grant(TestSession.grant(1, ask: 1)))) == ["say release"])
        #expect(session.receive(.released(Epoch(generation: 1, grant: 1))) == [.exit(.drained)])
    }

    @Test("Another manifest: what is finished is committed, then a new start is due") func manifestChanged() {
        let session = TestSession()
        let grant = session.work()
        _ = session.finish(grant, 0)
        let actions = session.receive(.welcome(TestSession.welcome(manifest: "other")), generation: 2)
        #expect(said(actions) == ["say heartbeat", "say commit", "stopAtBoundary"])
        _ = session.machine.workEnded(grant.epoch, .stopped, now: .zero)
        let end = session.receive(
            .commitRefused(grant.epoch, chunk: 0, .fingerprint, message: ""), generation: 2)
        #expect(end == [.exit(.manifestChanged)])
    }

    @Test("The run's end ends the worker") func finished() {
        let session = TestSession()
        _ = session.follow()
        #expect(
            session.receive(.finished(quarantined: 1, blocked: 2)) == [
                .exit(.finished(quarantined: 1, blocked: 2))
            ])
        #expect(session.machine.ticked(now: .seconds(99)).isEmpty)
    }

    @Test("Nobody there: it gives up after the stated time") func unreachable() {
        let session = TestSession { $0.giveUpAfter = .seconds(60) }
        _ = session.machine.connected(now: .seconds(1_000))
        #expect(!session.machine.ticked(now: .seconds(1_059)).contains(.exit(.unreachable)))
        #expect(session.machine.ticked(now: .seconds(1_060)) == [.exit(.unreachable)])
    }

    @Test("An announced sample waits for the coordinator's word") func isolation() {
        let session = TestSession()
        let grant = session.work()
        #expect(
            said(session.machine.sampleAnnounced(grant.epoch, sample: 3, key: "k", now: .zero)) == [
                "say announce"
            ])
        #expect(session.receive(.announced(grant.epoch, sample: 2)).isEmpty)
        #expect(session.receive(.announced(grant.epoch, sample: 3)) == [.proceed(grant.epoch, sample: 3)])
    }

    @Test("Too many unanswered commits are a reason to pause") func full() {
        let session = TestSession { $0.unacknowledgedMax = 2 }
        let grant = session.work()
        for chunk in 0..<2 {
            #expect(!session.isFull)
            _ = session.finish(grant, chunk)
        }
        #expect(session.isFull)
    }

    @Test("An answer is for its own chunk and its own lease") func oneAnswer() {
        let session = TestSession()
        let grant = session.work()
        for chunk in 0..<3 { _ = session.finish(grant, chunk) }
        _ = session.receive(.committed(grant.epoch, chunk: 1, unitDone: false))
        _ = session.receive(.committed(Epoch(generation: 1, grant: 7), chunk: 2, unitDone: false))
        #expect(session.commitsUnanswered == 2)
        #expect(said(session.machine.ticked(now: .seconds(5))).count { $0 == "say commit" } == 2)
    }

    @Test("A heartbeat names every lease, how far it is, and none that is over") func reports() {
        let session = TestSession { $0.leasesWanted = 2 }
        let first = session.work()
        let second = TestSession.grant(2, ask: 2)
        _ = session.receive(.grant(second))
        session.machine.progressed(first.epoch, phase: .working, chunk: 3, samplesDone: 14)
        func reported(at now: Duration) -> [LeaseReport] {
            for case .send(let frame) in session.machine.ticked(now: now) {
                if case .heartbeat(let heartbeat) = frame.message { return heartbeat.leases }
            }
            return []
        }
        let working = LeaseReport(epoch: first.epoch, phase: .working, chunk: 3, samplesDone: 14)
        let queued = LeaseReport(epoch: second.epoch, phase: .queued, chunk: 0, samplesDone: 0)
        #expect(reported(at: .seconds(1)) == [working, queued])
        #expect(reported(at: .seconds(2)) == [])
        _ = session.receive(.heartbeatReply(revoked: [first.epoch], drain: false))
        #expect(reported(at: .seconds(3)) == [queued])
    }

    @Test("While a unit's files are on their way the next is worked on; the lease goes back behind them")
    func storing() {
        let session = TestSession()
        let first = session.work()
        session.machine.progressed(first.epoch, phase: .working, chunk: 1, samplesDone: 9)
        #expect(said(session.machine.computed(first.epoch, now: .seconds(3))) == ["say ask"])
        let second = TestSession.grant(2, ask: 2)
        #expect(said(session.receive(.grant(second), at: .seconds(3))) == ["start"])
        let heartbeat = session.machine.ticked(now: .seconds(3))
        guard case .send(let frame)? = heartbeat.first, case .heartbeat(let report) = frame.message else {
            Issue.record("no heartbeat")
            return
        }
        #expect(report.leases.map(\.phase) == [.queued, .queued] && report.leases[0].samplesDone == 9)
        // Its device time is told with it, though another unit is at work by now.
        session.machine.modelsLoaded(now: .seconds(4))
        guard case .send(let commit)? = session.finish(first, 0, at: .seconds(5)).first,
            case .commit(let said1) = commit.message
        else {
            Issue.record("no commit")
            return
        }
        #expect(said1.deviceTime == .seconds(4))
        #expect(session.machine.workEnded(first.epoch, .complete, now: .seconds(5)).isEmpty)
        let answer = session.receive(.committed(first.epoch, chunk: 0, unitDone: false), at: .seconds(6))
        #expect(said(answer) == ["say release"])
        #expect(session.holds(second))
    }

    @Test("A lease that is lost while its files are on their way still has its chunks committed")
    func storingLost() {
        let session = TestSession()
        let grant = session.work()
        _ = session.machine.computed(grant.epoch, now: .zero)
        #expect(session.receive(.heartbeatReply(revoked: [grant.epoch], drain: false)).isEmpty)
        #expect(said(session.finish(grant, 0)) == ["say commit"])
        #expect(!said(session.machine.workEnded(grant.epoch, .complete, now: .zero)).contains("say release"))
        #expect(!session.holds(grant) && session.commitsUnanswered == 1)
    }

    @Test("A worker that is to leave waits for files on their way") func storingAtTheEnd() {
        let session = TestSession()
        let grant = session.work()
        _ = session.machine.computed(grant.epoch, now: .zero)
        _ = session.receive(.wait(ask: 2, retry: .seconds(1)))
        #expect(session.machine.stopRequested(now: .zero).isEmpty && !session.isOver)
        _ = session.finish(grant, 0)
        _ = session.machine.workEnded(grant.epoch, .complete, now: .zero)
        _ = session.receive(.committed(grant.epoch, chunk: 0, unitDone: false))
        #expect(session.receive(.released(grant.epoch)) == [.exit(.drained)])
    }

    @Test("What the node's cache holds is told, and no more guessed from what was read") func knownCache() {
        let session = TestSession()
        let grant = session.work()
        session.machine.cachedShardsChanged([7, 3])
        session.machine.progressed(grant.epoch, phase: .working, chunk: 0, samplesDone: 4)
        let actions = session.machine.workEnded(grant.epoch, .complete, now: .zero)
        let asks = actions.compactMap { action -> [Int]? in
            guard case .send(let frame) = action, case .ask(let ask) = frame.message else { return nil }
            return ask.cachedShards
        }
        #expect(asks == [[7, 3]])
    }
}
