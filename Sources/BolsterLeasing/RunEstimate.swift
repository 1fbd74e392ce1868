/// How long a run will take yet, from one state of it.
///
/// *A stage's* remaining time is what is left of it by its rate of now, and never less than that of the stage
/// it reads. It says when the stage ends if the workers stay where they are, and is unknown for a stage that
/// nobody works on.
///
/// *The run's* remaining time does not depend on who works where now. Every committed chunk has told how long
/// it occupied a device, so a stage's samples left come to device time left; all stages together, divided by
/// the devices connected, come to the time left; but no stage is done by more devices than it has units
/// left, which is what counts towards the end. Stages that have not begun, whose samples nobody can price
/// yet, are named in `unpriced`, and `remaining` is a lower bound then.
package struct RunEstimate: Equatable, Sendable {
    package struct Stage: Equatable, Sendable {
        package var stage: String
        /// Samples committed, and committed or left; nil where the latter is not known.
        package var samples: Int
        package var total: Int?
        /// From 0 to 1; by samples where their number is known, else by units.
        package var fraction: Double
        /// Zero when it is settled, nil when nothing tells.
        package var remaining: Duration?
    }

    package var stages: [Stage]
    /// From 0 to 1: of the device time where all stages have a price, else the mean of the stages.
    package var fraction: Double
    /// Zero when all is settled, nil when nothing tells.
    package var remaining: Duration?
    /// Stages whose samples left are in no estimate: `remaining` is a lower bound if there are any.
    package var unpriced: [String]

    package init(_ status: StatusReply) {
        var estimates: [Stage] = []
        var prices: [Double?] = []
        for stage in status.stages {
            let source = stage.reads.flatMap { name in estimates.first { $0.stage == name } }
            estimates.append(Self.estimate(stage, source: source))
            prices.append(Self.secondsPerSample(of: stage.stage, in: status.uses))
        }
        stages = estimates
        unpriced = []
        var left = 0.0
        var longest = 0.0
        var done = 0.0
        let devices = status.devices.reduce(0) { $0 + $1.connected }
        for (stage, price) in zip(status.stages, prices) where stage.settled < stage.units {
            if let price, let samples = stage.samplesLeft {
                left += price * Double(samples)
                longest = max(
                    longest,
                    price * Double(samples) / Double(max(1, min(devices, stage.units - stage.settled))))
            } else {
                unpriced.append(stage.stage)
            }
        }
        for (stage, price) in zip(status.stages, prices) { done += (price ?? 0) * Double(stage.samples) }
        fraction = Self.fraction(estimates, done: done, left: left, isPriced: unpriced.isEmpty)
        if status.stages.allSatisfy({ $0.settled == $0.units }) {
            remaining = .zero
        } else if devices > 0, left > 0 || unpriced.isEmpty {
            remaining = .seconds(min(1e9, max(longest, left / Double(devices))))
        }
    }

    private static func estimate(_ stage: StageStatus, source: Stage?) -> Stage {
        let units = stage.units == 0 ? 1 : Double(stage.settled) / Double(stage.units)
        var estimate = Stage(
            stage: stage.stage, samples: stage.samples, total: stage.samplesLeft.map { stage.samples + $0 },
            fraction: units, remaining: nil)
        if stage.settled == stage.units {
            estimate.fraction = 1
            estimate.remaining = .zero
            return estimate
        }
        if let total = estimate.total, total > 0 {
            // An estimate may be off: what is not settled is not shown as done.
            estimate.fraction = min(0.999, Double(stage.samples) / Double(total))
        }
        guard let left = stage.samplesLeft, stage.samplesPerSecond > 0 else { return estimate }
        let own = Duration.seconds(min(1e9, Double(left) / stage.samplesPerSecond))
        // Without a time for what it reads, its own is a guess that would be too low.
        guard let source else {
            estimate.remaining = own
            return estimate
        }
        estimate.remaining = source.remaining.map { max($0, own) }
        return estimate
    }

    private static func fraction(
        _ stages: [Stage], done: Double, left: Double, isPriced: Bool
    ) -> Double {
        if stages.allSatisfy({ $0.fraction == 1 }) { return 1 }
        if isPriced, done + left > 0 { return min(0.999, done / (done + left)) }
        return stages.isEmpty ? 1 : stages.reduce(0) { $0 + $1.fraction } / Double(stages.count)
    }

    /// Device time that one sample of a stage took in the mean, in seconds; nil before any is committed.
    package static func secondsPerSample(of stage: String, in uses: [DeviceUse]) -> Double? {
        var time = Duration.zero
        var samples = 0
        for use in uses where use.stage == stage {
            time += use.time
            samples += use.samples
        }
        return samples > 0 ? time / .seconds(1) / Double(samples) : nil
    }
}
