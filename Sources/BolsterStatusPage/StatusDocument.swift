import BolsterLeasing

// The JSON of the page's API. Times are seconds, shares lie between 0 and 1, null says that nothing is known.

/// A value that is written as null where it is not known; Swift's own encoding would leave its name out.
struct OrNull<Value: Encodable>: Encodable {
    let value: Value?

    init(_ value: Value?) { self.value = value }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let value { try container.encode(value) } else { try container.encodeNil() }
    }
}

/// `/api/status`
struct StatusDocument: Encodable {
    struct Stage: Encodable {
        let stage: String
        let reads: OrNull<String>
        let units, done, open, quarantined, blocked, chunks, samples, skipped: Int
        let total: OrNull<Int>
        let fraction, rate: Double
        let remaining: OrNull<Double>
    }

    struct Workers: Encodable {
        struct Step: Encodable {
            let step: String
            let workers: Int
        }
        let connected, working, silent: Int
        let bottlenecks: [Step]
    }

    struct Use: Encodable {
        let stage, device: String
        let samples: Int
        let seconds: Double
        let cost: OrNull<Double>
    }

    struct Device: Encodable {
        let device: String
        let connected: Int
        let heldSeconds: Double
        let cost: OrNull<Double>
    }

    struct Refused: Encodable {
        let kind: String
        let count: Int
    }

    struct RefusedDevice: Encodable {
        let worker, host, device, stage, message: String
        let ago: Double
    }

    let run, state, version: String
    let running, silent, fraction, heldSeconds: Double
    let remaining, cost: OrNull<Double>
    let unpriced: [String]
    let stalled, canRetry: Bool
    let failing: Int
    let stages: [Stage]
    let workers: Workers
    let uses: [Use]
    let devices: [Device]
    /// What was refused at all.
    let refused: [Refused]
    let refusedDevices: [RefusedDevice]
    /// What a POST must carry; null where there is no page.
    let csrf: OrNull<String>

    init(_ status: StatusReply, prices: DevicePrices, version: String, csrf: String?, canRetry: Bool) {
        let estimate = RunEstimate(status)
        run = status.run
        state = status.state.word
        self.version = version
        self.csrf = OrNull(csrf)
        self.canRetry = canRetry
        running = status.running.seconds
        silent = status.silent.seconds
        fraction = estimate.fraction
        remaining = OrNull(estimate.remaining?.seconds)
        unpriced = estimate.unpriced
        stalled = status.isStalled
        failing = status.failing.count
        stages = zip(status.stages, estimate.stages).map(Stage.init)
        workers = Workers(status)
        uses = status.uses.map { use in
            Use(
                stage: use.stage, device: use.device, samples: use.samples, seconds: use.time.seconds,
                cost: OrNull(prices.cost(of: use.device, use.time)))
        }
        devices = status.devices.map { device in
            Device(
                device: device.device, connected: device.connected, heldSeconds: device.held.seconds,
                cost: OrNull(prices.cost(of: device.device, device.held)))
        }
        refused = RefusalKind.allCases.compactMap { kind in
            status.refused[kind].flatMap { $0 > 0 ? Refused(kind: kind.rawValue, count: $0) : nil }
        }
        refusedDevices = status.refusedDevices.map {
            RefusedDevice(
                worker: $0.worker.name, host: $0.host, device: $0.device, stage: $0.stage,
                message: $0.message, ago: $0.ago.seconds)
        }
        heldSeconds = devices.reduce(0) { $0 + $1.heldSeconds }
        let costs = devices.compactMap(\.cost.value)
        cost = OrNull(prices.isEmpty ? nil : costs.reduce(0, +))
    }
}

extension StatusDocument.Stage {
    init(_ status: StageStatus, _ estimate: RunEstimate.Stage) {
        stage = status.stage
        reads = OrNull(status.reads)
        (units, done, open) = (status.units, status.done, status.open)
        (quarantined, blocked, chunks) = (status.quarantined, status.blocked, status.chunks)
        (samples, skipped) = (status.samples, status.skipped)
        total = OrNull(estimate.total)
        (fraction, rate) = (estimate.fraction, status.samplesPerSecond)
        remaining = OrNull(estimate.remaining?.seconds)
    }
}

extension StatusDocument.Workers {
    /// A worker that has not been heard for so long is shown as silent.
    static let silentAfter: Duration = .seconds(20)

    init(_ status: StatusReply) {
        connected = status.workersTotal
        working = status.workers.count { $0.leases > 0 }
        silent = status.workers.count { $0.silent > Self.silentAfter }
        bottlenecks = StepWaits.Step.allCases.map { step in
            Step(step: step.rawValue, workers: status.workers.count { $0.bottleneck == step })
        }
    }
}

/// `/api/workers`
struct WorkersDocument: Encodable {
    struct Worker: Encodable {
        let name, host, device: String
        let leases: Int
        let rate, silent: Double
        let stages: [String]
        let bottleneck: OrNull<String>
    }

    let total, matching, page, pages: Int
    let workers: [Worker]

    init(_ listing: WorkerListing, total: Int) {
        self.total = total
        (matching, page, pages) = (listing.matching, listing.page, listing.pages)
        workers = listing.workers.map {
            Worker(
                name: $0.worker.name, host: $0.host, device: $0.device, leases: $0.leases,
                rate: $0.samplesPerSecond, silent: $0.silent.seconds, stages: $0.stages,
                bottleneck: OrNull($0.bottleneck?.rawValue))
        }
    }
}

/// `/api/history`
struct HistoryDocument: Encodable {
    struct Stage: Encodable {
        let stage: String
        let rates: [Float]
    }

    /// Between two points.
    let seconds: Double
    /// How long ago each point was measured, the oldest first.
    let times: [Double]
    let stages: [Stage]

    init(_ points: [ThroughputHistory.Point], _ span: ThroughputHistory.Span, _ status: StatusReply) {
        seconds = span.interval.seconds
        times = points.map { max(0, (status.running - $0.time).seconds) }
        stages = status.stages.enumerated().map { index, stage in
            Stage(stage: stage.stage, rates: points.map { $0.rates[index] })
        }
    }
}

/// `/api/failures`
struct FailuresDocument: Encodable {
    struct Failure: Encodable {
        let stage, shard, message: String
        let index, attempts: Int
        let quarantined: Bool
    }

    let total, page, pages: Int
    let failures: [Failure]

    /// - Parameter page: from 1; quarantined units come first.
    init(_ status: StatusReply, page: Int, perPage: Int) {
        let perPage = min(max(1, perPage), 500)
        let quarantined = status.quarantined.map { Failure($0, quarantined: true) }
        let all = quarantined + status.failing.map { Failure($0, quarantined: false) }
        // The lists have a bound, the counts of the stages have none.
        total = status.stages.reduce(0) { $0 + $1.quarantined } + status.failing.count
        pages = max(1, (all.count + perPage - 1) / perPage)
        self.page = min(max(1, page), pages)
        failures = Array(all.dropFirst((self.page - 1) * perPage).prefix(perPage))
    }
}

extension FailuresDocument.Failure {
    init(_ unit: QuarantinedUnit, quarantined: Bool) {
        stage = unit.unit.stage
        index = unit.unit.shard
        (shard, message, attempts) = (unit.shard, unit.message, unit.attempts)
        self.quarantined = quarantined
    }
}

/// The body of `POST /api/retry`: no units means all quarantined ones.
struct RetryDocument: Decodable {
    struct Unit: Decodable {
        let stage: String
        let shard: Int
    }

    static let unitsMax = 1_000

    let units: [Unit]
}

extension StatusReply.State {
    var word: String {
        switch self {
        case .running: "running"
        case .draining: "draining"
        case .finished: "finished"
        }
    }
}

extension Duration {
    var seconds: Double { self / .seconds(1) }
}
