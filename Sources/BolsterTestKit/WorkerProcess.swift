import BolsterLeasing

/// One start of a worker in a simulation: the production session, and a compute thread that takes virtual
/// time. It checks what it is given: a grant that no worker could work with is a violation.
final class WorkerProcess {
    struct Work {
        enum Step {
            case loading
            /// In isolation: the sample that was announced and waits for its answer, then is tried.
            case announcing(Int)
            case trying(Int)
            case computing(chunk: Int)
            case storing(StoredRecord)
        }

        let grant: Grant
        var step = Step.loading
        /// Samples of isolated chunks that are still to be rehearsed.
        var rehearsals: [Int] = []
        var chunk: Int
        var stepBegan: Duration
        var stepEnds: Duration
        var samplesDone = 0
        var mustStop = false
        var isAbandoned = false
        /// Set when an event for a later step makes earlier ones void.
        var token = 0
    }

    /// The last record file of a unit on its way into the output, while the next unit is worked on.
    struct Upload {
        let grant: Grant
        let record: StoredRecord
    }

    let number: Int
    let slot: Int
    let name: WorkerID
    let key: String?
    /// The host that it sends to.
    var target: Int
    var session: SessionBox
    var clock: SkewedClock
    var loaded: [String] = []
    var queue: [Grant] = []
    var work: Work?
    var uploads: [Int: Upload] = [:]
    /// Stopped by a signal or a sleeping machine until then.
    var frozenUntil: Duration = .zero
    /// The device computes nothing until then, while the process goes on reporting.
    var hungUntil: Duration = .zero
    /// When the next tick is due; later ones in the queue are void.
    var tickDue: Duration = .zero
    /// Samples that never were, for the canary that reports them.
    var invented = 0

    /// Keeps the noncopyable session.
    final class SessionBox {
        var machine: WorkerSession
        init(_ configuration: WorkerSession.Configuration) { machine = WorkerSession(configuration) }
    }

    init(
        number: Int, slot: Int, name: WorkerID, key: String?, target: Int, clock: SkewedClock,
        configuration: WorkerSession.Configuration
    ) {
        self.number = number
        self.slot = slot
        self.name = name
        self.key = key
        self.target = target
        self.clock = clock
        session = SessionBox(configuration)
    }

    /// Samples of the work in hand that are done, as the driver would have counted them.
    func samplesDone(now: Duration) -> Int {
        guard let work else { return 0 }
        guard case .computing = work.step, work.stepEnds > work.stepBegan else { return work.samplesDone }
        let share = min(1, (now - work.stepBegan) / (work.stepEnds - work.stepBegan))
        return work.samplesDone + max(0, Int(share * Double(Scenario.chunkSize)))
    }
}
