import BolsterDeterminism

/// What a coordinator says, with which coordinator says it: one frame.
package struct CoordinatorFrame: Equatable, Sendable {
    /// Claimed by a conditional create in the output at each start; the greatest one rules.
    package var generation: UInt64
    package var message: CoordinatorMessage

    package init(generation: UInt64, message: CoordinatorMessage) {
        self.generation = generation
        self.message = message
    }
}

package enum CoordinatorMessage: Equatable, Sendable {
    case welcome(Welcome)
    case refused(Refusal)
    case grant(Grant)
    /// Nothing ready for this Ask; ask again after `retry`.
    case wait(ask: UInt64, retry: Duration)
    /// Every unit is done, quarantined or blocked.
    case finished(quarantined: Int, blocked: Int)
    /// No more leases: finish the chunk, hand back, leave.
    case drain
    case heartbeatReply(revoked: [Epoch], drain: Bool)
    case committed(Epoch, chunk: Int, unitDone: Bool)
    case commitRefused(Epoch, chunk: Int, CommitRefusal, message: String)
    case released(Epoch)
    case noted(Epoch, attempts: Int, quarantined: Bool)
    case announced(Epoch, sample: Int)
    case statusReply(StatusReply)
    case operatorReply(OperatorReply)
}

package struct Welcome: Hashable, Sendable {
    /// The manifest's YAML text.
    package var manifest: String
    /// Absolute directory that the manifest's relative paths start from.
    package var manifestDirectory: String
    /// Root of the output.
    package var output: String
    /// The manifest's name.
    package var run: String
    /// Each stage with the fingerprint that its records must carry.
    package var stages: [StageFingerprint]
    package var heartbeat: Duration
    package var expires: Duration

    package struct StageFingerprint: Hashable, Sendable {
        package var stage: String
        package var fingerprint: SHA256Digest
        package init(stage: String, fingerprint: SHA256Digest) {
            self.stage = stage
            self.fingerprint = fingerprint
        }
    }

    package init(
        manifest: String, manifestDirectory: String, output: String, run: String, stages: [StageFingerprint],
        heartbeat: Duration, expires: Duration
    ) {
        self.manifest = manifest
        self.manifestDirectory = manifestDirectory
        self.output = output
        self.run = run
        self.stages = stages
        self.heartbeat = heartbeat
        self.expires = expires
    }
}

package struct Refusal: Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        /// Say Hello first; a coordinator that came back says this too.
        case unknownWorker
        case version
        /// A newer start of the same worker is here.
        case replaced
        /// Another key owns this worker's name.
        case nameTaken
        case malformed
        /// More workers than this coordinator keeps.
        case crowded
    }
    package var reason: Reason
    package var message: String

    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }
}

package enum CommitRefusal: Hashable, Sendable {
    /// Another lease's record of this chunk counts. The work goes on with the next chunk.
    case alreadyCommitted
    /// This epoch was not granted to this worker's key for this unit.
    case neverGranted
    /// The stage's fingerprint is another one now.
    case fingerprint
    /// Impossible numbers, or a name that is not this chunk's.
    case malformed
}

/// One worker's right to one unit until its deadline, and all that is needed to go on with it.
package struct Grant: Hashable, Sendable {
    /// The Ask that this answers.
    package var ask: UInt64
    package var unit: UnitID
    package var shard: ShardReference
    package var fingerprint: SHA256Digest
    package var epoch: Epoch
    /// Chunks that need no work, as ascending ranges.
    package var committed: [Range<Int>]
    /// Where the work begins: the first chunk that is not committed, for a second lease one further on.
    package var firstChunk: Int
    /// Byte offset in the shard where `firstChunk` begins.
    package var offset: Int64
    /// Samples of the shard before `firstChunk`.
    package var firstSample: Int
    /// For a stage that reads another: that stage, and its committed record files in chunk order.
    package var reads: String?
    package var sources: [Source]
    /// Chunks that killed their workers: rehearse each of their samples alone, announced first.
    package var isolation: [Isolation]

    package struct Source: Hashable, Sendable {
        package var chunk: Int
        package var epoch: Epoch
        /// XXH64 of the record file.
        package var digest: UInt64
        package var samples: Int
        package init(chunk: Int, epoch: Epoch, digest: UInt64, samples: Int) {
            self.chunk = chunk
            self.epoch = epoch
            self.digest = digest
            self.samples = samples
        }
    }

    package struct Isolation: Hashable, Sendable {
        package var chunk: Int
        /// Indices in the shard of samples to skip, reason `crashes_worker`.
        package var skip: [Int]
        package init(chunk: Int, skip: [Int]) {
            self.chunk = chunk
            self.skip = skip
        }
    }

    package init(
        ask: UInt64, unit: UnitID, shard: ShardReference, fingerprint: SHA256Digest, epoch: Epoch,
        committed: [Range<Int>] = [], firstChunk: Int = 0, offset: Int64 = 0, firstSample: Int = 0,
        reads: String? = nil, sources: [Source] = [], isolation: [Isolation] = []
    ) {
        self.ask = ask
        self.unit = unit
        self.shard = shard
        self.fingerprint = fingerprint
        self.epoch = epoch
        self.committed = committed
        self.firstChunk = firstChunk
        self.offset = offset
        self.firstSample = firstSample
        self.reads = reads
        self.sources = sources
        self.isolation = isolation
    }

    package func isCommitted(_ chunk: Int) -> Bool { committed.contains { $0.contains(chunk) } }

    /// Whether `chunk` is for this lease to make: a second lease leaves what lies before its place to the
    /// first, though it is not committed.
    package func wants(_ chunk: Int) -> Bool { chunk >= firstChunk && !isCommitted(chunk) }

    /// The record file of `chunk` under this lease.
    package func file(chunk: Int) -> String {
        recordFileName(stage: unit.stage, shard: shard.name, chunk: chunk, epoch: epoch)
    }

    /// The record file that `source` names.
    package func file(of source: Source) -> String {
        recordFileName(
            stage: reads ?? unit.stage, shard: shard.name, chunk: source.chunk, epoch: source.epoch)
    }
}

/// `records/<stage>/<shard>/<chunk, six digits>-<generation>-<grant>.records`, relative to the output.
package func recordFileName(stage: String, shard: String, chunk: Int, epoch: Epoch) -> String {
    let digits = String(chunk)
    let padded = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    return "records/\(stage)/\(shard)/\(padded)-\(epoch).records"
}
