import BolsterDataset
import BolsterRecords
import Foundation

/// The files beside the shards: what is in the dataset, what made it, and how to train on it.
struct DatasetDescription {
    let configuration: MergeConfiguration
    let coverage: Coverage
    let statistics: DatasetStatistics

    init(_ configuration: MergeConfiguration, coverage: Coverage) {
        self.configuration = configuration
        self.coverage = coverage
        statistics = coverage.statistics
    }

    /// Names and contents.
    var files: [(String, [UInt8])] {
        var files = [
            ("coverage.json", Self.lines(coverageJSON)),
            ("coverage.txt", Array((coverage.summary + "\n").utf8)),
            ("sizes.json", Self.lines(lengths)),
            ("manifest.jsonl", manifestLines),
            ("info.json", Self.lines(info)),
            ("README.md", Array(DatasetCard(self).text.utf8)),
        ]
        if let ensemble = configuration.manifest.ensemble {
            let trainer = TrainerConfiguration(
                ensemble: ensemble, views: configuration.manifest.mergedViews ?? ensemble.views,
                teachers: configuration.teachers)
            files.append(("config.json", Self.lines(trainer.json)))
        }
        return files
    }

    private static func lines(_ value: JSONValue) -> [UInt8] { PythonJSON.bytes(of: value) + [0x0A] }

    /// File to samples: OpenCLIP's `sizes.json`.
    private var lengths: JSONValue {
        .object(
            coverage.shards.map { .init(configuration.fileName($0.shard), .number($0.counts.merged)) })
    }

    /// A line per shard, as the peer's generation writes them, with sizes and hashes.
    private var manifestLines: [UInt8] {
        var text: [UInt8] = []
        for shard in coverage.shards {
            text += Self.lines(
                .object([
                    .init("shard", .string(shard.shard)),
                    .init("file", .string(configuration.fileName(shard.shard))),
                    .init("num_uids", .number(shard.counts.merged)),
                    .init("bytes", .number(Int(shard.bytes))), .init("xxh64", .string(shard.xxh64)),
                ]))
        }
        return text
    }

    private var coverageJSON: JSONValue {
        .object([
            .init("total", Self.json(coverage.total)), .init("reasons", Self.json(coverage.reasons)),
            .init("exclusions", Self.json(coverage.exclusions)),
            .init("compute_classes", Self.json(coverage.computeClasses)),
            .init("is_complete", .bool(coverage.isComplete)),
            .init(
                "shards",
                .array(
                    coverage.shards.map { shard in
                        .object([
                            .init("shard", .string(shard.shard)), .init("counts", Self.json(shard.counts)),
                            .init("reasons", Self.json(shard.reasons)),
                            .init("exclusions", Self.json(shard.exclusions)),
                            .init("damage", shard.damage.map { .string($0) } ?? .null),
                        ])
                    })),
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

    /// Everything that the manifest's `merge` decided.
    private var mergeJSON: JSONValue {
        let merge = configuration.manifest.merge
        let require: JSONValue =
            switch merge.require {
            case .all: .string("all")
            case .stages(let ids): .array(ids.map { .string($0.name) })
            }
        let keep: JSONValue? = configuration.keep.map {
            .object([.init("field", .string($0.field)), .init("sha256", .string($0.uids.digest.hex))])
        }
        return .object([
            .init("format", .string(merge.format.rawValue)), .init("layout", .string(merge.layout.rawValue)),
            .init("embeddings", .string(merge.embeddings.rawValue)),
            .init("images", .string(merge.images.rawValue)), .init("require", require),
            .init("keep_uids", keep ?? .null),
            .init("minimum_score", merge.minimumScore.map { .number("\($0)") } ?? .null),
            .init("captions", merge.captions.map { .string($0) } ?? .null),
            .init("views", merge.views.map { .number($0) } ?? .null),
        ])
    }

    private var info: JSONValue {
        let manifest = configuration.manifest
        return .object([
            .init("format", .number(1)), .init("name", .string(manifest.name)),
            .init("seed", .number(String(manifest.seed))), .init("chunk", .number(manifest.chunk)),
            .init("merge", mergeJSON),
            .init(
                "stages",
                .object(configuration.stages.map { .init($0.id.name, .string($0.fingerprint.hex)) })),
            .init(
                "captioners",
                .array(
                    manifest.mergedCaptioners.map {
                        .object([
                            .init("column", .string($0.column)), .init("captions", .number($0.captions)),
                        ])
                    })),
            .init(
                "teachers",
                .array(
                    configuration.teachers.map {
                        .object([.init("name", .string($0.name)), .init("width", .number($0.width))])
                    })),
            .init("views", manifest.mergedViews.map { .number($0) } ?? .null),
            .init("store", manifest.ensemble.map { .string($0.store.rawValue) } ?? .null),
            .init("samples_with_several_texts", .number(statistics.severalTexts)),
            .init("lengths", lengths), .init("totalLength", .number(coverage.total.merged)),
        ])
    }
}
