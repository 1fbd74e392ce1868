import BolsterLeasing
import BolsterMessaging
import BolsterStorage
import Foundation
import Logging
import Synchronization

/// The one that rules a run: the ledger, its journal and the socket, on the thread that calls `run`.
///
///     frames waiting ──► ledger ──► one transaction ──► answers      (no answer before it is durable)
///
/// Killed at any instant it may be started again: workers go on meanwhile, and repeat what was not
/// answered. Two cannot rule: each start claims the next generation in the output, workers follow the
/// newest, and an older coordinator that learns of a newer one stops.
package final class Coordinator: Sendable {
    package enum Outcome: Equatable, Sendable {
        /// Every unit is done, quarantined or blocked.
        case finished(quarantined: Int, blocked: Int)
        /// Asked to drain, and every lease is back.
        case drained
        /// Told to stop.
        case stopped
    }

    /// What the serving thread keeps between batches.
    struct Schedule {
        var progress: Duration = .zero
        var second: Duration = .zero
        /// When a frame that names a later generation is looked into again.
        var rumour: Duration = .zero
        var backup: Duration
        /// How long nothing was done for want of a look at the fence; the ledger's clock stood still.
        var paused: Duration = .zero
        var pausedSince: Duration?
        var devices: Duration = .zero
        /// When the outcome was first seen, and whether an operator is waited for all the same.
        var over: (outcome: Outcome, at: Duration, staysUntilTold: Bool)?
        var stall: StallAlarm
        /// Orders whose answers wait, and when another copy is tried for them.
        var unanswered = UnansweredOrders()
        var copyAgain: Duration = .zero
        /// What was last found wrong with the allow-list.
        var listProblem: String?
    }

    private static let tick: Duration = .milliseconds(100)
    private static let secondTick: Duration = .seconds(1)
    private static let devicesEvery: Duration = .seconds(30)

    /// Where workers connect; the port chosen where `listen` asked for any.
    package let endpoint: String
    /// Claimed at this start.
    package let generation: UInt64

    let configuration: CoordinatorConfiguration
    let router: RouterSocket
    let journal: LedgerJournal
    let backup: LedgerBackup
    let announcement: Announcement?
    private let watch: FenceWatch
    let output: ObjectStore
    /// Taken by `run`, which owns it from then on.
    private let core: Mutex<CoordinatorCore?>
    private let lock: StateLock
    private let orders = OrderQueue()
    private let isStopping = Mutex(false)
    private let start = ContinuousClock.now

    /// Opens or restores the ledger, claims the next generation and binds the socket.
    ///
    /// - Throws: CoordinatorError, StorageError or MessagingError, each saying what to do.
    package init(_ configuration: CoordinatorConfiguration) throws {
        guard configuration.manifestText.utf8.count <= LeaseProtocol.frameBytesMax / 2 else {
            throw CoordinatorError(
                .manifestTooLong,
                "the manifest is longer than half a megabyte: move lists of shards to a list file",
                evidence: [configuration.manifestFile])
        }
        let log = configuration.log
        let output = ObjectStore(root: configuration.output)
        let lock = StateLock(try StateDirectory(configuration.stateDirectory))
        // Bound first: a port in use should not cost a generation.
        let router = try RouterSocket(listen: configuration.listen, security: configuration.security)
        let opening = try RunOpening(configuration, database: lock.database, output: output)
        let (journal, generation) = (opening.journal, opening.generation)
        if configuration.retryQuarantined, case let count = try journal.forgetQuarantines(), count > 0 {
            log.notice("quarantined units are tried again", metadata: [LogKey.count: "\(count)"])
        }
        var ledger = LeaseLedger(plan: opening.plan, generation: generation)
        try journal.load(into: &ledger, now: .zero)
        log.info(
            "the coordinator listens",
            metadata: [LogKey.endpoint: "\(router.endpoint)", LogKey.generation: "\(generation)"])
        self.configuration = configuration
        self.router = router
        self.journal = journal
        self.output = output
        self.lock = lock
        self.generation = generation
        endpoint = router.endpoint
        announcement = try Announcement(configuration, endpoint: router.endpoint, generation: generation)
        watch = FenceWatch(log: log) {
            try Generation.isSuperseded(generation, in: output) ? generation + 1 : nil
        }
        backup = LedgerBackup(database: lock.database, output: output, generation: generation, log: log)
        var core = CoordinatorCore(ledger: ledger, welcome: configuration.welcome, log: log, now: .zero)
        core.stallAfter = configuration.stallAfter
        core.devices.restored(try journal.deviceUses())
        self.core = Mutex(core)
    }

    /// No more leases; `run` returns when those out are back. From any thread.
    package func drain() { order(.drain) { _ in } }

    /// `run` returns soon, whatever is out. From any thread.
    package func stop() { isStopping.withLock { $0 = true } }

    /// An operator's order, from any thread: carried out within a tenth of a second or so.
    ///
    /// - Parameter done: called once, on the serving thread, when the order is durable, here and in the
    ///   output, or refused.
    package func order(_ request: OperatorRequest, done: @escaping @Sendable (OperatorReply) -> Void) {
        orders.append(OrderQueue.Order(request: request, done: done))
    }

    /// Serves until the run is over, drained or stopped. Call once.
    ///
    /// - Parameter progress: called about once a second, and at the end.
    package func run(progress: (StatusReply) -> Void) throws -> Outcome {
        guard var core = core.withLock({ $0.take() }) else { preconditionFailure("a Coordinator runs once") }
        watch.start()
        defer {
            watch.stop()
            orders.close()
            lock.release()
        }
        var schedule = Schedule(
            backup: .zero, stall: StallAlarm(patience: configuration.stallAfter))
        var outcome: Outcome?
        try router.run(tick: Self.tick) { frames, isTick in
            guard !isStopping.withLock({ $0 }) else {
                outcome = .stopped
                router.stop()
                return []
            }
            try fence(watch.newer)
            guard let now = time(&schedule) else { return [] }
            var batch = CoordinatorCore.Batch()
            core.received(frames, now: now, into: &batch)
            if isTick {
                core.refusals.set(router.refusals)
                outcome = ticked(&core, &schedule, now: now, into: &batch, progress)
                keepUp(&schedule, now: now)
            }
            if core.supersededBy != nil, now >= schedule.rumour {
                schedule.rumour = now + Self.secondTick
                try fence(Generation.isSuperseded(generation, in: output) ? generation + 1 : nil)
                core.rumourDenied()
            }
            // Held time alone grows all the while: it waits for company, or for its turn.
            let isDue = !batch.changes.isEmpty || now >= schedule.devices
            if isDue { schedule.devices = now + Self.devicesEvery }
            try journal.write(
                batch.changes, uses: isDue ? core.devices.takeFresh() : [], time: Self.wallClock)
            var answers = batch.answers
            let asked =
                orders.takeAll().map { (UnansweredOrders.Asker.caller($0.done), $0.request) }
                + batch.orders.map { (.peer($0.peer), $0.request) }
            for (asker, request) in asked {
                answers += try carryOut(request, from: asker, &core, &schedule, now: now)
            }
            answers += answerOrders(&core, &schedule)
            if outcome != nil { router.stop() }
            // Where the process was stopped since the fence was looked at, a successor may have read already
            // what is acknowledged. Whoever gets no answer says it again.
            return watch.isStale ? [] : answers
        }
        progress(core.status(now: ContinuousClock.now - start, workersMax: configuration.workersInProgress))
        try journal.write([], uses: core.devices.takeFresh(), time: Self.wallClock)
        try backup.copy()
        _ = answerOrders(&core, &schedule)
        return outcome ?? .stopped
    }

    /// Seconds since 1970.
    static var wallClock: Int64 { Int64(Date().timeIntervalSince1970) }

    /// Nil while the run goes on.
    private func ticked(
        _ core: inout CoordinatorCore, _ schedule: inout Schedule, now: Duration,
        into batch: inout CoordinatorCore.Batch, _ progress: (StatusReply) -> Void
    ) -> Outcome? {
        if now >= schedule.second {
            schedule.second = now + Self.secondTick
            core.ticked(now: now, into: &batch)
        }
        if now >= schedule.progress {
            let began = ContinuousClock.now
            defer {
                // Of ten thousand workers it takes a while, in which none of them is served.
                let cost = ContinuousClock.now - began
                schedule.progress = now + max(min(Self.secondTick, configuration.progressEvery), cost * 200)
            }
            let status = core.status(now: now, workersMax: configuration.workersInProgress)
            progress(status)
            if let silence = schedule.stall.observed(status, now: now) {
                configuration.log.error(
                    "nothing has been committed for long: look at the workers' logs and bolster status",
                    metadata: [
                        LogKey.seconds: "\(silence.components.seconds)",
                        LogKey.count: "\(status.workersTotal)",
                    ])
            }
            if let problem = router.listProblem, problem != schedule.listProblem {
                configuration.log.error(
                    "the allow-list is damaged: those it does not name are not let in",
                    metadata: [LogKey.reason: "\(problem)"])
            }
            schedule.listProblem = router.listProblem
        }
        if schedule.over == nil, let end = end(core) {
            schedule.over = (end, now, configuration.staysWhenFinished && end != .drained)
            tell(end, &core, &batch)
        }
        guard let over = schedule.over, !over.staysUntilTold, now - over.at >= configuration.lingering else {
            return nil
        }
        return over.outcome
    }

    /// Says that the run is over to the workers that are there, and leaves word for those that are not.
    private func tell(
        _ end: Outcome, _ core: inout CoordinatorCore, _ batch: inout CoordinatorCore.Batch
    ) {
        let state: Rendezvous.State
        switch end {
        case .drained, .stopped: state = .drained
        case .finished(let quarantined, let blocked):
            state = .finished(quarantined: quarantined, blocked: blocked)
            core.tellAll(.finished(quarantined: quarantined, blocked: blocked), in: &batch)
        }
        do {
            if case .finished(let quarantined, let blocked) = end {
                try output.write(
                    RunEnd.name(generation: generation),
                    RunEnd(quarantined: quarantined, blocked: blocked).bytes)
            }
            try announcement?.change(to: state)
        } catch {
            configuration.log.error(
                "the word that this coordinator ends could not be left: workers without a connection wait on",
                metadata: [LogKey.reason: "\(error)"])
        }
    }

    func end(_ core: borrowing CoordinatorCore) -> Outcome? {
        switch core.ledger.outcome {
        case .complete: .finished(quarantined: 0, blocked: 0)
        case .withQuarantine(let quarantined, let blocked):
            .finished(quarantined: quarantined, blocked: blocked)
        case nil: core.ledger.isDraining && core.ledger.leasesLiving == 0 ? .drained : nil
        }
    }

    /// What happens every few seconds or minutes.
    private func keepUp(_ schedule: inout Schedule, now: Duration) {
        let isMissed = !schedule.unanswered.isEmpty && now >= schedule.copyAgain
        if isMissed { schedule.copyAgain = now + configuration.copyAgainAfter }
        if now >= schedule.backup || isMissed {
            schedule.backup = now + configuration.backupEvery
            backup.begin()
        }
    }

    /// The ledger's time. Nil while it cannot be seen that this coordinator rules: what comes is not heard
    /// then, workers say it again, and no lease grows old.
    private func time(_ schedule: inout Schedule) -> Duration? {
        let now = ContinuousClock.now - start
        if watch.isStale {
            schedule.pausedSince = schedule.pausedSince ?? now
            return nil
        }
        if let since = schedule.pausedSince.take() { schedule.paused += now - since }
        return now - schedule.paused
    }

    private func fence(_ newer: UInt64?) throws(CoordinatorError) {
        guard let newer else { return }
        throw CoordinatorError(
            .superseded,
            "a newer coordinator rules this run: this one stops, and what it had not acknowledged is not "
                + "counted",
            evidence: ["this generation \(generation), the newer \(newer)"])
    }
}

/// Keeps the state folder's lock until `run` ends, or the coordinator goes unused.
private final class StateLock: Sendable {
    let database: String
    private let directory: Mutex<StateDirectory?>

    init(_ directory: consuming StateDirectory) {
        database = directory.database
        self.directory = Mutex(directory)
    }

    func release() { directory.withLock { _ = $0.take() } }
}
