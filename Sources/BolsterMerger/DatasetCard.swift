import BolsterDataset
import Foundation

/// `README.md`: the dataset card, with the front matter that Hugging Face reads (its "dataset card"
/// specification: `pretty_name`, `size_categories`, `task_categories`, `tags`, `configs`).
struct DatasetCard {
    private let traits: DatasetTraits
    private let coverage: Coverage
    private let statistics: DatasetStatistics

    init(_ traits: DatasetTraits, _ coverage: Coverage, _ statistics: DatasetStatistics) {
        self.traits = traits
        self.coverage = coverage
        self.statistics = statistics
    }

    var text: String {
        frontMatter + contents + training + numbers + coverageTable
    }

    // MARK: Front matter

    private var frontMatter: String {
        let ending = traits.format.fileName("*")
        return """
            ---
            pretty_name: "\(traits.name)"
            size_categories:
            - \(Self.size(coverage.total.merged))
            task_categories:
            - zero-shot-image-classification
            - image-to-text
            tags:
            - bolster
            - dataset-reinforcement
            - \(traits.format.rawValue)
            configs:
            - config_name: default
              data_files:
              - split: train
                path: "\(ending)"
            ---


            """
    }

    /// Hugging Face's size classes.
    private static func size(_ samples: Int) -> String {
        let bounds = [
            (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
            (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
            (10_000_000_000, "1B<n<10B"), (100_000_000_000, "10B<n<100B"),
        ]
        return bounds.first { samples < $0.0 }?.1 ?? "100B<n<1T"
    }

    // MARK: What is in it

    private var contents: String {
        let isLines = traits.format == .jsonl
        var text = """
            # \(traits.name)

            \(coverage.total.merged) samples in \(coverage.shards.count) \(isLines ? "JSONL" : "WebDataset") \
            shards, \(traits.origin).

            ## Files of a sample

            | \(isLines ? "field" : "file") | content |
            |---|---|

            """
        for (file, content) in isLines ? fieldRows : fileRows { text += "| `\(file)` | \(content) |\n" }
        return text + "\n"
    }

    private var fileRows: [(String, String)] {
        var rows: [(String, String)] = []
        if traits.includesImages {
            rows.append(("jpg, jpeg, png or webp", "the source image, byte for byte"))
        }
        rows.append(("txt", "the source's text (the first, where it has several)"))
        rows.append(("url.txt", "the source's address, where it has one"))
        if !traits.captions.isEmpty { rows.append(("syn.json", "captions: \(columns)")) }
        if let views = traits.views {
            rows.append(("paug.json", "`param_aug`: the augmentation parameters of \(views) views"))
            let kind = traits.embeddings == .npz ? "fp32" : "bf16"
            let matrices = matrixRows.map { "`\($0)` \($1)" }.joined(separator: ", ")
            rows.append((traits.embeddings.rawValue, "\(matrices); \(kind)"))
        }
        let scores = traits.hasScores ? ", and `caption_scores` as its last field" : ""
        rows.append(("json", "the source's own, byte for byte" + scores))
        return rows
    }

    private var fieldRows: [(String, String)] {
        var rows = [
            ("uid, key", "the source's uid (else its key), and its key"),
            ("url", "the source's address, where it has one"),
        ]
        if traits.includesImages { rows.append(("image", "the source image, in base64")) }
        rows.append(("text", "the source's text, a list where it has several"))
        for captions in traits.captions {
            rows.append((captions.column, "a list of \(captions.count) captions"))
        }
        if let views = traits.views {
            rows.append(("param_aug", "the augmentation parameters of \(views) views"))
            for (name, shape) in matrixRows {
                rows.append((name, "\(shape), a gzipped pickle of a NumPy fp32 array in base64"))
            }
            rows.append(("caption_scores", "the texts' image-text cosines"))
        }
        return rows
    }

    private var columns: String {
        traits.captions.map { "`\($0.column)` (\($0.count))" }.joined(separator: ", ")
    }

    private var matrixRows: [(String, String)] {
        let width = traits.width
        let views = ("image_emb", "[\(traits.views ?? 0), \(width)]")
        switch traits.layout {
        case .datacompdr: return [views, ("text_emb", "[1 + captions, \(width)], the source's text first")]
        case .split:
            return [views, ("text_emb", "[texts, \(width)]")]
                + traits.captions.filter(\.isEmbedded).map {
                    ("\($0.column)_emb", "[\($0.count), \(width)]")
                }
        }
    }

    private var training: String {
        guard let views = traits.views else { return "" }
        let names = traits.teachers.map { "\($0.name) (\($0.width))" }.joined(separator: ", ")
        let widths = traits.teachers.map { String($0.width) }.joined(separator: " ")
        let scales = traits.teachers.map { _ in "100" }.joined(separator: " ")
        var text = """
            An embedding is the concatenation of the teachers' L2-normalised vectors, in this order: \(names).

            ## Training

            With MobileCLIP's patch for OpenCLIP:

                --dataset-reinforcement --dataset-reinforcement-config config.json
                --distill-teacher-dimension \(widths) --distill-average-after-softmax
                --distill-logit-scale \(scales)

            The last is a number per teacher, `exp(logit_scale)` of its checkpoint: 100 is that of OpenAI's
            models and of most. `sizes.json` tells OpenCLIP how many samples a shard has. There are
            \(views) views of each.


            """
        if !traits.captions.contains(where: \.isEmbedded) {
            text += """
                That patch reads captions and their embeddings of every sample, and stops at the first of this
                dataset, which has none: train with something else, or add a captioner to the manifest.


                """
        }
        if traits.layout == .split, statistics.severalTexts > 0 {
            text += """
                \(statistics.severalTexts) samples have several texts, all of them embedded. That patch knows
                one text a sample and takes such a sample's layout for the older one: use `layout: datacompdr`
                for it.


                """
        }
        return text
    }

    // MARK: Numbers

    private var numbers: String {
        var text = """
            ## Statistics

            \(coverage.shards.reduce(0) { $0 + $1.bytes }) bytes in all. \(imageLine)

            | texts | count | mean words | mean score | score, 10th to 90th percentile |
            |---|---|---|---|---|

            """
        for (column, texts) in statistics.columns.sorted(by: { $0.key < $1.key }) {
            let score = texts.meanScore.map { Self.decimal($0, 3) } ?? "–"
            text += "| `\(column)` | \(texts.texts) | \(Self.decimal(texts.meanWords, 1)) | \(score) "
            text += "| \(Self.percentiles(texts)) |\n"
        }
        if traits.textsCountedEvery > 1 {
            text += "\nTexts are counted in the first of every \(traits.textsCountedEvery) samples.\n"
        }
        guard traits.hasScores else { return text + "\n" }
        return text + """

            A score is the cosine between a text's embedding and the views', averaged over teachers and views.


            """
    }

    private var imageLine: String {
        let count = statistics.images.values.reduce(0, +)
        guard count > 0 else { return "No images." }
        let formats = statistics.images.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        let mean = Double(statistics.imageBytes) / Double(count)
        let list = formats.joined(separator: ", ")
        return "\(count) images (\(list)), \(Self.decimal(mean, 0)) bytes on average."
    }

    /// The tenths in which the 10th and the 90th percentile lie.
    private static func percentiles(_ texts: DatasetStatistics.Texts) -> String {
        guard texts.scored > 0 else { return "–" }
        func tenth(below share: Int) -> Double {
            var seen = 0
            for (index, count) in texts.histogram.enumerated() {
                seen += count
                if seen * 10 >= texts.scored * share { return Double(index - 10) / 10 }
            }
            return 0.9
        }
        return "\(decimal(tenth(below: 1), 1)) to \(decimal(tenth(below: 9) + 0.1, 1))"
    }

    private static func decimal(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }

    private var coverageTable: String {
        let total = coverage.total
        var text = """
            ## Coverage

            | input | merged | excluded | skipped | missing |
            |---|---|---|---|---|
            | \(total.input) | \(total.merged) | \(total.excluded) | \(total.skipped) | \(total.missing) |


            """
        var rows = coverage.exclusions.sorted { $0.key < $1.key }.map { ("excluded", $0.key, $0.value) }
        for (stage, counts) in coverage.reasons.sorted(by: { $0.key < $1.key }) {
            rows += counts.sorted { $0.key < $1.key }.map { (stage, $0.key, $0.value) }
        }
        if !rows.isEmpty {
            text += "| left out by | reason | samples |\n|---|---|---|\n"
            for (stage, reason, count) in rows { text += "| `\(stage)` | `\(reason)` | \(count) |\n" }
            text += "\n"
        }
        return text
            + "`coverage.json` has the same for every shard, `info.json` the settings and fingerprints.\n"
    }
}
