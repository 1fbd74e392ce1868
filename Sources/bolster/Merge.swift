import ArgumentParser
import BolsterCoordinator
import BolsterDataset
import BolsterMerger
import BolsterStorage
import Foundation

struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Join records with the source shards into a training set.",
        discussion: """
            Writes one tar (or JSONL file) per source shard, the coverage report and what a trainer needs \
            beside them. Shards that are already merged from the same records are kept, so an interrupted \
            merge goes on. What decides bytes stands in the manifest's merge section, and can be set for \
            one merge; the dataset's info.json records it.

              bolster merge manifests/demo.yaml --output demo-run --out demo-run/dataset
              bolster merge my.yaml --out subset --set merge.keep_uids=subset.npy --set merge.views=2

            On several machines each merges a part, and one closes the dataset when all are done: it checks \
            every shard and writes the files beside them.

              bolster merge my.yaml --out dataset --part 3/8
              bolster merge my.yaml --out dataset --close
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

    @Option(help: "Shards that are merged at once. Default: the processors, at most eight.")
    var threads: Int?

    @Option(help: "Merge only part i of n, written i/n, i from 0. --close ends the dataset.")
    var part: String?

    @Flag(help: "Merge nothing: check that all shards are merged, and write the files beside them.")
    var close = false

    @Option(help: "A key of the manifest's merge section for this merge, as merge.KEY=VALUE. Repeatable.")
    var set: [String] = []

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads needs a number from 1") }
        if let part, MergePart(part) == nil {
            throw ValidationError("--part is written i/n with i from 0 to n - 1, such as 3/8, not '\(part)'")
        }
        if close && part != nil { throw ValidationError("--close ends the whole dataset: leave out --part") }
    }

    func run() throws {
        try reporting {
            let run = try PreparedRun(manifest: manifest, output: output, settings: set)
            return try Self.merge(
                run, out: out.map(absolutePath) ?? run.defaultDataset, state: state.map(absolutePath),
                partial: partial, strict: strict, threads: threads, part: part.flatMap(MergePart.init),
                close: close, logging: logging)
        }
    }

    static func merge(
        _ run: PreparedRun, out: String, state: String?, partial: Bool, strict: Bool, threads: Int? = nil,
        part: MergePart? = nil, close: Bool = false, logging: LogOptions
    ) throws -> Outcome {
        let configuration = MergeConfiguration(
            manifest: run.manifest, stages: run.stages, shards: run.shards,
            records: ObjectStore(root: run.output), output: out, partial: partial, strict: strict,
            teachers: run.teachers.map { .init(name: $0.name, width: $0.embeddingWidth) },
            committed: try state.map { try LedgerReader(stateDirectory: $0).committedFiles() },
            keep: try run.manifest.merge.keepUIDs.map {
                try SampleSelection.load($0, manifestDirectory: run.directory)
            })
        let display = ProgressDisplay()
        let merger = Merger(configuration)
        let count = threads ?? Merger.threadsByDefault
        let show = { (progress: MergeProgress) in
            display.show([
                "merge  \(progress.shardsDone) of \(progress.shards) shards, \(progress.samples) samples"
            ])
        }
        let coverage =
            try close
            ? merger.close(threads: count, progress: show)
            : merger.run(threads: count, part: part, progress: show)
        display.finish()
        print(coverage.summary)
        print(part.map { "part \($0) of  \(out)" } ?? "dataset  \(out)")
        return coverage.isComplete ? .done : .faulty
    }
}
