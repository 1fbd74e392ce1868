import BolsterDeterminism
import BolsterLeasing
import BolsterMessaging
import Foundation

/// Simulated workers that ask for units, commit each as one chunk, and report, as fast as they can or at a
/// fixed rate. A grant and a commit are a durable operation each.
final class LoadGenerator {
    private enum Step {
        case greeting
        case idle
        case asking(since: ContinuousClock.Instant)
        case granted(Grant)
        case committing
    }

    private struct Worker {
        let name: WorkerID
        var step = Step.greeting
        var asks: UInt64 = 0
        /// Answers that are still to come.
        var unanswered = 0
        /// Its place among those that wait for one.
        var place: Int?
    }

    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    private static let connectTogether = 200
    private static let connectLimit: Duration = .seconds(300)
    private static let greetAgain: Duration = .seconds(5)

    private let pool: DealerPool
    private var workers: [Worker]
    private var generation: UInt64 = 0
    /// Workers that wait for an answer.
    private var waiting: [Int] = []
    private var idle: [Int] = []
    private var granted: [Int] = []
    private var operations = 0
    private var greeted = ContinuousClock.now
    /// From the moment that an Ask was due to its Grant, in microseconds.
    private(set) var latencies: [Int] = []

    init(endpoint: String, name: String, workers count: Int, security: ClientSecurity) throws {
        pool = try DealerPool(connect: endpoint, count: count, security: security)
        workers = (0..<count).map { Worker(name: WorkerID("\(name)-\($0)/cuda:0")) }
    }

    // MARK: Connecting

    /// Every worker connects, proves its key and greets; seconds that it took.
    func connect() throws -> Double {
        let begun = ContinuousClock.now
        for number in workers.indices {
            try pool.add(identity: Array(workers[number].name.name.utf8))
            greet(number)
            while waiting.count >= Self.connectTogether { try listen(since: begun) }
        }
        while !waiting.isEmpty { try listen(since: begun) }
        return (ContinuousClock.now - begun) / .seconds(1)
    }

    private func listen(since begun: ContinuousClock.Instant) throws {
        guard ContinuousClock.now - begun < Self.connectLimit else {
            throw Broken(
                description: "\(waiting.count) of \(pool.count) workers could not connect, "
                    + "\(workers.count) are wanted")
        }
        if ContinuousClock.now - greeted > Self.greetAgain {
            // A handshake that takes too long is begun anew, and what was sent with it is gone.
            greeted = .now
            for number in waiting { greet(number) }
        }
        if try receive() == 0 { pool.wait(waiting, milliseconds: 20) }
    }

    private func greet(_ number: Int) {
        workers[number].unanswered = 0
        let hello = Hello(
            host: "host\(number / 8)", labels: [], device: "cuda:0", computeClass: "simulated",
            program: "benchmark")
        say(.hello(hello), from: number)
    }

    // MARK: Phases

    /// As many operations as go, with so many workers active at a time, each in its turn.
    func saturate(for time: Duration, window: Int) throws -> (operations: Int, seconds: Double) {
        let begun = ContinuousClock.now
        let before = operations
        while ContinuousClock.now - begun < time {
            for number in granted { commit(number) }
            granted.removeAll(keepingCapacity: true)
            while waiting.count < window, let number = nextIdle() { ask(number, due: .now) }
            if try receive() == 0 { pool.wait(waiting, milliseconds: 1) }
        }
        let result = (operations - before, (ContinuousClock.now - begun) / .seconds(1))
        // What is still on its way belongs to this phase, not to the next.
        let end = ContinuousClock.now + .seconds(5)
        while !waiting.isEmpty, ContinuousClock.now < end {
            if try receive() == 0 { pool.wait(waiting, milliseconds: 1) }
        }
        return result
    }

    /// Operations and heartbeats at fixed rates, whether or not answers keep up: an Ask that has to wait for
    /// its turn here is late already.
    func open(
        for time: Duration, operations rate: Double, heartbeats: Double
    ) throws -> (operations: Int, seconds: Double) {
        latencies = []
        let begun = ContinuousClock.now
        let before = operations
        var due = (operations: 0, heartbeats: 0)
        while ContinuousClock.now - begun < time {
            let seconds = (ContinuousClock.now - begun) / .seconds(1)
            while Double(due.operations) / rate <= seconds {
                let moment = begun + .seconds(Double(due.operations) / rate)
                if due.operations % 2 == 1, let number = granted.popLast() {
                    commit(number)
                } else if let number = nextIdle() {
                    ask(number, due: moment)
                }
                due.operations += 1
            }
            while Double(due.heartbeats) / heartbeats <= seconds {
                report(due.heartbeats * 7 % workers.count)
                due.heartbeats += 1
            }
            if try receive() == 0 { pool.wait(waiting, milliseconds: 1) }
        }
        return (operations - before, (ContinuousClock.now - begun) / .seconds(1))
    }

    /// The one that has been idle for longest.
    private func nextIdle() -> Int? {
        if idlePlace >= idle.count { return nil }
        defer { idlePlace += 1 }
        let number = idle[idlePlace]
        if idlePlace > 65_536 {
            idle.removeFirst(idlePlace)
            idlePlace = 0
        }
        return number
    }

    private var idlePlace = 0

    // MARK: Messages

    private func ask(_ number: Int, due: ContinuousClock.Instant) {
        workers[number].asks += 1
        workers[number].step = .asking(since: due)
        say(.ask(Ask(number: workers[number].asks, loadedStages: [], cachedShards: [])), from: number)
    }

    private func commit(_ number: Int) {
        guard case .granted(let grant) = workers[number].step else { return }
        let result = ChunkResult(
            chunk: grant.firstChunk, digest: UInt64(number), bytes: 3_000_000, samples: ScaleRun.chunk,
            skipped: 0, isLast: true, rangeEnd: 1 << 26)
        workers[number].step = .committing
        say(
            .commit(
                Commit(
                    unit: grant.unit, epoch: grant.epoch, fingerprint: grant.fingerprint,
                    file: grant.file(chunk: grant.firstChunk), result: result)), from: number)
    }

    private func report(_ number: Int) {
        var leases: [LeaseReport] = []
        if case .granted(let grant) = workers[number].step {
            leases = [LeaseReport(epoch: grant.epoch, phase: .working, chunk: 0, samplesDone: 1)]
        }
        say(.heartbeat(Heartbeat(leases: leases, samplesPerSecond: 100)), from: number)
    }

    private func say(_ message: WorkerMessage, from number: Int) {
        let frame = WorkerFrame(
            worker: workers[number].name, incarnation: 1, generation: generation, message: message)
        guard pool.send(number, frame.encode()) else { return }
        workers[number].unanswered += 1
        if workers[number].place == nil {
            workers[number].place = waiting.count
            waiting.append(number)
        }
    }

    /// Takes in what has come; says how many frames.
    private func receive() throws -> Int {
        var frames = 0
        for number in waiting {
            while let bytes = pool.receive(number) {
                frames += 1
                let frame = try CoordinatorFrame.decode(bytes)
                generation = frame.generation
                if try answered(frame.message, number) { workers[number].unanswered -= 1 }
            }
            if workers[number].unanswered == 0 { stopWaiting(number) }
        }
        return frames
    }

    private func stopWaiting(_ number: Int) {
        guard let place = workers[number].place else { return }
        let last = waiting[waiting.count - 1]
        waiting[place] = last
        workers[last].place = place
        waiting.removeLast()
        workers[number].place = nil
    }

    /// False for a second Welcome to one that greeted twice: it is the answer to nothing that is waited for.
    private func answered(_ message: CoordinatorMessage, _ number: Int) throws -> Bool {
        switch message {
        case .welcome:
            guard case .greeting = workers[number].step else { return false }
            workers[number].step = .idle
            idle.append(number)
        case .wait, .commitRefused, .released:
            workers[number].step = .idle
            idle.append(number)
        case .grant(let grant):
            if case .asking(let since) = workers[number].step {
                latencies.append(Int((ContinuousClock.now - since) / .microseconds(1)))
            }
            workers[number].step = .granted(grant)
            granted.append(number)
            operations += 1
        case .committed:
            workers[number].step = .idle
            idle.append(number)
            operations += 1
        case .heartbeatReply: break
        case .refused(let refusal): throw Broken(description: "a worker is refused: \(refusal.message)")
        case .finished, .drain:
            throw Broken(description: "the run is at its end: take more shards, or less time")
        case .noted, .announced, .statusReply, .operatorReply: break
        }
        return true
    }
}
