/// What a whole run takes, from what a few of its samples took on one device: `bolster plan --probe`.
///
/// It assumes that the other samples are like those measured, that every device is like this one, and that
/// devices are kept busy: loading of models, waiting, lost work and the merge are not in it.
package struct RunProjection: Equatable, Sendable {
    package struct Stage: Equatable, Sendable {
        package let stage: String
        package let models: [String]
        package let secondsPerSample: Double
        /// Of one device, for all samples.
        package let seconds: Double
        package let share: Double
    }

    package let stages: [Stage]
    /// Of the whole run.
    package let samples: Int
    /// Of one device, all stages.
    package let seconds: Double
    /// Nil where the device has no price.
    package let cost: Double?

    /// - Parameters:
    ///   - uses: what was measured; all on devices of one type.
    ///   - samples: of the whole run.
    ///   - price: of an hour of the device.
    package init(_ uses: [RunCost.Use], samples: Int, price: Double?) {
        let measured = uses.filter { $0.samples > 0 }
        let seconds = measured.map { $0.seconds / Double($0.samples) * Double(samples) }
        let all = seconds.reduce(0, +)
        stages = zip(measured, seconds).map { use, seconds in
            Stage(
                stage: use.stage, models: use.models, secondsPerSample: use.seconds / Double(use.samples),
                seconds: seconds, share: all > 0 ? seconds / all : 0)
        }
        self.samples = samples
        self.seconds = all
        cost = price.map { $0 * all / 3600 }
    }

    /// With so many devices kept busy.
    package func seconds(onDevices count: Int) -> Double { seconds / Double(max(1, count)) }

    package var costPerMillion: Double? {
        samples > 0 ? cost.map { $0 / Double(samples) * 1e6 } : nil
    }
}
