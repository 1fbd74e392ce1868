import BolsterDeterminism
import BolsterRecords

/// The files beside a dataset's shards: what is in it, what made it, and how to train on it. The last one,
/// `SHA256SUMS`, names all others with their SHA-256, as `sha256sum` writes and checks it; the shards' hashes
/// stand in `manifest.jsonl`, so that no byte of a dataset can change unnoticed.
struct DatasetDescription {
    static let sums = "SHA256SUMS"
    /// All that there may be.
    static let names = [
        "README.md", "config.json", "coverage.json", "coverage.txt", "info.json", "manifest.jsonl",
        "sizes.json",
    ]

    let traits: DatasetTraits
    let coverage: Coverage
    /// For a person.
    let summary: String
    /// What info.json says of how the dataset was made, before what is in it.
    let making: [JSONValue.Field]
    /// `config.json`; nil without embeddings.
    let trainer: JSONValue?

    /// Names and contents.
    var files: [(String, [UInt8])] {
        let statistics = coverage.statistics
        var files = [
            ("coverage.json", Self.lines(coverageJSON)), ("coverage.txt", Array((summary + "\n").utf8)),
            ("sizes.json", Self.lines(lengths)), ("manifest.jsonl", manifestLines),
            ("info.json", Self.lines(info(statistics))),
            ("README.md", Array(DatasetCard(traits, coverage, statistics).text.utf8)),
        ]
        if let trainer { files.append(("config.json", Self.lines(trainer))) }
        return files + [(Self.sums, Self.sums(of: files))]
    }

    /// A line per file, "<SHA-256>  <name>", sorted by name.
    static func sums(of files: [(name: String, content: [UInt8])]) -> [UInt8] {
        let lines = files.sorted { $0.name < $1.name }.map { name, content in
            "\(SHA256Hasher.digest(of: content).hex)  \(name)\n"
        }
        return Array(lines.joined().utf8)
    }

    private static func lines(_ value: JSONValue) -> [UInt8] { PythonJSON.bytes(of: value) + [0x0A] }

    /// File to samples: OpenCLIP's `sizes.json`.
    private var lengths: JSONValue {
        .object(coverage.shards.map { .init(traits.format.fileName($0.shard), .number($0.counts.merged)) })
    }

    /// A line per shard, as the peer's generation writes them, with sizes and hashes.
    private var manifestLines: [UInt8] {
        var text: [UInt8] = []
        for shard in coverage.shards {
            text += Self.lines(
                .object([
                    .init("shard", .string(shard.shard)),
                    .init("file", .string(traits.format.fileName(shard.shard))),
                    .init("num_uids", .number(shard.counts.merged)),
                    .init("bytes", .number(Int(shard.bytes))), .init("xxh64", .string(shard.xxh64)),
                ]))
        }
        return text
    }

    private func info(_ statistics: DatasetStatistics) -> JSONValue {
        let captions = traits.captions.map { captions in
            JSONValue.object([
                .init("column", .string(captions.column)), .init("captions", .number(captions.count)),
                .init("embedded", .bool(captions.isEmbedded)),
            ])
        }
        let teachers = traits.teachers.map { teacher in
            JSONValue.object([.init("name", .string(teacher.name)), .init("width", .number(teacher.width))])
        }
        return .object(
            [.init("format", .number(1)), .init("name", .string(traits.name))] + making + [
                .init("captioners", .array(captions)), .init("teachers", .array(teachers)),
                .init("views", traits.views.map { .number($0) } ?? .null),
                .init("samples_with_several_texts", .number(statistics.severalTexts)),
                .init("lengths", lengths), .init("totalLength", .number(coverage.total.merged)),
            ])
    }

    // MARK: Coverage

    private var coverageJSON: JSONValue {
        let shards = coverage.shards.map { shard in
            JSONValue.object([
                .init("shard", .string(shard.shard)), .init("counts", Self.json(shard.counts)),
                .init("reasons", Self.json(shard.reasons)), .init("exclusions", Self.json(shard.exclusions)),
                .init("damage", shard.damage.map { .string($0) } ?? .null),
            ])
        }
        return .object([
            .init("total", Self.json(coverage.total)), .init("reasons", Self.json(coverage.reasons)),
            .init("exclusions", Self.json(coverage.exclusions)),
            .init("compute_classes", Self.json(coverage.computeClasses)),
            .init("tokens", Self.json(coverage.tokens)),
            .init("is_complete", .bool(coverage.isComplete)), .init("shards", .array(shards)),
        ])
    }

    private static func json(_ counts: Coverage.Counts) -> JSONValue {
        .object([
            .init("input", .number(counts.input)), .init("merged", .number(counts.merged)),
            .init("excluded", .number(counts.excluded)), .init("skipped", .number(counts.skipped)),
            .init("missing", .number(counts.missing)),
        ])
    }

    private static func json(_ counts: [String: [String: Int]]) -> JSONValue {
        .object(counts.sorted { $0.key < $1.key }.map { .init($0, json($1)) })
    }

    private static func json(_ counts: [String: Int]) -> JSONValue {
        .object(counts.sorted { $0.key < $1.key }.map { .init($0, .number($1)) })
    }
}
