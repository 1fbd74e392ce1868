/// The state of a run, as `bolster status` shows it.
package struct StatusReply: Equatable, Sendable {
    package enum State: Equatable, Sendable { case running, draining, finished }

    package var run: String
    package var state: State
    package var stages: [StageStatus]
    /// At most `workersMax`, the busiest first; `workersTotal` counts them all.
    package var workers: [WorkerStatus]
    package var workersTotal: Int
    /// At most `quarantinedMax`.
    package var quarantined: [QuarantinedUnit]
    /// Since this coordinator's start.
    package var running: Duration
    /// Units that failed and are tried again; at most `failingMax`.
    package var failing: [QuarantinedUnit] = []
    /// Device time of what is committed, since the run's beginning.
    package var uses: [DeviceUse] = []
    package var devices: [DeviceStatus] = []
    /// Since a chunk was last committed, or this coordinator's start.
    package var silent: Duration = .zero
    /// Work is left and nothing was committed for longer than any chunk should take.
    package var isStalled = false
    /// Since this coordinator's start; what was never refused may be missing.
    package var refused: [RefusalKind: Int] = [:]
    /// At most `refusedDevicesMax`, the latest first.
    package var refusedDevices: [RefusedDevice] = []

    /// In a message; a reader in the coordinator's process may ask for more.
    package static let workersMax = 500
    package static let quarantinedMax = 100
    package static let failingMax = 50
    package static let refusedDevicesMax = 50

    package init(
        run: String, state: State, stages: [StageStatus], workers: [WorkerStatus], workersTotal: Int,
        quarantined: [QuarantinedUnit], running: Duration
    ) {
        self.run = run
        self.state = state
        self.stages = stages
        self.workers = workers
        self.workersTotal = workersTotal
        self.quarantined = quarantined
        self.running = running
    }
}

/// Counts of one stage; `units` is the number of shards.
package struct StageStatus: Equatable, Sendable {
    package var stage: String
    package var units = 0
    package var done = 0
    /// Under a lease now.
    package var open = 0
    package var quarantined = 0
    package var blocked = 0
    package var chunks = 0
    package var samples = 0
    package var skipped = 0
    package var samplesPerSecond = 0.0
    /// The stage whose units must be done before; nil: it reads the shard.
    package var reads: String?
    /// Samples of unsettled units that are not committed, as far as is known; nil: nothing to estimate from.
    package var samplesLeft: Int?

    package init(stage: String) { self.stage = stage }

    /// Units that need no more work.
    package var settled: Int { done + quarantined + blocked }
}

package struct WorkerStatus: Equatable, Sendable {
    package var worker: WorkerID
    package var host: String
    package var device: String
    package var leases: Int
    package var samplesPerSecond: Double
    /// Since the worker's last message.
    package var silent: Duration
    /// Stages of its leases.
    package var stages: [String]
    /// The step that holds up its pipeline; nil: not told yet.
    package var bottleneck: StepWaits.Step?

    package init(
        worker: WorkerID, host: String, device: String, leases: Int, samplesPerSecond: Double,
        silent: Duration, stages: [String], bottleneck: StepWaits.Step? = nil
    ) {
        self.worker = worker
        self.host = host
        self.device = device
        self.leases = leases
        self.samplesPerSecond = samplesPerSecond
        self.silent = silent
        self.stages = stages
        self.bottleneck = bottleneck
    }
}

/// What the committed chunks of one stage cost on one type of device.
package struct DeviceUse: Hashable, Sendable {
    package var stage: String
    /// Without its number: "cpu", "cuda".
    package var device: String
    package var samples: Int
    /// How long these samples occupied one device of the type, loading of models excluded, in all.
    package var time: Duration

    package init(stage: String, device: String, samples: Int, time: Duration) {
        self.stage = stage
        self.device = device
        self.samples = samples
        self.time = time
    }
}

/// The devices of one type.
package struct DeviceStatus: Hashable, Sendable {
    /// Without its number: "cpu", "cuda".
    package var device: String
    /// Workers heard of lately, each of which has one.
    package var connected: Int
    /// For how long workers held any, idle or not, in all and since the run's beginning.
    package var held: Duration

    package init(device: String, connected: Int, held: Duration) {
        self.device = device
        self.connected = connected
        self.held = held
    }

    /// "cuda" of "cuda:3".
    package static func type(of device: String) -> String {
        String(device.prefix { $0 != ":" })
    }
}

package struct QuarantinedUnit: Equatable, Sendable {
    package var unit: UnitID
    /// The shard's name.
    package var shard: String
    package var attempts: Int
    /// The last failure.
    package var message: String

    package init(unit: UnitID, shard: String, attempts: Int, message: String) {
        self.unit = unit
        self.shard = shard
        self.attempts = attempts
        self.message = message
    }
}
