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

    package static let workersMax = 500
    package static let quarantinedMax = 100

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

    package init(
        worker: WorkerID, host: String, device: String, leases: Int, samplesPerSecond: Double,
        silent: Duration, stages: [String]
    ) {
        self.worker = worker
        self.host = host
        self.device = device
        self.leases = leases
        self.samplesPerSecond = samplesPerSecond
        self.silent = silent
        self.stages = stages
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
