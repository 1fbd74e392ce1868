import ArgumentParser
import BolsterCoordinator
import BolsterDataset
import BolsterMerger
import BolsterStorage
import Foundation

struct Clean: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, or with --delete remove, record files that nothing needs any more.",
        discussion: """
            Without --records: record files that no commit names and that are older than the longest lease \
            of the manifest, and what killed writers left unfinished. What is committed is told by the \
            ledger: the state folder's (--state), or the newest copy in the run's output.

              bolster clean manifests/demo.yaml --output demo-run --state demo-run/state --delete

            With --records: all record files, once the dataset of --dataset is merged from them and a check \
            of it against its source finds no fault. The run can then not be merged in another form again.
            """)

    @Argument(help: "The manifest, a YAML file.")
    var manifest: String

    @Option(help: "The run's folder, instead of the manifest's output.")
    var output: String?

    @Option(help: "The coordinator's state folder, where it is at hand.")
    var state: String?

    @Flag(help: "Remove what is listed.")
    var delete = false

    @Flag(help: "All record files of a run whose dataset is merged and good.")
    var records = false

    @Option(help: "The merged dataset's folder, for --records. Default: dataset/ in the run's output.")
    var dataset: String?

    @Option(help: "A key of the manifest's merge section that the dataset was merged with. Repeatable.")
    var set: [String] = []

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if !records && (dataset != nil || !set.isEmpty) {
            throw ValidationError("--dataset and --set belong to --records")
        }
    }

    func run() throws {
        try reporting {
            let run = try PreparedRun(manifest: manifest, output: output, settings: set)
            let store = ObjectStore(root: run.output)
            let reader = try ledger(run)
            var stages = run.stages.map(\.id)
            for name in reader?.stageNames ?? [] where !stages.contains(StageID(name)) {
                stages.append(StageID(name))
            }
            let cleaner = RecordCleaner(records: store, stages: stages, shards: run.shards.map(\.name))
            var tally = Tally()
            let take = { (object: StoredObject) in
                tally.add(object)
                print(object.name)
                if delete { try store.delete(object.name) }
            }
            if records {
                try requireGoodDataset(run, committed: try reader?.committedFiles())
                try cleaner.all(take)
            } else {
                guard let reader else {
                    throw CommandError(
                        "no ledger is at hand to say what is committed: name its state folder with --state, "
                            + "or start the coordinator once, which copies it to the output")
                }
                let age = RecordCleaner.longestLease(run.manifest.leases)
                let ledger = RecordCleaner.Ledger(
                    committed: try reader.committedFiles(), time: try ledgerTime(store))
                try cleaner.unnamed(ledger, olderThan: age, take)
                if delete { tally.unfinished = try store.removeUnfinished(olderThan: age) }
            }
            print(tally.summary(deleted: delete))
            return .done
        }
    }

    /// What has been found.
    private struct Tally {
        var files = 0
        var bytes: Int64 = 0
        var unfinished = 0

        mutating func add(_ object: StoredObject) {
            files += 1
            bytes += object.size
        }

        func summary(deleted: Bool) -> String {
            let what = "\(files) record files, \(bytesText(bytes))"
            guard deleted else { return "\(what) can go; --delete removes them" }
            return "removed \(what)" + (unfinished > 0 ? " and \(unfinished) unfinished writes" : "")
        }
    }

    /// The state folder's, or the newest copy; nil where there is neither.
    private func ledger(_ run: PreparedRun) throws -> LedgerReader? {
        if let state { return try LedgerReader(stateDirectory: absolutePath(state)) }
        return try LedgerReader.newestCopy(in: run.output, log: logging.logger("bolster.clean"))
    }

    /// Now for the ledger itself, a copy's own time for a copy.
    private func ledgerTime(_ store: ObjectStore) throws -> Int64 {
        let now = Int64(Date().timeIntervalSince1970)
        if state != nil { return now }
        return try store.objects(prefix: "ledger/").map(\.modified).max() ?? 0
    }

    /// Throws where the dataset is not merged from what counts now, or has any fault.
    private func requireGoodDataset(
        _ run: PreparedRun, committed: MergeConfiguration.CommittedFile?
    ) throws {
        let folder = dataset.map(absolutePath) ?? run.defaultDataset
        let configuration = MergeConfiguration(
            manifest: run.manifest, stages: run.stages, shards: run.shards,
            records: ObjectStore(root: run.output), output: folder,
            teachers: run.teachers.map { .init(name: $0.name, width: $0.embeddingWidth) },
            committed: committed,
            keep: try run.manifest.merge.keepUIDs.map {
                try SampleSelection.load($0, manifestDirectory: run.directory)
            })
        let coverage = try Merger(configuration).check()
        guard coverage.isComplete else {
            throw CommandError("\(folder) lacks samples that the run does not have yet: its records stay")
        }
        let report = try DatasetVerifier(sources: run.shards).verify(directory: folder)
        guard report.isGood else {
            print(report.summary)
            throw CommandError("\(folder) has faults: its records stay")
        }
    }
}
