import BolsterDeterminism
import BolsterLeasing

extension Scenario {
    /// The scenario of a seed.
    package init(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let shards = random.integer(in: 1...4)
        let samples = (0..<shards).map { _ in random.chance(0.05) ? 0 : random.integer(in: 1...22) }
        let workers = random.integer(in: 1...5)
        let stages = Self.drawnStages(&random)
        var limits = LeaseLimits()
        limits.heartbeat = .seconds(random.integer(in: 2...4))
        limits.expires = .seconds(random.integer(in: 10...20))
        limits.progress = .seconds(random.integer(in: 20...40))
        limits.loading = .seconds(random.integer(in: 20...60))
        limits.attempts = random.integer(in: 1...4)
        limits.backoffMax = .seconds(16)
        limits.secondLeaseAfter = .seconds(random.integer(in: 5...30))
        self.init(
            seed: seed,
            plan: LeaseLedger.Plan(
                stages: stages,
                shards: (0..<shards).map {
                    ShardReference(
                        index: $0, name: "shard\($0)", location: "/in/shard\($0).tar", size: 65_536,
                        version: "1")
                }, chunkSize: Self.chunkSize, limits: limits),
            shardsAtStart: shards, samples: samples, workers: workers,
            leasesWanted: random.chance(0.3) ? 2 : 1,
            hasKeys: random.chance(0.7), chunkSeconds: (0.5, random.chance(0.2) ? 16 : 5),
            loadSeconds: (0.1, 6), backupEvery: .seconds(random.integer(in: 10...60)),
            calmAt: .seconds(random.integer(in: 40...160)), endsBefore: .seconds(6_000))
        drawTroubles(&random)
        drawFaults(&random)
        if faults.extend > 0 { shardsAtStart = random.integer(in: 1...shards) }
    }

    private static func drawnStages(_ random: inout SeededRandom) -> [StagePlan] {
        func stage(_ name: String, reads: String? = nil, labels: Set<String> = []) -> StagePlan {
            StagePlan(
                name: name, fingerprint: SHA256Hasher.digest(of: name), reads: reads, labels: labels)
        }
        let large: Set<String> = random.chance(0.3) ? ["large"] : []
        switch random.integer(below: 4) {
        case 0: return [stage("views")]
        case 1: return [stage("captions.a"), stage("texts.a", reads: "captions.a")]
        case 2:
            return [
                stage("captions.a"), stage("views", labels: large), stage("texts.a", reads: "captions.a"),
            ]
        default:
            return [
                stage("captions.a"), stage("captions.b", labels: large), stage("views"), stage("texts"),
                stage("texts.a", reads: "captions.a"), stage("texts.b", reads: "captions.b"),
            ]
        }
    }

    /// Samples that kill and units that fail.
    private mutating func drawTroubles(_ random: inout SeededRandom) {
        if random.chance(0.35), let unit = random.element(of: units(shards: samples.count)),
            samples[unit.shard] > 0
        {
            for _ in 0..<(random.chance(0.2) ? 2 : 1) {
                poison[unit, default: []].insert(random.integer(below: samples[unit.shard]))
            }
        }
        guard random.chance(0.35) else { return }
        for unit in units(shards: samples.count) where poison[unit] == nil && random.chance(0.15) {
            failures[unit] = random.chance(0.3) ? Int.max : random.integer(in: 1...5)
        }
    }

    private mutating func drawFaults(_ random: inout SeededRandom) {
        // One run in ten has no fault at all: what must then be exact is checked exactly.
        guard random.chance(0.9) else { return }
        func rate(_ probability: Double, _ low: Double, _ high: Double) -> Double {
            random.chance(probability) ? low + random.fraction() * (high - low) : 0
        }
        faults.drop = rate(0.4, 0, 0.15)
        faults.duplicate = rate(0.4, 0, 0.15)
        faults.slow = rate(0.4, 0, 0.3)
        faults.partition = rate(0.3, 0.005, 0.03)
        faults.killWorker = rate(0.5, 0.005, 0.05)
        faults.freezeWorker = rate(0.4, 0.005, 0.03)
        faults.hangDevice = rate(0.3, 0.005, 0.03)
        faults.stopWorker = rate(0.3, 0.005, 0.03)
        faults.twin = rate(0.2, 0.005, 0.02)
        faults.renamed = rate(0.2, 0, 0.5)
        faults.newKey = hasKeys ? rate(0.2, 0, 0.5) : 0
        faults.killCoordinator = rate(0.5, 0.005, 0.05)
        faults.freezeCoordinator = rate(0.2, 0.005, 0.02)
        faults.rival = rate(0.25, 0.002, 0.02)
        faults.loseState = rate(0.15, 0.002, 0.01)
        faults.drain = rate(0.15, 0.002, 0.01)
        faults.retry = rate(0.2, 0.002, 0.02)
        faults.invalidate = rate(0.2, 0.005, 0.03)
        faults.extend = rate(0.2, 0.01, 0.05)
        faults.fullDisk = rate(0.15, 0.002, 0.01)
        faults.fullStore = rate(0.15, 0.002, 0.02)
        faults.slowSync = rate(0.3, 0, 0.2)
        faults.clockJump = rate(0.2, 0.002, 0.02)
        faults.skew = rate(0.4, 0, 0.03)
        faults.forger = hasKeys ? rate(0.4, 0.02, 0.2) : 0
        faults.stuckLoad = rate(0.2, 0.05, 0.3)
    }

    private init(
        seed: UInt64, plan: LeaseLedger.Plan, shardsAtStart: Int, samples: [Int], workers: Int,
        leasesWanted: Int, hasKeys: Bool, chunkSeconds: (Double, Double), loadSeconds: (Double, Double),
        backupEvery: Duration,
        calmAt: Duration, endsBefore: Duration
    ) {
        self.seed = seed
        self.plan = plan
        self.shardsAtStart = shardsAtStart
        self.samples = samples
        self.workers = workers
        self.leasesWanted = leasesWanted
        self.hasKeys = hasKeys
        self.chunkSeconds = chunkSeconds
        self.loadSeconds = loadSeconds
        self.backupEvery = backupEvery
        self.calmAt = calmAt
        self.endsBefore = endsBefore
    }
}
