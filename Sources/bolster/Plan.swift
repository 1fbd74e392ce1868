import ArgumentParser
import BolsterDataset
import BolsterInference
import BolsterStatusPage
import BolsterWorker
import Foundation

struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a manifest would do; touches nothing.",
        discussion: """
            Reads the manifest, looks for every shard and model package it names, and prints the stages \
            with their \
            fingerprints, the units, the bytes to read and an estimate of the bytes to store. With --count \
            the \
            shards are read through to count their samples.

              bolster plan manifests/demo.yaml --count

            With --probe N the first N samples of the first shard go through every stage on this machine, \
            in a temporary folder, and the time and cost of the whole run are told from what they took.

              bolster plan manifests/demo.yaml --probe 32 --price cpu=0.05
            """)

    @Argument(help: "The manifest, a YAML file.")
    var manifest: String

    @Option(help: "The run's folder, instead of the manifest's output.")
    var output: String?

    @Flag(help: "Read every shard to count its samples.")
    var count = false

    @Flag(help: "Print JSON.")
    var json = false

    @Option(help: "Put so many samples through every stage here, and project the whole run's time and cost.")
    var probe: Int?

    @Option(help: "The device to probe on: cpu or cuda:0.")
    var device = "cpu"

    @Option(help: "CPU threads of the probe. Default: all cores.")
    var threads: Int?

    @Option(help: "What an hour of a device costs, e.g. cuda=2.5. May be repeated.")
    var price: [String] = []

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if let probe, probe < 1 || probe > 100_000 {
            throw ValidationError("--probe takes 1 to 100000 samples, not \(probe)")
        }
        if let threads, threads < 1 {
            throw ValidationError("--threads takes a number from 1, not \(threads)")
        }
        if probe == nil, !price.isEmpty { throw ValidationError("--price goes with --probe") }
    }

    func run() throws {
        try reporting {
            let run = try PreparedRun(manifest: manifest, output: output)
            var summary = try PlanSummary(run, counting: count)
            if let probe { summary.probe = try self.probe(run, samples: probe, counted: summary.samples) }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(summary), as: UTF8.self))
            } else {
                print(summary.text)
                if let probe = summary.probe { print("\n" + probe.text) }
            }
            return .done
        }
    }

    private func probe(_ run: PreparedRun, samples: Int, counted: Int?) throws -> ProbeReport {
        let prices = try DevicePrices(parsing: price)
        guard let device = try DeviceList.parse(device).first else {
            throw CommandError("--device takes one device, such as cpu or cuda:0")
        }
        _ = try InferenceRuntime.locate()
        let probe = Probe(
            run: run, samples: samples, device: device,
            threads: threads ?? ProcessInfo.processInfo.activeProcessorCount, logging: logging)
        return ProbeReport(try probe.measure(), run, counted: counted, probe: probe, prices: prices)
    }
}

/// What a run would do, for a person or as JSON.
struct PlanSummary: Encodable {
    struct StagePlan: Encodable {
        let stage: String
        let fingerprint: String
        let reads: String?
        let units: Int
    }

    struct Model: Encodable {
        let path: String
        let name: String
        let kind: String
        let digest: String
    }

    struct Endpoint: Encodable {
        let column: String
        let model: String
        let url: String
    }

    let run: String
    let output: String
    let shards: Int
    /// Format to shards.
    let formats: [String: Int]
    let inputBytes: Int64
    /// What the samples are like that were looked at: all with --count, else the first of the first shard.
    let found: ShardCensus.Found
    private let isWholeCount: Bool
    /// The uids that `input.keep` names; nil for all samples.
    let keepUIDs: Int?
    let samples: Int?
    let chunk: Int
    let units: Int
    let stages: [StagePlan]
    let models: [Model]
    /// Captioners behind an endpoint.
    let endpoints: [Endpoint]
    /// Bytes of embeddings of one sample with one ground-truth text, before compression.
    let embeddingBytesPerSample: Int
    /// What --probe found.
    var probe: ProbeReport?

    init(_ run: PreparedRun, counting: Bool) throws {
        self.run = run.manifest.name
        self.output = run.output
        shards = run.shards.count
        inputBytes = run.shards.reduce(0) { $0 + $1.identity.size }
        chunk = run.manifest.chunk
        units = run.shards.count * run.stages.count
        stages = run.stages.map {
            StagePlan(
                stage: $0.id.name, fingerprint: $0.fingerprint.hex, reads: $0.reads?.name,
                units: run.shards.count)
        }
        models = run.manifest.models.compactMap { path in
            run.packages[path].map {
                Model(path: path, name: $0.name, kind: $0.kind.rawValue, digest: $0.digest.hex)
            }
        }
        endpoints = run.manifest.captioners.compactMap { captioner in
            captioner.endpoint.map {
                Endpoint(column: captioner.column, model: $0.modelID, url: $0.url)
            }
        }
        embeddingBytesPerSample = Self.embeddingBytes(run)
        var census = ShardCensus(run.manifest, run.selection)
        for shard in counting ? run.shards : Array(run.shards.prefix(1)) {
            try census.read(shard, limit: counting ? nil : Self.samplesLookedAt)
        }
        samples = counting ? census.found.samples : nil
        found = census.found
        isWholeCount = counting
        formats = Dictionary(
            run.shards.compactMap { ShardFormat(ofLocation: $0.location)?.rawValue }.map { ($0, 1) },
            uniquingKeysWith: +)
        keepUIDs = run.selection?.uids.count
    }

    /// Without a count: samples of the first shard that are read to find a mistake early.
    private static let samplesLookedAt = 16

    private static func embeddingBytes(_ run: PreparedRun) -> Int {
        guard let ensemble = run.manifest.ensemble else { return 0 }
        let width = run.teachers.reduce(0) { $0 + $1.embeddingWidth }
        let texted = run.stages.reduce(1) { texts, stage in
            if case .captionTexts(let captioner) = stage.kind {
                return texts + run.manifest.captioners[captioner].captions
            }
            return texts
        }
        return (ensemble.views + texted) * width * (ensemble.store == .bf16 ? 2 : 4)
    }

    /// "3 tar, 1 jsonl".
    private var formatsText: String {
        formats.sorted { $0.key > $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }

    var text: String {
        var lines = [
            "run      \(run)",
            "output   \(output)",
            "input    \(shards) shards (\(formatsText)), \(bytesText(inputBytes))"
                + (samples.map { ", \($0) samples" } ?? " (samples: not counted, see --count)"),
            "found    \(isWholeCount ? "" : "first ")\(found.text)",
            "units    \(units) (\(stages.count) stages × \(shards) shards), committed every \(chunk) samples",
            "stored   \(bytesText(Int64(embeddingBytesPerSample))) of embeddings a sample before compression"
                + (samples.map { ", \(bytesText(Int64($0 * embeddingBytesPerSample))) in total" } ?? ""),
        ]
        if let keepUIDs {
            lines.append("keep     \(keepUIDs) uids; they take \(found.selected) of \(found.samples) samples")
        }
        lines += ["", "stages"]
        for stage in stages {
            lines.append(
                "  \(padded(stage.stage, 28)) \(stage.fingerprint.prefix(12))"
                    + (stage.reads.map { "  after \($0)" } ?? ""))
        }
        lines += ["", "models"]
        for model in models {
            lines.append(
                "  \(padded(model.kind, 10)) \(padded(model.name, 24)) \(model.digest.prefix(12))  "
                    + "\(model.path)"
            )
        }
        for endpoint in endpoints {
            lines.append("  \(padded("endpoint", 10)) \(padded(endpoint.model, 24)) \(endpoint.url)")
        }
        return lines.joined(separator: "\n")
    }
}

func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

/// "3.4 MB", in powers of ten as storage is sold.
func bytesText(_ bytes: Int64) -> String {
    var value = Double(bytes)
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 1000 || unit == "TB" {
            return unit == "B" ? "\(bytes) B" : String(format: "%.1f \(unit)", value)
        }
        value /= 1000
    }
    return "\(bytes) B"
}
