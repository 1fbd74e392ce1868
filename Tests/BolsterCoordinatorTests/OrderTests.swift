import BolsterLeasing
import BolsterMessaging
import BolsterStorage
import Foundation
import GRDB
import Logging
import Testing

@testable import BolsterCoordinator

@Suite("Operators' orders to a coordinator", .serialized) struct OrderTests {
    private let folder = TemporaryFolder()
    private let captions = "captions.syn_text"

    private func start(
        _ configuration: CoordinatorConfiguration
    ) throws -> (Coordinator, Running<Coordinator.Outcome>) {
        let coordinator = try Coordinator(configuration)
        return (coordinator, Running { try coordinator.run { _ in } })
    }

    private func reply(_ coordinator: Coordinator, _ request: OperatorRequest) -> OperatorReply {
        let answered = DispatchSemaphore(value: 0)
        let reply = Box<OperatorReply>()
        coordinator.order(request) {
            reply.value = $0
            answered.signal()
        }
        answered.wait()
        return reply.value!
    }

    private func stopped(_ request: OperatorRequest) throws -> OperatorReply {
        try StoppedRun.order(
            request, stateDirectory: folder.path + "/state", log: configuration(in: folder).log)
    }

    /// A whole run by one worker; says what it was granted.
    private func run(_ worker: String, shards: Int = 1, failing: String? = nil) throws -> [Grant] {
        let (coordinator, running) = try start(configuration(in: folder, shards: shards))
        let worker = try SocketWorker(worker, endpoint: coordinator.endpoint, failing: failing)
        try Running { try worker.run() }.value()
        _ = try running.value()
        return worker.grants
    }

    @Test("Retry of a stopped run: the next start does what was given up") func retryStopped() throws {
        _ = try run("a", failing: captions)
        #expect(try stopped(.retry(RetryRequest(shards: ["s7"]))).units == 0)
        #expect(try stopped(.retry(RetryRequest(stages: [captions], shards: ["s0"]))).units == 1)
        #expect(try !stopped(.retry(RetryRequest(stages: ["view"]))).refusal.isEmpty)
        let grants = try run("b")
        #expect(Set(grants.map(\.unit.stage)) == [captions, "texts.syn_text"])
    }

    @Test("Invalidated chunks of a finished run are made again by the next start, and only they")
    func invalidateStopped() throws {
        _ = try run("a")
        let request = InvalidateRequest(worker: WorkerID("a"), since: 0, stage: "views")
        var future = request
        future.since = Int64(Date().timeIntervalSince1970) + 60
        #expect(try stopped(.invalidate(future)).chunks == 0)
        var other = request
        other.worker = WorkerID("b")
        #expect(try stopped(.invalidate(other)).chunks == 0)
        #expect(try stopped(.invalidate(request)) == OperatorReply(units: 1, chunks: 3))
        #expect(try stopped(.invalidate(request)) == OperatorReply())
        #expect(try run("b").map { "\($0.unit) \($0.committed)" } == ["views/0 []"])
        #expect(
            try LedgerReader(stateDirectory: folder.path + "/state").status().stages.map(\.chunks) == [
                3, 3, 3,
            ])
    }

    @Test("Invalidated while the run goes on: the worker's chunks are made again") func invalidateRunning()
        throws
    {
        let (coordinator, running) = try start(configuration(in: folder))
        let distrusted = try SocketWorker("a", endpoint: coordinator.endpoint, commitsMax: 4)
        try Running { try distrusted.run() }.value()
        Thread.sleep(forTimeInterval: 0.3)
        let before = try LedgerReader(stateDirectory: folder.path + "/state").status().stages.map(\.chunks)
        let reply = reply(
            coordinator, .invalidate(InvalidateRequest(worker: WorkerID("a"), since: 0)))
        #expect(reply.chunks == before.reduce(0, +) && reply.chunks > 0)
        let worker = try SocketWorker("b", endpoint: coordinator.endpoint)
        try Running { try worker.run() }.value()
        #expect(try running.value() == .finished(quarantined: 0, blocked: 0))
        var made = 0
        for grant in worker.grants { made += 3 - grant.committed.map(\.count).reduce(0, +) }
        #expect(made == 27)
    }

    @Test("Shards added to a run that goes on are done, and known to the next start") func extend() throws {
        let more = configuration(in: folder, shards: 5)
        let (coordinator, running) = try start(configuration(in: folder, shards: 2))
        #expect(reply(coordinator, .extend(ExtendRequest(shards: more.plan.shards))).shards == 5)
        #expect(reply(coordinator, .extend(ExtendRequest(shards: more.plan.shards))).shards == 5)
        let worker = try SocketWorker("a", endpoint: coordinator.endpoint)
        try Running { try worker.run() }.value()
        #expect(try running.value() == .finished(quarantined: 0, blocked: 0))
        #expect(worker.grants.count == 15)
        // The manifest's order of shards may be another one; the numbers stay.
        var shuffled = more
        shuffled.shards.reverse()
        let (again, end) = try start(shuffled)
        #expect(reply(again, .retry(RetryRequest())).units == 0)
        #expect(try end.value() == .finished(quarantined: 0, blocked: 0))
        #expect { try Coordinator(configuration(in: folder, shards: 6)) } throws: { error in
            "\(error)".contains("bolster extend")
        }
    }

    @Test("Once answered, an order is known to who takes the run over elsewhere") func takenOver()
        throws
    {
        let (coordinator, running) = try start(configuration(in: folder, shards: 2))
        let more = configuration(in: folder, shards: 5, state: "elsewhere")
        #expect(reply(coordinator, .extend(ExtendRequest(shards: more.plan.shards))).shards == 5)
        // The first one still runs: whatever is known here came from the output.
        let (second, secondRunning) = try start(more)
        #expect(throws: CoordinatorError.self) { try running.value() }
        #expect(reply(second, .extend(ExtendRequest(shards: more.plan.shards))).shards == 5)
        second.stop()
        _ = try secondRunning.value()
    }

    @Test("An order whose copy does not reach the output is answered when it does") func copyFails() throws {
        var settings = configuration(in: folder, shards: 2)
        settings.copyAgainAfter = .milliseconds(200)
        // A file where the copies' folder belongs.
        let output = ObjectStore(root: settings.output)
        try output.write("ledger", [0])
        let (coordinator, running) = try start(settings)
        let answers = Box<[OperatorReply]>()
        answers.value = []
        let answered = DispatchSemaphore(value: 0)
        let more = ExtendRequest(shards: configuration(in: folder, shards: 3).plan.shards)
        for _ in 0..<2 {
            coordinator.order(.extend(more)) {
                answers.value?.append($0)
                answered.signal()
            }
        }
        #expect(answered.wait(timeout: .now() + 1) == .timedOut)
        try output.delete("ledger")
        answered.wait()
        answered.wait()
        #expect(answers.value == [OperatorReply(shards: 3), OperatorReply(shards: 3)])
        #expect(try !output.list(prefix: "ledger/").isEmpty)
        coordinator.stop()
        _ = try running.value()
    }

    @Test("A finished run whose coordinator stays goes on with an order that gives it work") func reopened()
        throws
    {
        var settings = configuration(in: folder, shards: 1)
        settings.staysWhenFinished = true
        settings.rendezvous = folder.path + "/rendezvous"
        settings.hostName = "localhost"
        let output = ObjectStore(root: settings.output)
        let (coordinator, running) = try start(settings)
        func work(_ name: String) throws -> [Grant] {
            let worker = try SocketWorker(name, endpoint: coordinator.endpoint)
            try Running { try worker.run() }.value()
            return worker.grants
        }
        func state() throws -> Rendezvous.State? {
            try Rendezvous.read(from: folder.path + "/rendezvous")?.state
        }
        #expect(try work("a").count == 3)
        let end = RunEnd.name(generation: coordinator.generation)
        while try !output.exists(end) { Thread.sleep(forTimeInterval: 0.05) }
        #expect(try state() == .finished(quarantined: 0, blocked: 0))
        // Nothing to do is no reason to go on.
        #expect(reply(coordinator, .retry(RetryRequest())) == OperatorReply())
        #expect(try output.exists(end))

        let more = configuration(in: folder, shards: 2).plan.shards
        #expect(reply(coordinator, .extend(ExtendRequest(shards: more))).shards == 2)
        #expect(try !output.exists(end) && state() == .running)
        #expect(try work("b").map(\.unit.shard) == [1, 1, 1])
        let wrong = InvalidateRequest(worker: WorkerID("b"), since: 0, stage: "views")
        #expect(reply(coordinator, .invalidate(wrong)).chunks == 3)
        #expect(try work("c").map(\.unit) == [UnitID(stage: "views", shard: 1)])
        while try !output.exists(end) { Thread.sleep(forTimeInterval: 0.05) }
        #expect(reply(coordinator, .drain) == OperatorReply())
        #expect(try running.value() == .finished(quarantined: 0, blocked: 0))
    }

    @Test("An order over the socket is answered, and drain ends the run") func overTheSocket() throws {
        let (coordinator, running) = try start(configuration(in: folder))
        let socket = try DealerSocket(connect: coordinator.endpoint, identity: Array("x".utf8), security: nil)
        for request in [OperatorRequest.retry(RetryRequest(stages: ["no"])), .drain] {
            _ = try socket.send(
                WorkerFrame(
                    worker: WorkerID("operator"), incarnation: 1, generation: 0,
                    message: .operatorRequest(request)
                ).encode())
        }
        var replies: [OperatorReply] = []
        try socket.run(tick: .seconds(5)) { frames, isTick in
            for bytes in frames {
                if case .operatorReply(let reply) = try CoordinatorFrame.decode(bytes).message {
                    replies.append(reply)
                }
            }
            if replies.count == 2 || isTick { socket.stop() }
            return []
        }
        #expect(replies.map(\.refusal.isEmpty) == [false, true])
        #expect(try running.value() == .drained)
        #expect(!reply(coordinator, .drain).refusal.isEmpty)
    }

    @Test("A ledger of schema 1 is brought up to date, and its chunks are of unknown age") func migrated()
        throws
    {
        _ = try run("a")
        let path = folder.path + "/state/ledger.sqlite"
        let old = try LedgerDatabase.open(path)
        try old.writeWithoutTransaction { db in
            try db.execute(
                sql: """
                    ALTER TABLE chunk DROP COLUMN time;
                    ALTER TABLE finished DROP COLUMN times;
                    PRAGMA user_version = 1;
                    """)
        }
        try old.close()
        let future = Int64(Date().timeIntervalSince1970) + 60
        let reply = try stopped(.invalidate(InvalidateRequest(worker: WorkerID("a"), since: future)))
        #expect(reply.chunks == 9)
        #expect(try run("b").count == 3)
    }
}

/// What a callback leaves behind.
final class Box<Value>: @unchecked Sendable {
    var value: Value?
}
