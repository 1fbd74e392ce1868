import ArgumentParser
import BolsterCoordinator
import BolsterMerger
import BolsterStorage
import Foundation

struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Join records with the source shards into a training set.",
        discussion: """
            Writes one tar per source shard, the coverage report and what a trainer needs beside them. \
            Shards that \
            are already merged from the same records are kept, so an interrupted merge goes on. What \
            decides bytes \
            stands in the manifest's merge section.

              bolster merge manifests/demo.yaml --output demo-run --out demo-run/dataset
            """)

    @Argument(help: "The manifest, a YAML file.")
    var manifest: String

    @Option(help: "The dataset's folder. Default: dataset/ in the run's output.")
    var out: String?

    @Option(help: "The run's folder, instead of the manifest's output.")
    var output: String?

    @Option(
        help: "The coordinator's state folder, where it is at hand: its ledger says which record files count."
    )
    var state: String?

    @Flag(help: "Merge what there is of an unfinished run; the rest is counted as missing.")
    var partial = false

    @Flag(help: "Refuse records that different compute classes have made.")
    var strict = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        try reporting {
            let run = try PreparedRun(manifest: manifest, output: output)
            return try Self.merge(
                run, out: out.map(absolutePath) ?? run.defaultDataset, state: state.map(absolutePath),
                partial: partial, strict: strict, logging: logging)
        }
    }

    static func merge(
        _ run: PreparedRun, out: String, state: String?, partial: Bool, strict: Bool, logging: LogOptions
    ) throws -> Outcome {
        let configuration = MergeConfiguration(
            manifest: run.manifest, stages: run.stages, shards: run.shards,
            records: ObjectStore(root: run.output), output: out, partial: partial, strict: strict,
            teachers: run.teachers.map { .init(name: $0.name, width: $0.embeddingWidth) },
            committed: try state.map { try LedgerReader(stateDirectory: $0).committedFiles() })
        let display = ProgressDisplay()
        let coverage = try Merger(configuration).run { progress in
            display.show([
                "merge  \(progress.shardsDone) of \(progress.shards) shards, \(progress.samples) samples"
            ])
        }
        display.finish()
        print(coverage.summary)
        print("dataset  \(out)")
        return coverage.isComplete ? .done : .faulty
    }
}
