import ArgumentParser
import BolsterMerger
import BolsterRecords
import BolsterWorker
import Foundation

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a merged dataset: structure, shapes, norms, parameters, duplicates, counts.",
        discussion: """
            With --source, compares it with the shards that it was merged from: keys, order, images, texts, \
            and that what is left out is what the coverage report says. With --sample, computes the \
            embeddings of some samples again from their images, parameters and texts, and reports the \
            largest difference.

              bolster verify demo-run/dataset --source manifests/demo.yaml --sample 8

            Exit code 0 without a fault, 2 with any; every fault names its shard and key.
            """)

    /// How far a recomputed number may be from a stored one. Storing in bf16 rounds by up to 1/512 of it.
    private static let differenceMax = 0.01

    @Argument(help: "The dataset's folder.")
    var directory: String

    @Option(help: "The manifest that the dataset was merged with.")
    var source: String?

    @Option(help: "How many samples' embeddings are computed again; needs --source.")
    var sample: Int?

    @Option(help: "CPU threads for that. Default: all cores.")
    var threads: Int?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if let sample, sample < 1 { throw ValidationError("--sample needs a number from 1") }
        if sample != nil && source == nil {
            throw ValidationError("--sample needs --source: the manifest names the teachers")
        }
        if let threads, threads < 1 { throw ValidationError("--threads needs a number from 1") }
    }

    func run() throws {
        try reporting {
            let run = try source.map { try PreparedRun(manifest: $0, output: nil) }
            var report = try DatasetVerifier(sources: run?.shards).verify(
                directory: absolutePath(directory))
            if let run, let sample { try recompute(sample, of: run, &report) }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(report), as: UTF8.self))
            } else {
                print(report.summary)
            }
            return report.isGood ? .done : .faulty
        }
    }

    private func recompute(_ count: Int, of run: PreparedRun, _ report: inout VerifyReport) throws {
        let recomputation = try EmbeddingRecomputation(
            manifest: run.manifest, manifestDirectory: run.directory,
            threads: threads ?? ProcessInfo.processInfo.activeProcessorCount,
            log: logging.logger("bolster.verify"))
        let samples = try DatasetSampling(directory: absolutePath(directory), sources: run.shards)
            .samples(count)
        var largest = 0.0
        for sample in samples {
            for (matrix, texts) in sample.matrices {
                guard let expected = try again(matrix, texts, of: sample, recomputation, &report) else {
                    continue
                }
                let difference = Self.difference(matrix, expected)
                largest = max(largest, difference)
                if difference > Self.differenceMax {
                    report.append(
                        .init(
                            code: "embedding_differs", shard: sample.shard, key: sample.key,
                            message: "\(matrix.name) differs by \(difference) from what the teachers compute"
                        ))
                }
            }
        }
        report.recomputed = samples.count
        report.recomputedDifferenceMax = largest
    }

    /// The matrix computed again; nil, with the fault noted, where what it was computed from is not there.
    private func again(
        _ matrix: EmbeddingMatrix, _ texts: [String], of sample: StoredSample,
        _ recomputation: EmbeddingRecomputation, _ report: inout VerifyReport
    ) throws -> [Float]? {
        if matrix.name != "image_emb" { return try recomputation.texts(texts) }
        guard let image = sample.image, let parameters = sample.parameters else {
            report.append(
                .init(
                    code: "cannot_recompute", shard: sample.shard, key: sample.key,
                    message: "there is no image, or no parameters"))
            return nil
        }
        return try recomputation.views(of: image, parameters: parameters)
    }

    /// The largest difference of a number; infinite where the shapes differ.
    private static func difference(_ matrix: EmbeddingMatrix, _ expected: [Float]) -> Double {
        let stored = matrix.floats
        guard stored.count == expected.count else { return .infinity }
        return zip(stored, expected).reduce(0) { max($0, Double(abs($1.0 - $1.1))) }
    }
}
