import BolsterInference
import Logging

/// How long models took to be ready for work, step by step.
struct LoadTimes {
    private let start = ContinuousClock.now
    private var steps: [(key: String, end: ContinuousClock.Instant)] = []

    /// Files verified, graphs opened.
    mutating func loaded() { steps.append((LogKey.loadSeconds, .now)) }
    /// Proved on the probe's sixteen inputs.
    mutating func probed() { steps.append((LogKey.probeSeconds, .now)) }
    /// A whole batch computed, where the device needs that.
    mutating func warmedUp() { steps.append((LogKey.warmUpSeconds, .now)) }

    func metadata(of model: String, on device: Device) -> Logger.Metadata {
        var metadata: Logger.Metadata = [LogKey.model: "\(model)", LogKey.device: "\(device)"]
        var last = start
        for (key, end) in steps {
            metadata[key] = "\((end - last) / .milliseconds(1) / 1000)"
            last = end
        }
        return metadata
    }
}
