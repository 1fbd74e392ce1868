import BolsterDeterminism

/// What a worker says, with who says it: one frame.
package struct WorkerFrame: Equatable, Sendable {
    package var worker: WorkerID
    /// Which start of that worker: the greater one is the newer.
    package var incarnation: UInt64
    /// The newest coordinator's generation that this worker has followed; 0 before the first.
    package var generation: UInt64
    package var message: WorkerMessage

    package init(worker: WorkerID, incarnation: UInt64, generation: UInt64, message: WorkerMessage) {
        self.worker = worker
        self.incarnation = incarnation
        self.generation = generation
        self.message = message
    }
}

package enum WorkerMessage: Equatable, Sendable {
    case hello(Hello)
    case ask(Ask)
    case heartbeat(Heartbeat)
    case commit(Commit)
    case release(UnitID, Epoch)
    case fail(Fail)
    case announce(Announcement)
    /// An operator's question; needs no Hello.
    case statusRequest
    /// An operator's order; needs no Hello.
    case operatorRequest(OperatorRequest)
}

package struct Hello: Equatable, Sendable {
    package var host: String
    package var labels: [String]
    /// "cpu", "cuda:0"…
    package var device: String
    /// What equal bytes depend on: binary, runtime, provider, device type, threads.
    package var computeClass: String
    /// The program's version.
    package var program: String

    package init(host: String, labels: [String], device: String, computeClass: String, program: String) {
        self.host = host
        self.labels = labels
        self.device = device
        self.computeClass = computeClass
        self.program = program
    }
}

/// Asks for one lease. A repetition has the same number and gets the same answer.
package struct Ask: Equatable, Sendable {
    package var number: UInt64
    /// Stages whose models are in memory, the most recently used first.
    package var loadedStages: [String]
    /// Shards in the node's cache.
    package var cachedShards: [Int]

    package init(number: UInt64, loadedStages: [String], cachedShards: [Int]) {
        self.number = number
        self.loadedStages = loadedStages
        self.cachedShards = cachedShards
    }
}

/// How far a lease is. `samplesDone` counts since the grant and never falls.
package struct LeaseReport: Equatable, Sendable {
    package enum Phase: Equatable, Sendable {
        /// Waits behind another lease of the same worker.
        case queued
        case loading
        case working
    }
    package var epoch: Epoch
    package var phase: Phase
    /// The chunk being worked on.
    package var chunk: Int
    package var samplesDone: Int

    package init(epoch: Epoch, phase: Phase, chunk: Int, samplesDone: Int) {
        self.epoch = epoch
        self.phase = phase
        self.chunk = chunk
        self.samplesDone = samplesDone
    }
}

package struct Heartbeat: Equatable, Sendable {
    package var leases: [LeaseReport]
    package var samplesPerSecond: Double
    /// How the pipeline spent the last while; nil before there is anything to tell.
    package var waits: StepWaits?

    package init(leases: [LeaseReport], samplesPerSecond: Double, waits: StepWaits? = nil) {
        self.leases = leases
        self.samplesPerSecond = samplesPerSecond
        self.waits = waits
    }
}

/// A chunk as the worker made it: its record file is durable under its final name.
package struct ChunkResult: Hashable, Sendable, Codable {
    package var chunk: Int
    /// XXH64 of the record file.
    package var digest: UInt64
    /// Size of the record file.
    package var bytes: Int64
    /// Samples of the chunk, skipped ones included.
    package var samples: Int
    package var skipped: Int
    /// No sample of the shard follows.
    package var isLast: Bool
    /// Byte offset in the shard where the next chunk begins; 0 where the stage reads no shard.
    package var rangeEnd: Int64

    package init(
        chunk: Int, digest: UInt64, bytes: Int64, samples: Int, skipped: Int, isLast: Bool, rangeEnd: Int64
    ) {
        self.chunk = chunk
        self.digest = digest
        self.bytes = bytes
        self.samples = samples
        self.skipped = skipped
        self.isLast = isLast
        self.rangeEnd = rangeEnd
    }
}

package struct Commit: Equatable, Sendable {
    package var unit: UnitID
    package var epoch: Epoch
    package var fingerprint: SHA256Digest
    /// The record file's name in the output.
    package var file: String
    package var result: ChunkResult
    /// How long the chunk occupied the worker's device, loading of models excluded. For the cost report;
    /// decides nothing.
    package var deviceTime: Duration

    package init(
        unit: UnitID, epoch: Epoch, fingerprint: SHA256Digest, file: String, result: ChunkResult,
        deviceTime: Duration = .zero
    ) {
        self.unit = unit
        self.epoch = epoch
        self.fingerprint = fingerprint
        self.file = file
        self.result = result
        self.deviceTime = deviceTime
    }
}

package struct Fail: Equatable, Sendable {
    /// What the worker holds to be at fault.
    package enum Class: String, Equatable, Sendable, Codable {
        case shard, worker, model
        /// The worker's device answers its probe wrongly; burns no attempt of the unit.
        case device
    }
    package var unit: UnitID
    package var epoch: Epoch
    package var blame: Class
    package var message: String
    /// The sample's key, where one is known.
    package var sample: String?

    package init(unit: UnitID, epoch: Epoch, blame: Class, message: String, sample: String? = nil) {
        self.unit = unit
        self.epoch = epoch
        self.blame = blame
        self.message = message
        self.sample = sample
    }
}

/// In isolation: the sample about to be tried, said before it is.
package struct Announcement: Equatable, Sendable {
    package var unit: UnitID
    package var epoch: Epoch
    /// Index in the shard.
    package var sample: Int
    package var key: String

    package init(unit: UnitID, epoch: Epoch, sample: Int, key: String) {
        self.unit = unit
        self.epoch = epoch
        self.sample = sample
        self.key = key
    }
}
