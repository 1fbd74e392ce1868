import BolsterCoordinator
import BolsterDataset
import BolsterInference
import BolsterReport
import BolsterStatusPage
import BolsterStorage
import BolsterWorker
import Foundation

/// A few samples of one shard through every stage, by a coordinator and a worker of their own in a temporary
/// folder: what they take tells what the whole run takes.
struct Probe {
    let run: PreparedRun
    /// At most so many samples, from the first shard's beginning.
    let samples: Int
    let device: Device
    let threads: Int
    let logging: LogOptions

    struct Findings {
        /// Of committed chunks, stage by stage.
        let uses: [RunCost.Use]
        /// Samples that went through.
        let samples: Int
        /// Of those samples in the shard.
        let bytes: Int64
        /// From the first lease to the end, loading included.
        let seconds: Double
    }

    func measure() throws -> Findings {
        guard let shard = run.shards.first else { throw CommandError("the manifest names no shards") }
        let folder = FileManager.default.temporaryDirectory.path + "/bolster-probe-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer {
            do {
                try FileManager.default.removeItem(atPath: folder)
            } catch {
                Terminal.note("the probe's folder is left behind: \(folder): \(error.localizedDescription)")
            }
        }
        let part = try write(shard, to: folder)
        let small = run.moved(to: folder + "/run", shards: [part.shard])
        let start = ContinuousClock.now
        let outcome = try LocalRun(
            small, state: folder + "/run/state", workers: 1, devices: [device], threads: threads,
            listen: "tcp://127.0.0.1:*", storage: try CacheOptions.parse([]),
            page: try StatusPageOptions.parse([]), logging: logging
        ).run()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let status = try LedgerReader(stateDirectory: folder + "/run/state").status()
        guard outcome == .done else {
            let failures = status.quarantined.map { "\($0.unit.stage): \($0.message)" }.joined(
                separator: "; ")
            throw CommandError(
                "the probe did not get through every stage" + (failures.isEmpty ? "" : ": \(failures)"))
        }
        let models = Report.models(run)
        return Findings(
            uses: status.uses.map {
                RunCost.Use(
                    stage: $0.stage, models: models[$0.stage] ?? [], device: $0.device, samples: $0.samples,
                    seconds: $0.time / .seconds(1))
            }, samples: part.samples, bytes: part.bytes, seconds: seconds)
    }

    /// The first samples of a shard as a tar of their own.
    private func write(
        _ shard: Shard, to folder: String
    ) throws -> (shard: Shard, samples: Int, bytes: Int64) {
        var reader = try ShardSamples(of: shard.location)
        var writer = TarWriter()
        var bytes: [UInt8] = []
        var count = 0
        var end: Int64 = 0
        while count < samples, let sample = try reader.next() {
            for member in sample.members { writer.append(name: member.name, bytes: member.bytes, to: &bytes) }
            count += 1
            end = sample.end
        }
        guard count > 0 else { throw CommandError("the shard has no samples to probe: \(shard.location)") }
        writer.finish(to: &bytes)
        let path = folder + "/\(shard.name).tar"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let found = try InputShards.find(patterns: [path], manifestDirectory: folder)
        return (found[0], count, end)
    }
}

/// What `bolster plan --probe` says.
struct ProbeReport: Encodable {
    struct Stage: Encodable {
        let stage: String
        let models: [String]
        let secondsPerSample: Double
        let deviceHours: Double
    }

    let device: String
    let threads: Int
    let samplesProbed: Int
    let probeSeconds: Double
    let samples: Int
    /// The number of samples is told from bytes, not counted.
    let samplesAreEstimated: Bool
    let stages: [Stage]
    let deviceHours: Double
    let deviceHoursPerMillion: Double
    let cost: Double?
    let costPerMillion: Double?

    private let projection: RunProjection

    init(_ findings: Probe.Findings, _ run: PreparedRun, counted: Int?, probe: Probe, prices: DevicePrices) {
        let bytes = run.shards.reduce(0) { $0 + $1.identity.size }
        let guessed = Double(findings.samples) * Double(bytes) / Double(max(1, findings.bytes))
        samples = counted ?? Int(guessed.rounded())
        samplesAreEstimated = counted == nil
        let type = String("\(probe.device)".prefix { $0 != ":" })
        projection = RunProjection(findings.uses, samples: samples, price: prices.perHour[type])
        device = "\(probe.device)"
        threads = probe.threads
        samplesProbed = findings.samples
        probeSeconds = findings.seconds
        stages = projection.stages.map {
            Stage(
                stage: $0.stage, models: $0.models, secondsPerSample: $0.secondsPerSample,
                deviceHours: $0.seconds / 3600)
        }
        deviceHours = projection.seconds / 3600
        deviceHoursPerMillion = samples > 0 ? deviceHours / Double(samples) * 1e6 : 0
        cost = projection.cost
        costPerMillion = projection.costPerMillion
    }

    private enum CodingKeys: CodingKey {
        case device, threads, samplesProbed, probeSeconds, samples, samplesAreEstimated, stages, deviceHours
        case deviceHoursPerMillion, cost, costPerMillion
    }

    var text: String {
        let count = ProgressLines.countText(samples)
        var lines = [
            "probe    \(samplesProbed) samples through every stage in "
                + "\(ProgressLines.timeText(probeSeconds)), on \(device) with \(threads) threads", "",
            "  \(padded("stage", 28)) \(leading("ms a sample", 12)) \(leading("device-hours", 13)) "
                + leading("share", 7),
        ]
        for stage in projection.stages {
            let milliseconds = String(format: "%.2f", stage.secondsPerSample * 1e3)
            let share = ProgressLines.percent(stage.share)
            lines.append(
                "  \(padded(stage.stage, 28)) \(leading(milliseconds, 12)) "
                    + "\(leading(Self.hours(stage.seconds), 13)) \(leading(share, 7))")
        }
        lines += [
            "",
            "whole run of \(samplesAreEstimated ? "about " : "")\(count) samples: "
                + "\(Self.hours(projection.seconds)) device-hours, "
                + String(format: "%.2f a million samples", deviceHoursPerMillion),
        ]
        if let cost, let costPerMillion {
            lines.append(String(format: "cost %.2f, %.2f a million samples", cost, costPerMillion))
        }
        let times = [1, 8, 64, 512].map {
            "\($0): \(ProgressLines.timeText(projection.seconds(onDevices: $0)))"
        }
        lines += [
            "time on so many devices like this one: \(times.joined(separator: ", "))", "",
            "Assumes that the other samples are like these, and that devices are kept busy: loading of",
            "models, waiting, lost work and the merge are not in it."
                + (samplesAreEstimated
                    ? " The number of samples is told from bytes;" : ""),
        ]
        if samplesAreEstimated { lines.append("--count counts them.") }
        return lines.joined(separator: "\n")
    }

    private static func hours(_ seconds: Double) -> String {
        let hours = seconds / 3600
        return String(format: hours >= 100 ? "%.0f" : hours >= 1 ? "%.1f" : "%.4f", hours)
    }
}
