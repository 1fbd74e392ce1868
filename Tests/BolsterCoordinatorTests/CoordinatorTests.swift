import BolsterDataset
import BolsterLeasing
import BolsterMessaging
import BolsterStorage
import Foundation
import Testing

@testable import BolsterCoordinator

@Suite("Coordinator", .serialized) struct CoordinatorTests {
    private func start(_ configuration: CoordinatorConfiguration) throws -> (
        Coordinator, Running<Coordinator.Outcome>
    ) {
        let coordinator = try Coordinator(configuration)
        return (coordinator, Running { try coordinator.run { _ in } })
    }

    @Test("Two workers over real sockets finish a run") func wholeRun() throws {
        let folder = TemporaryFolder()
        let (coordinator, running) = try start(configuration(in: folder))
        let workers = try ["a", "b"].map { try SocketWorker($0, endpoint: coordinator.endpoint) }
        let threads = workers.map { worker in Running { try worker.run() } }
        for thread in threads { try thread.value() }
        #expect(try running.value() == .finished(quarantined: 0, blocked: 0))
        #expect(
            workers.map(\.exit) == [
                .finished(quarantined: 0, blocked: 0), .finished(quarantined: 0, blocked: 0),
            ])

        let reader = try LedgerReader(stateDirectory: folder.path + "/state")
        let status = try reader.status()
        #expect(status.state == .finished && status.stages.map(\.done) == [3, 3, 3])
        #expect(status.stages.map(\.samples) == [18, 18, 18])
        let file = try #require(try reader.committedFiles()(StageID("views"), "s2", 1))
        let grant = try #require(
            workers.flatMap(\.grants).first { $0.unit == UnitID(stage: "views", shard: 2) })
        #expect(file == grant.file(chunk: 1))
        let texts = try #require(workers.flatMap(\.grants).first { $0.unit.stage == "texts.syn_text" })
        #expect(texts.sources.map(\.chunk) == [0, 1, 2])
    }

    @Test("Promise 1: what was acknowledged before a kill is there after it") func killed() throws {
        let folder = TemporaryFolder()
        let (first, running) = try start(configuration(in: folder))
        let killed = try SocketWorker("a", endpoint: first.endpoint, commitsMax: 4)
        try Running { try killed.run() }.value()
        // Whatever the worker's socket had not sent is lost with it; wait until the coordinator has been
        // quiet.
        Thread.sleep(forTimeInterval: 0.3)
        first.stop()
        #expect(try running.value() == .stopped)
        let before = try LedgerReader(stateDirectory: folder.path + "/state").status().stages.map(\.chunks)

        let (second, again) = try start(configuration(in: folder))
        #expect(second.generation == first.generation + 1)
        let worker = try SocketWorker("a", incarnation: 2, endpoint: second.endpoint)
        try Running { try worker.run() }.value()
        #expect(try again.value() == .finished(quarantined: 0, blocked: 0))
        let made = worker.grants.map { 3 - $0.firstChunk }.reduce(0, +)
        #expect(before.reduce(0, +) + made == 27)
    }

    @Test("An empty state folder takes the newest copy of the ledger from the output") func restored() throws
    {
        let folder = TemporaryFolder()
        let (first, running) = try start(configuration(in: folder))
        let worker = try SocketWorker("a", endpoint: first.endpoint)
        try Running { try worker.run() }.value()
        _ = try running.value()
        let second = try Coordinator(configuration(in: folder, state: "elsewhere"))
        let other = Running { try second.run { _ in } }
        #expect(try other.value() == .finished(quarantined: 0, blocked: 0))
    }

    @Test("Two coordinators cannot share a state folder") func locked() throws {
        let folder = TemporaryFolder()
        let first = try Coordinator(configuration(in: folder))
        defer { withExtendedLifetime(first) {} }
        #expect { try Coordinator(configuration(in: folder)) } throws: { error in
            (error as? CoordinatorError)?.code == .inUse
        }
    }

    @Test("Promise 5: an older coordinator stops once a newer one rules") func superseded() throws {
        let folder = TemporaryFolder()
        let (older, running) = try start(configuration(in: folder))
        // One that does not notice must fail this test, not hold it up.
        let patience = Thread {
            Thread.sleep(forTimeInterval: 20)
            older.stop()
        }
        patience.start()
        let newer = try Coordinator(configuration(in: folder, state: "elsewhere"))
        defer { withExtendedLifetime(newer) {} }
        #expect { try running.value() } throws: { ($0 as? CoordinatorError)?.code == .superseded }
    }

    @Test("A captioner that changed is computed anew, the views are kept") func changedFingerprint() throws {
        let folder = TemporaryFolder()
        for (captions, expected) in [("c1", 9), ("c2", 6), ("c1", 0)] {
            let (coordinator, running) = try start(configuration(in: folder, captions: captions))
            let worker = try SocketWorker("a", endpoint: coordinator.endpoint)
            try Running { try worker.run() }.value()
            #expect(try running.value() == .finished(quarantined: 0, blocked: 0))
            #expect(worker.grants.count == expected)
        }
    }

    @Test("A changed shard is an error that names it") func changedShard() throws {
        let folder = TemporaryFolder()
        do { _ = try Coordinator(configuration(in: folder)) }
        #expect { try Coordinator(configuration(in: folder, size: 101)) } throws: { error in
            let error = error as? CoordinatorError
            return error?.code == .otherRun && "\(error!)".contains("/in/s0.tar: 100 bytes")
        }
        #expect { try Coordinator(configuration(in: folder, shards: 2)) } throws: { error in
            (error as? CoordinatorError)?.code == .otherRun
        }
    }

    @Test("Noise is not answered, another version is") func noise() throws {
        let folder = TemporaryFolder()
        let (coordinator, running) = try start(configuration(in: folder))
        let socket = try DealerSocket(connect: coordinator.endpoint, identity: Array("x".utf8), security: nil)
        var version = WorkerFrame(
            worker: WorkerID("x"), incarnation: 1, generation: 0, message: .statusRequest
        ).encode()
        version[1] = 2
        _ = try socket.send([1, 2, 3])
        _ = try socket.send([])
        _ = try socket.send(version)
        var answers: [CoordinatorMessage] = []
        try socket.run(tick: .seconds(5)) { frames, isTick in
            answers += try frames.map { try CoordinatorFrame.decode($0).message }
            socket.stop()
            return []
        }
        guard case .refused(let refusal)? = answers.first else {
            throw CoordinatorError(.ledger, "no answer")
        }
        #expect(refusal.reason == .version && answers.count == 1)
        coordinator.stop()
        _ = try running.value()
    }

    @Test("A frame from a later generation that nobody has claimed does not stop the coordinator")
    func falseRumour() throws {
        let folder = TemporaryFolder()
        let (coordinator, running) = try start(configuration(in: folder))
        let socket = try DealerSocket(connect: coordinator.endpoint, identity: Array("x".utf8), security: nil)
        let lie = WorkerFrame(
            worker: WorkerID("x"), incarnation: 1, generation: .max, message: .statusRequest)
        _ = try socket.send(lie.encode())
        _ = try socket.send(
            WorkerFrame(worker: WorkerID("x"), incarnation: 1, generation: 0, message: .statusRequest)
                .encode())
        var answers = 0
        try socket.run(tick: .seconds(5)) { frames, _ in
            answers += frames.count
            socket.stop()
            return []
        }
        #expect(answers == 1)
        coordinator.stop()
        #expect(try running.value() == .stopped)
    }

    @Test("Drain ends the run when the leases are back") func drain() throws {
        let folder = TemporaryFolder()
        let (coordinator, running) = try start(configuration(in: folder))
        coordinator.drain()
        #expect(try running.value() == .drained)
    }
}

extension CoordinatorTests {
    @Test("Promise 7: off loopback without keys, the coordinator does not start") func keysRequired() {
        let folder = TemporaryFolder()
        var configuration = configuration(in: folder)
        configuration.listen = "tcp://*:*"
        #expect { try Coordinator(configuration) } throws: { ($0 as? MessagingError)?.code == .keysRequired }
    }

    @Test("A port in use is told, and costs no generation") func portInUse() throws {
        let folder = TemporaryFolder()
        let first = try Coordinator(configuration(in: folder))
        var second = configuration(in: folder, state: "elsewhere")
        second.listen = first.endpoint
        #expect { try Coordinator(second) } throws: { $0 is MessagingError }
        #expect(try ObjectStore(root: folder.path + "/out").list(prefix: "generation/") == ["generation/1"])
    }

    @Test("Quarantined units and those they block are in the ledger's status") func quarantined() throws {
        let folder = TemporaryFolder()
        let coordinator = try Coordinator(configuration(in: folder, shards: 1))
        let running = Running { try coordinator.run { _ in } }
        let worker = try SocketWorker("a", endpoint: coordinator.endpoint, failing: "captions.syn_text")
        try Running { try worker.run() }.value()
        #expect(try running.value() == .finished(quarantined: 1, blocked: 1))
        let status = try LedgerReader(stateDirectory: folder.path + "/state").status()
        #expect(status.state == .finished && status.stages.map(\.blocked) == [0, 1, 0])
        #expect(status.quarantined.map(\.message) == ["made to fail"])
        guard
            case .quarantined(message: "made to fail", []) = try LedgerReader(
                stateDirectory: folder.path + "/state"
            ).records(stage: "captions.syn_text", shard: 0)
        else { throw CoordinatorError(.ledger, "not quarantined") }
    }

    @Test("Quarantined units stay so, unless a start is told to try them again") func retried() throws {
        let folder = TemporaryFolder()
        for (retries, fails, outcome) in [
            (false, true, Coordinator.Outcome.finished(quarantined: 1, blocked: 1)),
            (false, false, .finished(quarantined: 1, blocked: 1)),
            (true, false, .finished(quarantined: 0, blocked: 0)),
        ] {
            var configuration = configuration(in: folder, shards: 1)
            configuration.retryQuarantined = retries
            let coordinator = try Coordinator(configuration)
            let running = Running { try coordinator.run { _ in } }
            let worker = try SocketWorker(
                "a", endpoint: coordinator.endpoint, failing: fails ? "captions.syn_text" : nil)
            try Running { try worker.run() }.value()
            #expect(try running.value() == outcome)
        }
    }

    @Test("Promise 5: a coordinator that goes and comes back loses nothing and repeats no work")
    func comesBack() throws {
        let folder = TemporaryFolder()
        var settings = configuration(in: folder, shards: 2)
        settings.lingering = .seconds(2)
        var worker: SocketWorker?
        var working: Running<Void>?
        var starts = 0
        var outcome = Coordinator.Outcome.stopped
        while outcome == .stopped {
            let coordinator = try Coordinator(settings)
            settings.listen = coordinator.endpoint
            starts += 1
            let isLast = starts == 4
            let running = Running {
                try coordinator.run { status in
                    // Some chunks further than the start before, this one is gone.
                    let chunks = status.stages.reduce(0) { $0 + $1.chunks }
                    if !isLast, chunks > 0, chunks < 1_500 { coordinator.stop() }
                }
            }
            if worker == nil {
                let first = try SocketWorker("a", endpoint: coordinator.endpoint, chunks: 300)
                worker = first
                working = Running { try first.run() }
            }
            outcome = try running.value()
        }
        try working?.value()
        #expect(outcome == .finished(quarantined: 0, blocked: 0))
        #expect(worker?.exit == .finished(quarantined: 0, blocked: 0))
        let made = worker?.grants.map { grant in 300 - grant.committed.reduce(0) { $0 + $1.count } }
        #expect(made?.reduce(0, +) == 6 * 300)
    }
}
