import BolsterDeterminism

/// A worker's name: one per device of a node, the same after a restart, e.g. "node7/cuda:3".
package struct WorkerID: Hashable, Sendable, Codable, CustomStringConvertible {
    package let name: String
    package init(_ name: String) { self.name = name }
    package var description: String { name }
}

/// Which grant this is: the coordinator's generation, then a count within it. No two grants of a run
/// have the same epoch, and a later grant has the greater one.
package struct Epoch: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    package let generation: UInt64
    package let grant: UInt64

    package init(generation: UInt64, grant: UInt64) {
        self.generation = generation
        self.grant = grant
    }

    /// Reads "<generation>-<grant>", as record files are named; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let generation = UInt64(parts[0]), let grant = UInt64(parts[1]) else {
            return nil
        }
        self.init(generation: generation, grant: grant)
    }

    package var description: String { "\(generation)-\(grant)" }

    package static func < (left: Epoch, right: Epoch) -> Bool {
        (left.generation, left.grant) < (right.generation, right.grant)
    }
}

/// A stage over one shard: the stage's name and the shard's index in the run's list.
package struct UnitID: Hashable, Sendable, Codable, CustomStringConvertible {
    package let stage: String
    package let shard: Int

    package init(stage: String, shard: Int) {
        self.stage = stage
        self.shard = shard
    }

    package var description: String { "\(stage)/\(shard)" }
}

/// A shard as a lease names it: where it lies, and what it must still be.
package struct ShardReference: Hashable, Sendable, Codable {
    /// Position in the run's list of shards.
    package let index: Int
    package let name: String
    /// A path or URL.
    package let location: String
    /// Bytes at the first start; another size now is an error.
    package let size: Int64
    /// Modification time in nanoseconds or ETag at the first start.
    package let version: String

    package init(index: Int, name: String, location: String, size: Int64, version: String) {
        self.index = index
        self.name = name
        self.location = location
        self.size = size
        self.version = version
    }
}

/// One stage as the ledger needs it.
package struct StagePlan: Hashable, Sendable {
    package let name: String
    package let fingerprint: SHA256Digest
    /// The stage whose unit on the same shard must be done before.
    package let reads: String?
    /// What a worker must have said of itself to be given this stage.
    package let labels: Set<String>

    package init(name: String, fingerprint: SHA256Digest, reads: String? = nil, labels: Set<String> = []) {
        self.name = name
        self.fingerprint = fingerprint
        self.reads = reads
        self.labels = labels
    }
}

/// The times and counts that bound a lease.
package struct LeaseLimits: Hashable, Sendable {
    /// How often a worker reports.
    package var heartbeat: Duration = .seconds(2)
    /// A lease ends this long after the last report that extended it.
    package var expires: Duration = .seconds(20)
    /// A working lease is extended only while samples advance within this time.
    package var progress: Duration = .seconds(300)
    /// A loading lease is extended for this long.
    package var loading: Duration = .seconds(900)
    /// So many failures quarantine a unit.
    package var attempts: Int = 3
    /// Chunk lost by so many different workers inside it: granted in isolation from then on.
    package var lossesBeforeIsolation: Int = 3
    /// Deaths of a worker on one announced sample before that sample is skipped.
    package var deathsBeforeSkip: Int = 2
    /// Losses in isolation of one chunk after which its unit is quarantined.
    package var isolationLossesMax: Int = 16
    /// The first wait after a failure; doubled each further time.
    package var backoff: Duration = .seconds(1)
    package var backoffMax: Duration = .seconds(60)
    /// With nothing else left to grant, a unit held for so long may get a second lease.
    package var secondLeaseAfter: Duration = .seconds(60)

    package init() {}
}

/// Bounds of the protocol.
package enum LeaseProtocol {
    package static let version: UInt32 = 1
    /// Bytes of a frame, either way.
    package static let frameBytesMax = 1 << 20
    /// Chunks of one unit: what keeps a grant that lists its sources inside a frame.
    package static let chunksPerUnitMax = 16_384
    /// Bytes of a worker's name, a label, a stage's name, a device.
    package static let nameBytesMax = 256
    /// Bytes of a failure's message; longer ones are cut.
    package static let messageBytesMax = 4_096
    /// Leases that one worker may hold at a time.
    package static let leasesPerWorkerMax = 16
    /// Shards that one ExtendRequest may add.
    package static let shardsPerExtensionMax = 2_000
    /// Units or stages that one RetryRequest may name.
    package static let retriesMax = 10_000
    /// Shards that one Ask may name as cached.
    package static let cachedShardsMax = 1_024
}
