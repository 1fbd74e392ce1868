/// The worker's side of the lease protocol: which leases it holds, what it has said that is not yet
/// answered, and which coordinator it follows.
///
///                connected            Welcome             ready
///     silent ───────────────► greeting ─────► configuring ─────► following ──┐
///        ▲                       ▲                                  │  ▲     │ Drain, stop, new manifest
///        └── silence: reconnect ─┴── unknown worker, new generation ┘  │     ▼
///                                                                      │  leaving ──► over (exit)
///                                    leases and commits live through ──┘
///
/// Invariants
/// 1. A finished chunk is said again and again until it is answered, whatever happens to the lease,
///    the connection or the coordinator: `chunkFinished` is never lost while the process lives.
/// 2. A coordinator of an older generation than the newest followed is not heard.
/// 3. At most one Ask is unanswered; an answer to another Ask starts nothing.
/// 4. `exit` is the last action there is.
///
/// The driver has a network thread, which alone owns the session, and a compute thread:
///
///     network thread                                     compute thread
///     socket readable  -> received(frame, now:)
///     `nextTick` past  -> ticked(now:)                   for grant in queue {
///     queue from compute:                                   for chunk … where may go on {
///        .progressed    -> progressed(…)                        post .progressed while working
///        .chunkFinished -> chunkFinished(…)                     write the record file; post .chunkFinished
///        .computed      -> computed(…)                      }
///        .workEnded     -> workEnded(…)                     post .computed where files are still uploaded
///     act on what comes back, in order:                     post .workEnded(complete | stopped | failed)
///        .send(f)           f.encode() to the socket     }
///        .configure(w)      read the manifest, then ready(loadedStages:now:)
///        .start(g)          put g into the compute thread's queue
///        .stopAtBoundary(e) flag: after the chunk in hand end with .stopped; not begun: at once
///        .abandon(e)        flag: throw the chunk in hand away, end with .stopped
///        .proceed(e, s)     the announced sample may be tried (isolation only)
///        .reconnect         close the socket, connect anew, connected(now:)
///        .exit(x)           leave; x says why
///
/// Every `start` is answered by exactly one `workEnded`, also after `stopAtBoundary` or `abandon`.
/// While `isFull`, the compute thread begins no new chunk. Times are `Duration`s since any fixed moment.
package struct WorkerSession: ~Copyable {
    package struct Configuration: Sendable {
        package var worker: WorkerID
        /// Greater at each start of the same worker, e.g. milliseconds since 1970.
        package var incarnation: UInt64
        package var hello: Hello
        /// Leases held at a time; above 1 the others wait in the compute thread's queue.
        package var leasesWanted = 1
        /// From a stop or Drain to the exit, however much is unanswered.
        package var grace: Duration = .seconds(30)
        /// Without a word from the coordinator for so long, the connection is made anew.
        package var silenceMax: Duration = .seconds(15)
        /// Without a word for so long, the worker gives up; nil: never.
        package var giveUpAfter: Duration?
        /// What is not answered is said again after this.
        package var repeatAfter: Duration = .seconds(5)
        /// Commits unanswered at which `isFull` turns true.
        package var unacknowledgedMax = 256

        package init(worker: WorkerID, incarnation: UInt64, hello: Hello) {
            self.worker = worker
            self.incarnation = incarnation
            self.hello = hello
        }
    }

    package enum Action: Equatable, Sendable {
        case send(WorkerFrame)
        case configure(Welcome)
        case start(Grant)
        case stopAtBoundary(Epoch)
        case abandon(Epoch, reason: String)
        case proceed(Epoch, sample: Int)
        case reconnect(reason: String)
        case exit(Exit)
    }

    package enum Exit: Equatable, Sendable {
        /// The run is over, with so many units given up.
        case finished(quarantined: Int, blocked: Int)
        /// Drain or stop: what was held is handed back.
        case drained
        /// A second stop, or the end of the grace period, with leases left to expire.
        case interrupted
        /// The coordinator has another manifest now; a new start reads it.
        case manifestChanged
        case refused(Refusal)
        /// Nobody answered for `giveUpAfter`.
        case unreachable
    }

    /// How the compute thread's work on a lease ended.
    package enum WorkEnd: Equatable, Sendable {
        /// No chunk of the unit is left to do.
        case complete
        /// At a chunk's boundary or abandoned, with chunks left.
        case stopped
        case failed(Fail.Class, message: String, sample: String?)
    }

    enum Phase: Equatable {
        case silent
        case greeting(since: Duration)
        case configuring
        case following
        case over
    }

    struct Leaving: Equatable {
        var exit: Exit
        var deadline: Duration
    }

    let configuration: Configuration
    var phase = Phase.silent
    var leaving: Leaving?
    /// The newest generation followed; 0 before the first Welcome.
    package internal(set) var generation: UInt64 = 0
    package internal(set) var welcome: Welcome?
    var isReady = false
    var loadedStages: [String] = []
    /// Shards that this node's caches may hold, the one read last first; told with each Ask.
    package internal(set) var cachedShards: [Int] = []
    static let cachedShardsKept = 32
    /// Whether `cachedShards` is what a cache said it has, rather than a guess from what was read.
    var knowsCache = false
    var leases: [HeldLease] = []
    var unacknowledged: [UnansweredCommit] = []
    var askNumber: UInt64 = 0
    /// When the unanswered Ask was last said.
    var askSaid: Duration?
    var nextAsk: Duration = .zero
    var nextHeartbeat: Duration = .zero
    /// When the coordinator was last heard; before that, when the first connection was tried.
    var lastHeard: Duration?
    /// When the last connection was tried, and how long until the next try.
    var connectionTried: Duration = .zero
    var patience: Duration
    var samplesPerSecond = 0.0
    var waits: StepWaits?
    /// Since when the device has been at work on the chunk in hand.
    var deviceBusySince: Duration = .zero
    /// Of chunks that are computed and not yet finished, up to `deviceBusySince`.
    var deviceTimeOwed: Duration = .zero

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        self.patience = configuration.silenceMax
    }

    // MARK: What the driver may ask

    /// No new chunk should begin: too many commits wait for an answer.
    package var isFull: Bool { unacknowledged.count >= configuration.unacknowledgedMax }
    /// Leases whose work has not ended.
    package var leasesWorking: Int { leases.count { $0.isWorking } }
    package var commitsUnanswered: Int { unacknowledged.count }
    package var isOver: Bool { phase == .over }

    /// When `ticked` has something to do, if nothing happens before.
    package var nextTick: Duration {
        var next = max(lastHeard ?? connectionTried, connectionTried) + patience
        if phase == .following {
            next = min(next, nextHeartbeat)
            if wantsLease { next = min(next, nextAsk) }
            if let askSaid { next = min(next, askSaid + configuration.repeatAfter) }
            for commit in unacknowledged.prefix(1) {
                next = min(next, commit.said + configuration.repeatAfter)
            }
        }
        if case .greeting(let since) = phase { next = min(next, since + configuration.repeatAfter) }
        if let leaving { next = min(next, leaving.deadline) }
        return next
    }

    // MARK: Connection events

    /// A socket is there; nothing is known of the other side yet.
    package mutating func connected(now: Duration) -> [Action] {
        guard phase != .over else { return [] }
        connectionTried = now
        lastHeard = lastHeard ?? now
        return greet(now: now)
    }

    /// The manifest is read and the worker can take leases.
    package mutating func ready(loadedStages: [String], now: Duration) -> [Action] {
        guard phase == .configuring, welcome != nil else { return [] }
        isReady = true
        self.loadedStages = loadedStages
        phase = .following
        return resume(now: now)
    }

    /// Which stages' models are in memory has changed; the most recently used comes first.
    package mutating func loadedStagesChanged(_ stages: [String]) { loadedStages = stages }

    /// What this node's shard cache holds; the one used last comes first.
    package mutating func cachedShardsChanged(_ shards: [Int]) {
        cachedShards = shards
        knowsCache = true
    }

    /// The models of the lease in hand are in memory: its work begins now, and the time before is no chunk's.
    package mutating func modelsLoaded(now: Duration) { deviceBusySince = now }

    /// The run is over, as its coordinator left word before it went: nobody will answer any more.
    package mutating func runEnded(_ end: RunEnd) -> [Action] {
        guard phase != .over else { return [] }
        return leases.filter(\.isWorking).map { .abandon($0.grant.epoch, reason: "the run is over") }
            + exit(.finished(quarantined: end.quarantined, blocked: end.blocked))
    }

    /// SIGTERM, SIGINT, SIGUSR1. The first asks for the chunk's boundary, the second ends at once.
    package mutating func stopRequested(now: Duration) -> [Action] {
        guard phase != .over else { return [] }
        if leaving != nil { return exit(.interrupted) }
        return leave(.drained, now: now)
    }

    /// Time has passed: reports, repetitions, and the end of patience.
    package mutating func ticked(now: Duration) -> [Action] {
        guard phase != .over else { return [] }
        if let leaving, now >= leaving.deadline {
            return leases.filter { !$0.isAnswered }.map { say(.release($0.grant.unit, $0.grant.epoch)) }
                + exit(leaving.exit == .drained ? .interrupted : leaving.exit)
        }
        if let limit = configuration.giveUpAfter, silence(now: now) >= limit {
            return exit(.unreachable)
        }
        var actions: [Action] = []
        switch phase {
        case .following:
            if now >= nextHeartbeat { actions.append(heartbeat(now: now)) }
            actions += repeatUnanswered(now: now)
            actions += ask(now: now)
        case .greeting(let since) where now - since >= configuration.repeatAfter:
            actions += greet(now: now)
        case .silent, .greeting, .configuring, .over:
            break
        }
        if phase != .configuring, now - max(lastHeard ?? now, connectionTried) >= patience {
            connectionTried = now
            patience = min(patience * 2, configuration.silenceMax * 4)
            phase = .silent
            actions.append(.reconnect(reason: "no word from the coordinator for \(silence(now: now))"))
        }
        return actions
    }

    /// A frame has arrived.
    package mutating func received(_ frame: CoordinatorFrame, now: Duration) -> [Action] {
        guard phase != .over, frame.generation >= generation else { return [] }
        if case .welcome(let welcome) = frame.message {
            heard(now: now)
            generation = frame.generation
            return welcomed(welcome, now: now)
        }
        if case .refused(let refusal) = frame.message {
            heard(now: now)
            guard refusal.reason == .unknownWorker else { return exit(.refused(refusal)) }
            return greetUnlessGreeting(now: now)
        }
        // A coordinator that started after the one followed: it gets a Hello, and its Welcome decides.
        guard frame.generation == generation else { return greetUnlessGreeting(now: now) }
        heard(now: now)
        return answered(frame.message, now: now)
    }

    // MARK: Connection, inside

    private mutating func heard(now: Duration) {
        lastHeard = now
        patience = configuration.silenceMax
    }

    private func silence(now: Duration) -> Duration { now - (lastHeard ?? now) }

    mutating func greet(now: Duration) -> [Action] {
        phase = .greeting(since: now)
        return [say(.hello(configuration.hello))]
    }

    private mutating func greetUnlessGreeting(now: Duration) -> [Action] {
        if case .greeting(let since) = phase, now - since < configuration.repeatAfter { return [] }
        return greet(now: now)
    }

    private mutating func welcomed(_ new: Welcome, now: Duration) -> [Action] {
        guard let old = welcome else {
            welcome = new
            phase = .configuring
            return [.configure(new)]
        }
        welcome = new
        guard isReady else {
            phase = .configuring
            return old == new ? [] : exit(.manifestChanged)
        }
        phase = .following
        guard old.manifest == new.manifest, old.stages == new.stages else {
            return resume(now: now) + leave(.manifestChanged, now: now)
        }
        return resume(now: now)
    }

    /// All that may have been lost with the connection is said again.
    private mutating func resume(now: Duration) -> [Action] {
        var actions = [heartbeat(now: now)]
        for index in unacknowledged.indices {
            unacknowledged[index].said = now
            actions.append(say(.commit(unacknowledged[index].commit)))
        }
        for index in leases.indices {
            guard let message = leases[index].closingMessage else { continue }
            leases[index].said = now
            actions.append(say(message))
        }
        if askSaid != nil {
            askSaid = nil
            askNumber -= 1
        }
        return actions + ask(now: now) + exitIfEmpty()
    }

    func say(_ message: WorkerMessage) -> Action {
        .send(
            WorkerFrame(
                worker: configuration.worker, incarnation: configuration.incarnation, generation: generation,
                message: message))
    }

    mutating func exit(_ exit: Exit) -> [Action] {
        phase = .over
        return [.exit(exit)]
    }
}
