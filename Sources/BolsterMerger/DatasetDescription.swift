import BolsterDataset
import BolsterRecords
import Foundation

/// The files beside the shards: what is in the dataset, what made it, and how to train on it.
struct DatasetDescription {
    private let configuration: MergeConfiguration
    private let coverage: Coverage
    /// Of the tars, in the shards' order.
    private let bytes: [Int64]

    init(_ configuration: MergeConfiguration, coverage: Coverage, bytes: [Int64]) {
        self.configuration = configuration
        self.coverage = coverage
        self.bytes = bytes
    }

    /// Names and contents.
    var files: [(String, [UInt8])] {
        var files = [
            ("coverage.json", Self.lines(coverageJSON)),
            ("sizes.json", Self.lines(lengths)),
            ("manifest.jsonl", manifestLines),
            ("info.json", Self.lines(info)),
            ("README.md", Array(card.utf8)),
        ]
        if let ensemble = configuration.manifest.ensemble {
            let trainer = TrainerConfiguration(ensemble: ensemble, teachers: configuration.teachers)
            files.append(("config.json", Self.lines(trainer.json)))
        }
        return files
    }

    private static func lines(_ value: JSONValue) -> [UInt8] { PythonJSON.bytes(of: value) + [0x0A] }

    /// Tar to samples: OpenCLIP's `sizes.json`.
    private var lengths: JSONValue {
        .object(coverage.shards.map { .init("\($0.shard).tar", .number($0.counts.merged)) })
    }

    /// A line per shard, as the peer's generation writes them, with sizes.
    private var manifestLines: [UInt8] {
        var text: [UInt8] = []
        for (shard, size) in zip(coverage.shards, bytes) {
            text += Self.lines(
                .object([
                    .init("shard", .string(shard.shard)), .init("file", .string("\(shard.shard).tar")),
                    .init("num_uids", .number(shard.counts.merged)), .init("bytes", .number(Int(size))),
                ]))
        }
        return text
    }

    private var coverageJSON: JSONValue {
        .object([
            .init("total", Self.json(coverage.total)), .init("reasons", Self.json(coverage.reasons)),
            .init("compute_classes", Self.json(coverage.computeClasses)),
            .init("is_complete", .bool(coverage.isComplete)),
            .init(
                "shards",
                .array(
                    coverage.shards.map { shard in
                        .object([
                            .init("shard", .string(shard.shard)), .init("counts", Self.json(shard.counts)),
                            .init("reasons", Self.json(shard.reasons)),
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
        .object(
            counts.sorted { $0.key < $1.key }.map { stage, inner in
                .init(stage, .object(inner.sorted { $0.key < $1.key }.map { .init($0, .number($1)) }))
            })
    }

    private var info: JSONValue {
        let manifest = configuration.manifest
        let merge = manifest.merge
        let require: JSONValue =
            switch merge.require {
            case .all: .string("all")
            case .stages(let ids): .array(ids.map { .string($0.name) })
            }
        return .object([
            .init("format", .number(1)), .init("name", .string(manifest.name)),
            .init("seed", .number(String(manifest.seed))), .init("chunk", .number(manifest.chunk)),
            .init(
                "merge",
                .object([
                    .init("format", .string(merge.format.rawValue)),
                    .init("layout", .string(merge.layout.rawValue)),
                    .init("embeddings", .string(merge.embeddings.rawValue)),
                    .init("images", .string(merge.images.rawValue)), .init("require", require),
                ])),
            .init(
                "stages",
                .object(configuration.stages.map { .init($0.id.name, .string($0.fingerprint.hex)) })),
            .init(
                "captioners",
                .array(
                    manifest.captioners.map {
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
            .init("views", manifest.ensemble.map { .number($0.views) } ?? .null),
            .init("store", manifest.ensemble.map { .string($0.store.rawValue) } ?? .null),
            .init("samples_with_several_texts", .number(severalTexts)),
            .init("lengths", lengths), .init("totalLength", .number(coverage.total.merged)),
        ])
    }

    private var severalTexts: Int { coverage.shards.reduce(0) { $0 + $1.samplesWithSeveralTexts } }
}

extension DatasetDescription {
    /// The dataset card.
    var card: String {
        let manifest = configuration.manifest
        let total = coverage.total
        var text = """
            # \(manifest.name)

            \(total.merged) samples in \(coverage.shards.count) WebDataset shards, reinforced by Bolster
            from the manifest "\(manifest.name)" with seed \(manifest.seed).

            ## Files of a sample

            | file | content |
            |---|---|

            """
        for (file, content) in fileRows { text += "| `\(file)` | \(content) |\n" }
        text += "\n" + training
        text += """

            ## Coverage

            | input | merged | excluded | skipped | missing |
            |---|---|---|---|---|
            | \(total.input) | \(total.merged) | \(total.excluded) | \(total.skipped) | \(total.missing) |


            """
        let reasons = coverage.reasons.sorted { $0.key < $1.key }
        if !reasons.isEmpty {
            text += "| stage | reason | samples |\n|---|---|---|\n"
            for (stage, counts) in reasons {
                for (reason, count) in counts.sorted(by: { $0.key < $1.key }) {
                    text += "| `\(stage)` | `\(reason)` | \(count) |\n"
                }
            }
            text += "\n"
        }
        text += "`coverage.json` has the same for every shard, `info.json` the settings and fingerprints.\n"
        return text
    }

    private var fileRows: [(String, String)] {
        let manifest = configuration.manifest
        var rows: [(String, String)] = []
        if manifest.merge.images == .include {
            rows.append(("jpg, jpeg, png or webp", "the source image, byte for byte"))
        }
        rows.append(("txt", "the source's text (the first, where it has several)"))
        rows.append(("url.txt", "the source's address, where it has one"))
        if !manifest.captioners.isEmpty {
            let columns = manifest.captioners.map { "`\($0.column)` (\($0.captions))" }.joined(
                separator: ", ")
            rows.append(("syn.json", "captions: \(columns)"))
        }
        if let ensemble = manifest.ensemble {
            rows.append(("paug.json", "`param_aug`: the augmentation parameters of \(ensemble.views) views"))
            let width = configuration.embeddingWidth
            let texts =
                switch manifest.merge.layout {
                case .split:
                    "`text_emb` [texts, \(width)] and one `<column>_emb` [captions, \(width)] per captioner"
                case .datacompdr: "`text_emb` [1 + captions, \(width)], the source's text first"
                }
            rows.append(
                (
                    manifest.merge.embeddings.rawValue,
                    "`image_emb` [\(ensemble.views), \(width)], \(texts); "
                        + (manifest.merge.embeddings == .npz ? "fp32" : "bf16")
                ))
        }
        rows.append(("json", "the source's own, byte for byte"))
        return rows
    }

    private var training: String {
        guard let ensemble = configuration.manifest.ensemble else { return "" }
        let names = configuration.teachers.map { "\($0.name) (\($0.width))" }.joined(separator: ", ")
        let widths = configuration.teachers.map { String($0.width) }.joined(separator: " ")
        var text = """
            An embedding is the concatenation of the teachers' L2-normalised vectors, in this order: \(names).

            ## Training

            With MobileCLIP's patch for OpenCLIP:

                --dataset-reinforcement --dataset-reinforcement-config config.json
                --distill-teacher-dimension \(widths)

            `sizes.json` tells OpenCLIP how many samples a shard has. A sample has \(ensemble.views) views.

            """
        if configuration.manifest.merge.layout == .split, severalTexts > 0 {
            text += """

                \(severalTexts) samples have several texts, all of them embedded. That patch knows one text a
                sample and takes such a sample's layout for the older one: use `layout: datacompdr` for it.

                """
        }
        return text
    }
}
