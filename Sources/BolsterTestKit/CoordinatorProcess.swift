import BolsterCoordinator
import BolsterLeasing
import BolsterMessaging
import Logging

/// One start of a coordinator in a simulation: the production core, the frames that wait for it, and the
/// transaction that it waits for. The order of things is that of `Coordinator.run`.
final class CoordinatorProcess {
    /// Frames that wait, and who sent them.
    struct Waiting {
        let process: Int
        let key: String?
        let frame: WorkerFrame
        let bytes: [UInt8]
    }

    /// What happens every so often, in the coordinator's own time.
    struct Schedule {
        var tick: Duration
        var backup: Duration
        var overSince: Duration?
    }

    let number: Int
    let host: Int
    let generation: UInt64
    var core: CoordinatorCore
    var clock: SkewedClock
    var waiting: [Waiting] = []
    var schedule: Schedule
    var backups = 0
    /// Answers of the transaction that is being written.
    var unsent: [OutgoingFrame]?
    /// Operators' orders that wait for it.
    var orders: [(peer: PeerID, request: OperatorRequest)] = []
    var frozenUntil: Duration = .zero
    var isServing = false
    /// When it last saw that it rules, by its clock, and for how long it has heard nothing.
    private var ruledAt: Duration
    private var pausedSince: Duration?
    private(set) var paused: Duration = .zero
    /// The tick for which a wake-up is in the queue.
    var tickPlanned: Duration?

    init(
        number: Int, host: Int, ledger: consuming LeaseLedger, welcome: Welcome, clock: SkewedClock,
        now: Duration
    ) {
        self.number = number
        self.host = host
        self.clock = clock
        let local = clock.local(now)
        ruledAt = local
        generation = ledger.generation
        // The first copy is made at once: it holds what a takeover chose.
        schedule = Schedule(tick: local, backup: local)
        core = CoordinatorCore(ledger: ledger, welcome: welcome, log: Self.log, now: local)
    }

    /// The ledger's time: what the clock shows, less the times at which nothing was heard.
    func local(_ now: Duration) -> Duration { clock.local(now) - paused }

    /// Looks whether it still rules; false where that has not been seen for too long. Clocks run on while the
    /// process is stopped, so a look that comes late is judged by when the last one was.
    func look(isReachable: Bool, now: Duration) -> Bool {
        let shown = clock.local(now)
        if isReachable { ruledAt = shown }
        guard shown - ruledAt <= FenceWatch.staleAfter else {
            pausedSince = pausedSince ?? shown
            return false
        }
        if let since = pausedSince {
            paused += shown - since
            pausedSince = nil
        }
        return true
    }

    /// Whether what was written may be acknowledged: not after a stop in mid-write, before another look.
    func mayAnswer(isRuling: Bool, now: Duration) -> Bool {
        isRuling || clock.local(now) - ruledAt <= FenceWatch.staleAfter
    }

    private static let log = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }

    /// Takes what waits through the ledger.
    func serve(now: Duration) -> CoordinatorCore.Batch {
        var batch = CoordinatorCore.Batch()
        let frames = waiting.map {
            IncomingFrame(peer: PeerID(routingID: Array("\($0.process)".utf8), key: $0.key), bytes: $0.bytes)
        }
        waiting = []
        core.received(frames, now: local(now), into: &batch)
        return batch
    }
}

extension PeerID {
    /// The process behind a routing identity of the simulation.
    var process: Int { Int(String(decoding: routingID, as: UTF8.self)) ?? -1 }
}
