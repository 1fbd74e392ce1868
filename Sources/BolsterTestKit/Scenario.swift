import BolsterDeterminism
import BolsterLeasing

/// What a seed draws before its run begins: a small run, and which faults befall it how often. Each seed
/// switches whole classes of faults on or off, so that rare ones are not drowned by frequent ones.
package struct Scenario: Sendable {
    package static let chunkSize = 4

    /// Faults per second of virtual time, or the probability of one for each message; 0: never.
    package struct Faults: Sendable {
        // Network, by message.
        package var drop = 0.0
        package var duplicate = 0.0
        package var slow = 0.0
        // Network, by time: a worker is cut off, in one direction or both.
        package var partition = 0.0
        // Workers.
        package var killWorker = 0.0
        package var freezeWorker = 0.0
        package var hangDevice = 0.0
        /// Probability that models take minutes to load, or seem never to be there.
        package var stuckLoad = 0.0
        package var stopWorker = 0.0
        package var twin = 0.0
        /// Probability that a worker comes back under another name, or with another key.
        package var renamed = 0.0
        package var newKey = 0.0
        // Coordinators.
        package var killCoordinator = 0.0
        package var freezeCoordinator = 0.0
        package var rival = 0.0
        package var loseState = 0.0
        // Operators.
        package var drain = 0.0
        package var retry = 0.0
        package var invalidate = 0.0
        package var extend = 0.0
        // Disks.
        package var fullDisk = 0.0
        package var fullStore = 0.0
        package var slowSync = 0.0
        // Clocks.
        package var clockJump = 0.0
        package var skew = 0.0
        /// Somebody with a key of its own who replays other people's messages as its own.
        package var forger = 0.0

        package init() {}
    }

    package let seed: UInt64
    /// With all shards, also those that an operator adds later.
    package var plan: LeaseLedger.Plan
    /// Shards of the first start.
    package var shardsAtStart: Int
    /// Samples of each shard.
    package var samples: [Int]
    package var workers: Int
    package var leasesWanted: Int
    package var hasKeys: Bool
    /// Samples that kill whoever computes them.
    package var poison: [UnitID: Set<Int>] = [:]
    /// Units that fail so often; `Int.max`: always.
    package var failures: [UnitID: Int] = [:]
    package var faults = Faults()
    /// Seconds that a chunk takes, at least and at most.
    package var chunkSeconds: (Double, Double)
    package var loadSeconds: (Double, Double)
    package var backupEvery: Duration
    /// From then on no fault happens and all are mended: the run has to end.
    package var calmAt: Duration
    package var endsBefore: Duration

    /// Units of the first `shards` shards.
    package func units(shards: Int) -> [UnitID] {
        plan.stages.flatMap { stage in
            (0..<shards).map { UnitID(stage: stage.name, shard: $0) }
        }
    }

    /// A shard without samples has one empty chunk.
    package func chunks(ofShard shard: Int) -> Int {
        max(1, (samples[shard] + Self.chunkSize - 1) / Self.chunkSize)
    }

    package func samples(of chunk: Int, shard: Int) -> Range<Int> {
        let first = chunk * Self.chunkSize
        return first..<max(first, min(first + Self.chunkSize, samples[shard]))
    }

    /// Where in the shard `chunk` begins.
    package func offset(of chunk: Int, shard: Int) -> Int64 {
        chunk == 0 ? 0 : Int64(chunk) * 2_048 + Int64(shard) * 512
    }

    package func reads(_ unit: UnitID) -> UnitID? {
        plan.stages.first { $0.name == unit.stage }?.reads.map { UnitID(stage: $0, shard: unit.shard) }
    }

    /// Nothing but what the samples and units do of themselves: counts are exact then.
    package var isUndisturbed: Bool {
        let faults = faults
        return [
            faults.drop, faults.duplicate, faults.slow, faults.partition, faults.killWorker,
            faults.freezeWorker, faults.hangDevice, faults.stuckLoad, faults.stopWorker, faults.twin,
            faults.killCoordinator,
            faults.freezeCoordinator, faults.rival, faults.loseState, faults.drain, faults.fullDisk,
            faults.fullStore, faults.slowSync, faults.clockJump, faults.forger, faults.retry,
            faults.invalidate,
            faults.extend,
        ].allSatisfy { $0 == 0 }
    }
}
