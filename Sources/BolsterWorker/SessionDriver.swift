import BolsterLeasing
import BolsterMessaging
import BolsterRecords
import BolsterStorage
import Foundation
import Logging
import Synchronization

/// Carries out what a worker's session decides: frames to the socket, leases to the thread that computes.
///
///     network thread: run()                        compute thread: next() … ended()
///        frames, ticks ─► session ◄─ progress, finished chunks
///                            └──► instructions, flags, exit
///
/// Both threads call the session under its lock and act on the answer outside it.
final class SessionDriver: Sendable {
    /// What the compute thread is to do next.
    enum Instruction {
        case configure(Welcome)
        case work(Grant)
        case exit(WorkerSession.Exit)
    }

    private static let tick = Duration.milliseconds(200)
    private static let rateWindow = Duration.seconds(2)

    /// What the compute thread sees; guarded by its own condition because that thread waits on it.
    private final class Board: @unchecked Sendable {
        let condition = NSCondition()
        var instructions: [Instruction] = []
        var stoppingAtBoundary: Set<Epoch> = []
        var abandoned: Set<Epoch> = []
        var proceeding: (epoch: Epoch, sample: Int)?
        var exit: WorkerSession.Exit?
        var failure: (any Error)?
    }

    private struct Rate {
        var samples = 0
        var since = Duration.zero
        var steps = StepMeter.Reading()
    }

    private let session: Mutex<WorkerSession>
    private let rate = Mutex(Rate())
    private let board = Board()
    private let socket: DealerSocket
    private let configuration: WorkerConfiguration
    /// What the compute thread and its pipeline do.
    let meter: StepMeter
    private let start = ContinuousClock.now

    init(_ configuration: WorkerConfiguration, socket: DealerSocket, session: consuming WorkerSession) {
        self.configuration = configuration
        self.meter = StepMeter(threads: configuration.threads)
        self.socket = socket
        self.session = Mutex(session)
    }

    private var now: Duration { ContinuousClock.now - start }

    // MARK: Network thread

    /// Serves the socket until the session is over.
    func run() {
        do {
            act(session.withLock { $0.connected(now: now) })
            try socket.run(tick: Self.tick) { frames, isTick in
                for frame in frames { received(frame) }
                if isTick { ticked() }
                return []
            }
        } catch {
            post { $0.failure = error }
        }
    }

    private func received(_ bytes: [UInt8]) {
        do throws(LeasingError) {
            let frame = try CoordinatorFrame.decode(bytes)
            act(session.withLock { $0.received(frame, now: now) })
        } catch {
            configuration.log.warning(
                "a frame from the coordinator cannot be read", metadata: [LogKey.error: "\(error)"])
        }
    }

    private func ticked() {
        let now = now
        if let parent = configuration.parent, getppid() != parent {
            configuration.log.notice("the parent process is gone, so this worker ends")
            stop()
            stop()
            return
        }
        let steps = meter.read()
        let measured = rate.withLock { rate -> (samples: Double, waits: StepWaits?)? in
            guard now - rate.since >= Self.rateWindow else { return nil }
            defer { rate = Rate(samples: 0, since: now, steps: steps) }
            return (
                Double(rate.samples) / ((now - rate.since) / .seconds(1)),
                meter.waits(from: rate.steps, to: steps)
            )
        }
        act(
            session.withLock { session in
                if let measured { session.rateMeasured(measured.samples) }
                if let waits = measured?.waits { session.waitsMeasured(waits) }
                return session.ticked(now: now)
            })
    }

    // MARK: Any thread

    /// The first call lets the worker leave at a chunk's boundary, the second at once.
    func stop() {
        act(session.withLock { $0.stopRequested(now: now) })
    }

    private func act(_ actions: [WorkerSession.Action]) {
        for action in actions {
            do {
                try act(action)
            } catch {
                post { $0.failure = error }
            }
        }
    }

    private func act(_ action: WorkerSession.Action) throws {
        switch action {
        case .send(let frame):
            // A full queue drops the frame; the session says it again.
            _ = try socket.send(frame.encode())
        case .configure(let welcome):
            post { $0.instructions.append(.configure(welcome)) }
        case .start(let grant):
            post { $0.instructions.append(.work(grant)) }
        case .stopAtBoundary(let epoch):
            post { $0.stoppingAtBoundary.insert(epoch) }
        case .abandon(let epoch, let reason):
            configuration.log.notice(
                "a lease is given up", metadata: [LogKey.epoch: "\(epoch)", LogKey.reason: "\(reason)"])
            post { $0.abandoned.insert(epoch) }
        case .proceed(let epoch, let sample):
            post { $0.proceeding = (epoch, sample) }
        case .reconnect(let reason):
            configuration.log.warning(
                """
                connecting anew; if this goes on, check that the coordinator runs at this address and that \
                this worker's key is on its allow-list
                """,
                metadata: [
                    LogKey.endpoint: "\(configuration.endpoint)", LogKey.reason: "\(reason)",
                    LogKey.refusals: "\(socket.counters.refusals)",
                ])
            try connectAnew()
        case .exit(let exit):
            post { $0.exit = exit }
        }
    }

    /// Connects to where the coordinator is now, unless it has left word that the run is over.
    private func connectAnew() throws {
        var place = (address: configuration.endpoint, serverKey: configuration.security?.serverKey)
        do {
            let (output, generation) = session.withLock { ($0.welcome?.output, $0.generation) }
            var end = try output.flatMap { try EndedRun.find(in: ObjectStore(root: $0), since: generation) }
            if let folder = configuration.rendezvous, let found = try Rendezvous.read(from: folder) {
                place = (found.address, found.serverKey ?? place.serverKey)
                if found.generation >= generation { end = end ?? EndedRun.find(at: found) }
            }
            if let end { return act(session.withLock { $0.runEnded(end) }) }
        } catch {
            configuration.log.warning(
                "it cannot be seen whether the run is over; trying the coordinator again",
                metadata: [LogKey.error: "\(error)"])
        }
        try socket.reconnect(to: place.address, serverKey: place.serverKey)
        act(session.withLock { $0.connected(now: now) })
    }

    private func post(_ change: (Board) -> Void) {
        board.condition.lock()
        change(board)
        board.condition.broadcast()
        board.condition.unlock()
    }

    // MARK: Compute thread

    /// Waits for the next instruction.
    ///
    /// - Throws: what ended the network thread.
    func next() throws -> Instruction {
        board.condition.lock()
        defer { board.condition.unlock() }
        while true {
            if let failure = board.failure { throw failure }
            if let exit = board.exit { return .exit(exit) }
            if !board.instructions.isEmpty { return board.instructions.removeFirst() }
            board.condition.wait()
        }
    }

    /// The manifest is read, its models are known: the worker takes leases.
    func ready() {
        act(session.withLock { $0.ready(loadedStages: [], now: now) })
    }

    func loaded(stages: [String]) {
        session.withLock {
            $0.loadedStagesChanged(stages)
            $0.modelsLoaded(now: now)
        }
    }

    /// The stages whose units the worker would have first.
    func prefers(stages: [String]) {
        session.withLock { $0.loadedStagesChanged(stages) }
    }

    /// Lets time pass with the lease in hand, unless the worker is wanted elsewhere.
    func rest(_ grant: Grant, for time: Duration) {
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end, mayBeginChunk(grant.epoch) { Thread.sleep(forTimeInterval: 0.1) }
    }

    /// The unit is computed, its last files are on their way: the next may be worked on.
    func computed(_ grant: Grant) {
        act(session.withLock { $0.computed(grant.epoch, now: now) })
    }

    /// What this node's shard cache holds.
    func cached(shards: [Int]) {
        session.withLock { $0.cachedShardsChanged(shards) }
    }

    func ended(_ grant: Grant, _ end: WorkerSession.WorkEnd) {
        post {
            $0.stoppingAtBoundary.remove(grant.epoch)
            $0.abandoned.remove(grant.epoch)
        }
        act(session.withLock { $0.workEnded(grant.epoch, end, now: now) })
    }

    /// Ends the network thread; what is in its queue is still sent.
    func close() {
        socket.stop()
    }

    /// The stage's models are being loaded.
    func loading(_ grant: Grant) {
        session.withLock {
            $0.progressed(grant.epoch, phase: .loading, chunk: grant.firstChunk, samplesDone: 0)
        }
    }

    /// So many more samples are done, `all` since the grant.
    func advanced(_ grant: Grant, chunk: Int, samples: Int, of all: Int) {
        session.withLock {
            $0.progressed(grant.epoch, phase: .working, chunk: chunk, samplesDone: all)
        }
        rate.withLock { $0.samples += samples }
    }

    func chunkFinished(_ grant: Grant, _ result: ChunkResult) {
        act(session.withLock { $0.chunkFinished(grant, result, now: now) })
    }

    func announce(_ grant: Grant, sample: Int, key: String) -> Bool {
        post { $0.proceeding = nil }
        act(session.withLock { $0.sampleAnnounced(grant.epoch, sample: sample, key: key, now: now) })
        board.condition.lock()
        defer { board.condition.unlock() }
        while board.exit == nil, board.failure == nil, !board.abandoned.contains(grant.epoch) {
            if let proceeding = board.proceeding, proceeding == (grant.epoch, sample) { return true }
            board.condition.wait()
        }
        return false
    }

    func mayContinue(_ epoch: Epoch) -> Bool {
        board.condition.lock()
        defer { board.condition.unlock() }
        return board.exit == nil && board.failure == nil && !board.abandoned.contains(epoch)
    }

    func mayBeginChunk(_ epoch: Epoch) -> Bool {
        while session.withLock({ $0.isFull }), mayContinue(epoch) { Thread.sleep(forTimeInterval: 0.05) }
        board.condition.lock()
        defer { board.condition.unlock() }
        return board.exit == nil && board.failure == nil && !board.abandoned.contains(epoch)
            && !board.stoppingAtBoundary.contains(epoch)
    }
}

/// One lease's side of the driver.
final class LeaseControl: UnitControl {
    private let driver: SessionDriver
    private let grant: Grant
    private let done = Mutex(0)
    private let last = Mutex(false)
    private let tokens = Mutex<TokenUsage?>(nil)

    init(_ driver: SessionDriver, _ grant: Grant) {
        self.driver = driver
        self.grant = grant
    }

    var mayContinue: Bool { driver.mayContinue(grant.epoch) }
    var mayBeginChunk: Bool { driver.mayBeginChunk(grant.epoch) }
    /// Samples since the grant.
    var samples: Int { done.withLock { $0 } }

    func advanced(chunk: Int, samples: Int) {
        let all = done.withLock { done in
            done += samples
            return done
        }
        driver.advanced(grant, chunk: chunk, samples: samples, of: all)
    }

    /// Tokens since the grant; nil where no endpoint was asked.
    var usage: TokenUsage? { tokens.withLock { $0 } }

    func spent(_ usage: TokenUsage) { tokens.withLock { $0 = ($0 ?? TokenUsage()) + usage } }

    /// Whether the unit's last chunk is done, here or before this lease.
    func reachedLast(of grant: Grant) -> Bool {
        last.withLock { $0 } || grant.sources.last.map { grant.isCommitted($0.chunk) } ?? false
    }

    func finished(_ result: ChunkResult) {
        if result.isLast { last.withLock { $0 = true } }
        driver.chunkFinished(grant, result)
    }

    func announce(sample: Int, key: String) -> Bool { driver.announce(grant, sample: sample, key: key) }
}
