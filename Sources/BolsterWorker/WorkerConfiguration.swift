import BolsterInference
import BolsterMessaging
import Logging

/// Where and how fast a worker process works; what it makes is the manifest's to say.
package struct WorkerConfiguration: Sendable {
    /// The coordinator's address.
    package var endpoint: String
    package var security: ClientSecurity?
    /// A folder that says where the coordinator is now: read each time that the worker connects anew.
    package var rendezvous: String?
    /// From the first stop to the exit: what is not committed by then is given up.
    package var grace: Duration = .seconds(30)
    /// What the manifest's `placement:` may require of workers.
    package var labels: [String] = []
    /// Unique in the run, and the same after a restart.
    package var name: String
    package var host: String
    package var device: Device
    /// For reading, decoding and augmenting, and for the models' operators.
    package var threads: Int
    /// A folder on this node for verified copies of model packages and shards, and for the spool; nil reads
    /// packages where they lie if that is this machine, and puts the rest into `PackageCache.defaultRoot`.
    package var cache: String?
    /// Bytes of remote shards that this node keeps in its cache; 0 keeps none, nil as many as
    /// `NodeStorage.shardBytesPreset` says.
    package var cacheShards: Int64?
    /// Bytes of record files that may wait on this node's disk for a bucket; 0 keeps a few in memory.
    package var spoolBytes = Self.spoolBytesPreset
    package static let spoolBytesPreset: Int64 = 2 << 30
    /// Chunks of a stage between two probes of its models; 0 proves them at loading only.
    package var probeEvery = Self.probeEveryDefault
    package static let probeEveryDefault = 64
    /// Bytes that the captions decoded side by side may take; nil for as many as the manifest's batch needs.
    package var cacheMemory: Int?
    /// The process that watches over this one; when it is gone, this one ends too.
    package var parent: Int32?
    /// Without a word from the coordinator for so long, the worker gives up.
    package var giveUpAfter: Duration
    /// The program's version.
    package var program: String
    package var log: Logger

    package init(
        endpoint: String, security: ClientSecurity?, name: String, host: String, device: Device, threads: Int,
        parent: Int32?, giveUpAfter: Duration, program: String, log: Logger
    ) {
        self.endpoint = endpoint
        self.security = security
        self.name = name
        self.host = host
        self.device = device
        self.threads = threads
        self.parent = parent
        self.giveUpAfter = giveUpAfter
        self.program = program
        self.log = log
    }
}
