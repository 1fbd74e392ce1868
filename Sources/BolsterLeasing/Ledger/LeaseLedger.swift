/// Who may work on which unit, and which chunks are done. Noncopyable: a forked ledger is a bug.
///
///               what it reads is done            Ask                    last chunk committed
///     waiting ────────────────────────► ready ─────────► held ─────────────────────────────► done
///        │                                ▲               │ │
///        │                                │  released,    │ │ Fail
///        │                                ├── expired, ◄──┘ ├───► resting (backoff) ──► ready
///        │                                │  taken back     │
///        │ what it reads is quarantined                     └───► quarantined (attempts used up)
///        └─────────────────────────────────────────────────────► blocked
///
/// Invariants
/// 1. A chunk of a unit is committed at most once; only an operator takes back what is committed.
/// 2. A commit counts if its epoch was granted to that worker's key for that unit and its fingerprint is
///    current, whether the lease still lives or not.
/// 3. A unit is granted only when the unit it reads is done.
/// 4. Epochs only grow: a generation is used by one ledger alone.
/// 5. Only Fail burns an attempt. A loss counts against the chunk it happened in, until that commits.
/// 6. Each event names what must be durable (`LedgerChange`) before its answer may leave.
///
/// One method per event, named in the past tense, answers with what the driver does. The driver decodes
/// frames, hands them here, writes all changes of a batch in one transaction, then sends the answers.
package struct LeaseLedger: ~Copyable {
    /// What a run consists of.
    package struct Plan: Sendable {
        /// Each stage after the one it reads.
        package let stages: [StagePlan]
        package var shards: [ShardReference]
        /// Samples of a chunk; only a shard's last chunk may have fewer.
        package let chunkSize: Int
        package let limits: LeaseLimits

        package init(stages: [StagePlan], shards: [ShardReference], chunkSize: Int, limits: LeaseLimits) {
            self.stages = stages
            self.shards = shards
            self.chunkSize = chunkSize
            self.limits = limits
        }
    }

    /// Who a frame says it is from, and the key its connection proved.
    package struct Sender: Hashable, Sendable {
        package let worker: WorkerID
        package let incarnation: UInt64
        package let key: String?

        package init(worker: WorkerID, incarnation: UInt64, key: String?) {
            self.worker = worker
            self.incarnation = incarnation
            self.key = key
        }
    }

    /// How a run ended.
    package enum Outcome: Equatable, Sendable {
        case complete
        case withQuarantine(quarantined: Int, blocked: Int)
    }

    enum UnitState: UInt8 {
        case waiting, ready, held, resting, done, quarantined, blocked
    }

    /// What is known of a unit that has been touched and is not done.
    struct OpenUnit {
        var chunks = CommittedChunks()
        /// Every grant of this unit, the newest last; the oldest are dropped beyond `grantsKeptMax`.
        var grants: [GrantRecord] = []
        /// Leases that live now.
        var holders: [Epoch] = []
        var trouble = Trouble()
        /// Until then, workers that failed at this unit are not given it.
        var avoidUntil: Duration = .zero
    }

    struct Lease {
        let unit: Int
        let record: GrantRecord
        let began: Duration
        /// Where a second lease begins; nil for a first one, which begins at the first missing chunk.
        let start: Int?
        var deadline: Duration
        /// When samples last advanced, or the lease began.
        var advanced: Duration
        /// When the worker first said `loading`; not reset, so that loading cannot be declared for ever.
        var loadingSince: Duration?
        var isLoading = false
        var samplesDone = 0
        var chunk: Int
        var announced: Int?
    }

    struct WorkerRecord {
        var incarnation: UInt64
        var key: String?
        /// Nil until it has greeted this coordinator.
        var hello: Hello?
        /// What stages may require: what it says of itself, its device with and without number, its host.
        var labels: Set<String> = []
        /// Stages that its device computes wrongly; a new start of the worker has none.
        var refusedStages: Set<Int> = []
        var leases: [Epoch] = []
        var lastHeard: Duration
        var advanced: Duration = .zero
        var askNumber: UInt64 = 0
        var askAnswer: Epoch?
        var samplesPerSecond = 0.0
        var waits: StepWaits?
        var failuresInARow = 0
        var restUntil: Duration = .zero
    }

    /// The shards that a host's workers have read lately, the newest first: its caches may still have them.
    struct Node {
        static let shardsMax = 64
        /// Of those that one Ask names.
        static let toldMax = 8
        private(set) var shards: [Int] = []

        mutating func noted(_ shard: Int) {
            guard shards.first != shard else { return }
            shards.removeAll { $0 == shard }
            shards.insert(shard, at: 0)
            if shards.count > Self.shardsMax { shards.removeLast() }
        }
    }

    enum Due {
        case lease(Epoch)
        case rest(unit: Int)
    }

    package static let grantsKeptMax = 256
    package static let workersMax = 65_536
    /// A worker without leases is forgotten after this silence.
    static let forgottenAfter: Duration = .seconds(600)

    package internal(set) var plan: Plan
    package let generation: UInt64
    let stageIndex: [String: Int]
    let readsStage: [Int?]
    let dependents: [[Int]]
    var nextGrant: UInt64 = 1
    var states: [UnitState]
    var ready: [ShardBitmap]
    var open: [Int: OpenUnit] = [:]
    /// Packed chunks of finished units; empty for others.
    var finished: [[UInt8]]
    var leases: [Epoch: Lease] = [:]
    var workers: [WorkerID: WorkerRecord] = [:]
    /// By host; as many as there are workers at most.
    var nodes: [String: Node] = [:]
    var deadlines = DeadlineQueue<Due>()
    var counts: [StageStatus]
    var sizes = ShardSizes()
    var settled = 0
    /// Units that may get a second lease, the one with the most left to do last; looked for once a second.
    var slowUnits: [Int] = []
    var lastSlowSearch: Duration?
    var lastForgetting: Duration = .zero
    package internal(set) var isDraining = false

    /// An untouched run. Traps where a stage reads one that does not come before it: plans are ours.
    package init(plan: Plan, generation: UInt64) {
        self.plan = plan
        self.generation = generation
        let stages = plan.stages.count
        let shards = plan.shards.count
        let indices = Dictionary(uniqueKeysWithValues: plan.stages.enumerated().map { ($1.name, $0) })
        stageIndex = indices
        var reads: [Int?] = []
        var dependents = [[Int]](repeating: [], count: stages)
        for (index, stage) in plan.stages.enumerated() {
            let source = stage.reads.map { indices[$0]! }
            precondition(source.map { $0 < index } ?? true, "\(stage.name) reads a stage that comes after it")
            if let source { dependents[source].append(index) }
            reads.append(source)
        }
        readsStage = reads
        self.dependents = dependents
        states = [UnitState](repeating: .waiting, count: stages * shards)
        ready = [ShardBitmap](repeating: ShardBitmap(shards: shards), count: stages)
        finished = [[UInt8]](repeating: [], count: stages * shards)
        counts = plan.stages.map { StageStatus(stage: $0.name) }
        for stage in 0..<stages { counts[stage].units = shards }
        for unit in states.indices where reads[unit % stages] == nil { move(unit, to: .ready) }
    }

    // MARK: What the driver may ask

    /// Nil while a unit is left to do.
    package var outcome: Outcome? {
        guard settled == states.count else { return nil }
        let quarantined = counts.reduce(0) { $0 + $1.quarantined }
        let blocked = counts.reduce(0) { $0 + $1.blocked }
        return quarantined + blocked == 0
            ? .complete : .withQuarantine(quarantined: quarantined, blocked: blocked)
    }

    package var leasesLiving: Int { leases.count }
    package var stageCounts: [StageStatus] { counts }

    /// When `ticked` has something to do, if nothing happens before.
    package var nextDeadline: Duration? { deadlines.next }

    /// An operator or a signal wants the run to pause: no more leases.
    package mutating func drainRequested() { isDraining = true }

    // MARK: Units

    // A unit's number is shard * stages + stage, so that shards can be appended to a run.

    func unit(stage: Int, shard: Int) -> Int { shard * plan.stages.count + stage }
    func stage(of unit: Int) -> Int { unit % plan.stages.count }
    func shard(of unit: Int) -> Int { unit / plan.stages.count }

    /// The unit that `unit` reads; nil for one that reads the shard itself.
    func source(of unit: Int) -> Int? {
        readsStage[stage(of: unit)].map { self.unit(stage: $0, shard: shard(of: unit)) }
    }

    func unitID(_ unit: Int) -> UnitID {
        UnitID(stage: plan.stages[stage(of: unit)].name, shard: shard(of: unit))
    }

    /// Nil for a stage or shard that this run has not.
    func unit(_ id: UnitID) -> Int? {
        guard let stage = stageIndex[id.stage], plan.shards.indices.contains(id.shard) else { return nil }
        return self.unit(stage: stage, shard: id.shard)
    }

    /// The one place where a unit's state changes.
    mutating func move(_ unit: Int, to new: UnitState) {
        let old = states[unit]
        guard old != new else { return }
        let stage = stage(of: unit)
        let shard = shard(of: unit)
        states[unit] = new
        if old == .ready { ready[stage].remove(shard) }
        if new == .ready { ready[stage].insert(shard) }
        count(old, stage, -1)
        count(new, stage, 1)
    }

    private mutating func count(_ state: UnitState, _ stage: Int, _ step: Int) {
        switch state {
        case .waiting, .ready, .resting: break
        case .held: counts[stage].open += step
        case .done:
            counts[stage].done += step
            settled += step
        case .quarantined:
            counts[stage].quarantined += step
            settled += step
        case .blocked:
            counts[stage].blocked += step
            settled += step
        }
    }

    /// After a unit is done or given up: what reads it becomes ready or blocked, and so on down.
    mutating func settleDependents(of unit: Int) {
        for stage in dependents[stage(of: unit)] {
            let dependent = self.unit(stage: stage, shard: shard(of: unit))
            switch (states[unit], states[dependent]) {
            case (.done, .waiting), (.done, .blocked):
                move(dependent, to: .ready)
                settleDependents(of: dependent)
            case (.quarantined, .waiting), (.blocked, .waiting):
                move(dependent, to: .blocked)
                settleDependents(of: dependent)
            case (.ready, .blocked), (.held, .blocked), (.resting, .blocked), (.waiting, .blocked),
                // What it reads was reopened.
                (.ready, .ready), (.waiting, .ready), (.ready, .resting), (.waiting, .resting):
                move(dependent, to: .waiting)
                settleDependents(of: dependent)
            case (_, _):
                break
            }
        }
    }

    /// The state of a unit without leases, that is neither done nor given up.
    mutating func makeReady(_ unit: Int) {
        guard let source = source(of: unit) else { return move(unit, to: .ready) }
        switch states[source] {
        case .done: move(unit, to: .ready)
        case .quarantined, .blocked: move(unit, to: .blocked)
        case .waiting, .ready, .held, .resting: move(unit, to: .waiting)
        }
    }
}
