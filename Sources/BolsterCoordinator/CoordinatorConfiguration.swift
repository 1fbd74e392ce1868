import BolsterDataset
import BolsterLeasing
import BolsterMessaging
import Logging

/// All that a coordinator needs to know. What it works on is decided by the manifest alone.
package struct CoordinatorConfiguration: Sendable {
    package var manifestText: String
    /// Where the text came from, for messages.
    package var manifestFile: String
    /// Absolute: the manifest's relative paths start here, on the workers too.
    package var manifestDirectory: String
    package var manifest: Manifest
    /// Each after what it reads.
    package var stages: [Stage]
    package var shards: [Shard]
    /// A folder on a local disk.
    package var stateDirectory: String
    /// Root of the output, absolute.
    package var output: String
    package var listen: String
    package var security: ServerSecurity?
    package var log: Logger

    /// Gives units that were quarantined in an earlier start all their attempts anew: what was at fault may
    /// have been mended since.
    package var retryQuarantined = false
    /// A folder that all machines see, where workers and operators find this coordinator.
    package var rendezvous: String?
    /// What other machines call this one, for the rendezvous.
    package var hostName = ""
    /// Between two calls of `run`'s closure.
    package var progressEvery: Duration = .seconds(1)
    /// Workers and units that such a call tells of; nil: as many as a message holds.
    package var workersInProgress: Int?
    /// Between two copies of the ledger to the output.
    package var backupEvery: Duration = .seconds(180)
    /// Before another copy is tried for orders that wait for one.
    package var copyAgainAfter: Duration = .seconds(5)
    /// Without a committed chunk for so long, a run that is not over is stalled.
    package var stallAfter = StallAlarm.patience
    /// Before a restored ledger is believed complete, so that an earlier coordinator notices that it is over.
    package var takeoverWait: Duration = FenceWatch.takeoverWait
    /// After the end, so that workers hear that it is over.
    package var lingering: Duration = .milliseconds(1_500)
    /// Goes on answering when the run is finished, until it is drained or stopped: for schedulers that start
    /// what has ended, and for workers that come late.
    package var staysWhenFinished = false

    package init(
        manifestText: String, manifestFile: String, manifestDirectory: String, manifest: Manifest,
        stages: [Stage],
        shards: [Shard], stateDirectory: String, output: String, listen: String, security: ServerSecurity?,
        log: Logger
    ) {
        self.manifestText = manifestText
        self.manifestFile = manifestFile
        self.manifestDirectory = manifestDirectory
        self.manifest = manifest
        self.stages = stages
        self.shards = shards
        self.stateDirectory = stateDirectory
        self.output = output
        self.listen = listen
        self.security = security
        self.log = log
    }

    var plan: LeaseLedger.Plan {
        var limits = LeaseLimits()
        limits.heartbeat = manifest.leases.heartbeat
        limits.expires = manifest.leases.expires
        limits.progress = manifest.leases.progress
        limits.loading = manifest.leases.loading
        limits.attempts = manifest.leases.attempts
        return LeaseLedger.Plan(
            stages: stages.map {
                StagePlan(
                    name: $0.id.name, fingerprint: $0.fingerprint, reads: $0.reads?.name,
                    labels: Set(manifest.placement[$0.id.name] ?? []))
            },
            shards: shardReferences, chunkSize: manifest.chunk, limits: limits)
    }

    /// The shards as the ledger knows them.
    package var shardReferences: [ShardReference] {
        shards.map {
            ShardReference(
                index: $0.index, name: $0.name, location: $0.location, size: $0.identity.size,
                version: $0.identity.version)
        }
    }

    var welcome: Welcome {
        Welcome(
            manifest: manifestText, manifestDirectory: manifestDirectory, output: output, run: manifest.name,
            stages: stages.map { Welcome.StageFingerprint(stage: $0.id.name, fingerprint: $0.fingerprint) },
            heartbeat: manifest.leases.heartbeat, expires: manifest.leases.expires)
    }
}
