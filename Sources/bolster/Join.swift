import ArgumentParser
import BolsterDataset
import BolsterMerger
import BolsterRecords
import BolsterStorage
import Foundation

struct Join: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Join a published reinforcement set, which has no images, with the shards that have them.",
        discussion: """
            DataCompDR's tars hold embeddings, captions and parameters, and no images. This puts each \
            sample's files beside its image's, one tar per published shard, in the published order. Where \
            both sides have a file of one kind the published one counts. Samples whose source is gone are \
            counted and left out. Shards that are already joined from the same files are kept.

              bolster join --reinforcements 'DataCompDR-12M/{00000000..00001023}.tar' \\
                  --sources 'DataComp-12M/{00000000..00001023}.tar' --out joined

            Sources of other names or in another order are found by the uid in the samples' json:

              bolster join --reinforcements 'DataCompDR-12M/*.tar' --sources 'images/*.tar' --by uid \\
                  --out joined

            Shards of both sides may be .tar, .tar.gz and .tar.zst, in folders, buckets (s3://) and on web \
            servers. A source shard that is not a plain tar in a folder is first copied into --scratch: one \
            at a time for each thread by key, all of them by uid.

            Beside the shards go the files that a merge writes, as far as the published set tells them, so \
            that `bolster verify` checks the result. config.json is the one beside the published shards, or \
            the one that --trainer-config names, else that of DataCompDR and DFNDR.

            Exit code 2 where a shard could not be read to its end.
            """)

    enum By: String, ExpressibleByArgument, CaseIterable {
        case key, uid
    }

    @Option(help: "The published shards: a path with brace ranges, a glob, or a list file. Repeatable.")
    var reinforcements: [String]

    @Option(help: "The shards with the images, likewise. Repeatable.")
    var sources: [String]

    @Option(help: "The joined dataset's folder, or s3://bucket/prefix.")
    var out: String

    @Option(help: "What names a sample: key (within shards of equal name) or uid (in any shard).")
    var by = By.key

    @Option(help: "The field of the json that holds the uid; a sample without it is called by its key.")
    var field = "uid"

    @Flag(help: "Write param_aug as the list that the trainer reads, where it is a string.")
    var unpackParameters = false

    @Option(help: "Shards that are joined at once. Default: the processors, at most eight.")
    var threads: Int?

    @Option(help: "Join only part i of n, written i/n, i from 0. --close ends the dataset.")
    var part: String?

    @Flag(help: "Join nothing: check that all shards are joined, and write the files beside them.")
    var close = false

    @Flag(help: "Wait for the disk after each shard, as a merge does; tar and cp do not.")
    var sync = false

    @Option(help: "What the index by uid may take, in MiB.")
    var indexMemory = JoinConfiguration.indexBytesByDefault >> 20

    @Option(
        help: .init(
            "The folder for copies of source shards. Default: the system's for temporary files.",
            valueName: "dir"))
    var scratch: String?

    @Option(
        help: .init("The published set's configuration for the trainer, a JSON file.", valueName: "file"))
    var trainerConfig: String?

    @Option(
        help: "The teachers' widths, such as 768,768. Default: found in the embeddings.")
    var teacherWidths: String?

    @Flag(help: "Print JSON.")
    var json = false

    private var widths: [Int]? {
        teacherWidths.map { $0.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 } }
    }

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads needs a number from 1") }
        if indexMemory < 1 { throw ValidationError("--index-memory needs a number of MiB from 1") }
        if let part, MergePart(part) == nil {
            throw ValidationError("--part is written i/n with i from 0 to n - 1, such as 3/8, not '\(part)'")
        }
        if let widths, widths.contains(where: { $0 < 1 }) {
            throw ValidationError(
                "--teacher-widths needs numbers from 1 with commas between, such as 768,768")
        }
        if close && part != nil { throw ValidationError("--close ends the whole dataset: leave out --part") }
    }

    func run() throws {
        try reporting {
            let folder = FileManager.default.currentDirectoryPath
            var configuration = JoinConfiguration(
                reinforcements: try InputShards.find(patterns: reinforcements, manifestDirectory: folder),
                sources: try InputShards.find(patterns: sources, manifestDirectory: folder),
                output: absolutePath(out), naming: by == .key ? .key : .uid(field: field))
            configuration.unpacksParameters = unpackParameters
            configuration.synchronizes = sync
            configuration.indexBytesMax = indexMemory << 20
            configuration.teacherWidths = widths
            if let scratch { configuration.scratch = absolutePath(scratch) }
            configuration.trainer = try trainer(beside: configuration.reinforcements)
            let inputs = Set((configuration.reinforcements + configuration.sources).map(\.location))
            let outputs = configuration.reinforcements.map { "\(configuration.output)/\($0.name).tar" }
            if let clash = outputs.first(where: inputs.contains) {
                throw CommandError("--out would replace the input \(clash): choose another folder")
            }
            let report = try join(configuration)
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(report), as: UTF8.self))
            } else {
                print(report.summary)
                print("joined  \(configuration.output)")
            }
            return report.isWhole ? .done : .faulty
        }
    }

    /// The configuration that is named, or the one beside the published shards: Bolster's own sets have it.
    private func trainer(beside shards: [Shard]) throws -> JSONValue? {
        var path = trainerConfig.map(absolutePath)
        if path == nil, let location = shards.first?.location, !location.hasPrefix("http"),
            let slash = location.lastIndex(of: "/")
        {
            let folder = ObjectStore(root: String(location[..<slash]))
            if try folder.exists("config.json") { path = try folder.location(of: "config.json") }
        }
        return try path.map { path in
            do {
                return try JSONValue(parsing: try StoredFile.read(path))
            } catch let error as RecordsError {
                throw CommandError("\(path) is no JSON, so it is no configuration for the trainer: \(error)")
            }
        }
    }

    private func join(_ configuration: JoinConfiguration) throws -> JoinReport {
        let joiner = Joiner(configuration)
        if close { return try joiner.close() }
        let display = ProgressDisplay()
        let report = try joiner.run(
            threads: threads ?? Merger.threadsByDefault, part: part.flatMap(MergePart.init)
        ) { progress in
            display.show([
                "join  \(progress.shardsDone) of \(progress.shards) shards, \(progress.samples) samples"
            ])
        }
        display.finish()
        return report
    }
}
