import BolsterRecords
import BolsterStorage

/// The files beside a dataset's shards: present, JSON, and of one mind about counts and sizes.
struct CompanionCheck {
    /// Shard to what became of its samples, as coverage.json says.
    private(set) var counts: [String: Coverage.Counts] = [:]
    /// File to size and hash, as manifest.jsonl says.
    private var sizes: [String: (bytes: Int64, xxh64: String)] = [:]

    /// Reads them all; what they promise of the samples goes into `terms`.
    init(_ dataset: ObjectStore, terms: inout DatasetTerms, report: inout VerifyReport) {
        func parsed(_ name: String, _ report: inout VerifyReport) -> JSONValue? {
            do {
                return try JSONValue(parsing: try dataset.read(name))
            } catch {
                report.append(.init(code: "bad_companion", message: "\(name): \(error)"))
                return nil
            }
        }
        if let sizes = parsed("sizes.json", &report) {
            for (file, count) in terms.lengths where sizes[file]?.integer != count {
                report.append(
                    .init(
                        code: "counts_differ", shard: file,
                        message: "sizes.json and info.json count differently"))
            }
        }
        if let coverage = parsed("coverage.json", &report) { check(coverage, terms, &report) }
        if terms.views != nil, let trainer = parsed("config.json", &report) {
            let augmentation = trainer["reinforce"]?["image_augmentation"]
            if augmentation?["normalize"] == nil {
                report.append(
                    .init(
                        code: "bad_companion",
                        message:
                            "config.json lacks reinforce.image_augmentation.normalize: the trainer needs it"))
            }
            terms.parameters = ParameterCheck(augmentation ?? .null)
        }
        readManifest(dataset, terms, &report)
        Self.checkSums(dataset, &report)
    }

    /// Every file beside the shards is the one that SHA256SUMS names, and each is named.
    private static func checkSums(_ dataset: ObjectStore, _ report: inout VerifyReport) {
        var files: [(name: String, content: [UInt8])] = []
        let told: [UInt8]
        do throws(StorageError) {
            told = try dataset.read(DatasetDescription.sums)
            for name in DatasetDescription.names where try dataset.exists(name) {
                files.append((name, try dataset.read(name)))
            }
        } catch {
            report.append(.init(code: "bad_companion", message: "\(DatasetDescription.sums): \(error)"))
            return
        }
        if told == DatasetDescription.sums(of: files) { return }
        let lines = Set(told.split(separator: 0x0A).map(Array.init))
        let changed = files.filter { file in
            !lines.contains(Array(DatasetDescription.sums(of: [file]).dropLast()))
        }
        for file in changed {
            report.append(
                .init(
                    code: "changed_file",
                    message: "\(file.name) is not the one that \(DatasetDescription.sums) names"))
        }
        if changed.isEmpty {
            report.append(
                .init(
                    code: "changed_file",
                    message: "\(DatasetDescription.sums) is damaged, or names files that are not there"))
        }
    }

    private mutating func check(
        _ coverage: JSONValue, _ terms: DatasetTerms, _ report: inout VerifyReport
    ) {
        var sum = Coverage.Counts()
        for shard in coverage["shards"]?.values ?? [] {
            guard let name = shard["shard"]?.text, let counts = Self.counts(shard["counts"]), counts.addUp
            else {
                report.append(
                    .init(
                        code: "counts_differ", shard: shard["shard"]?.text ?? "",
                        message: "coverage.json does not add up"))
                continue
            }
            self.counts[name] = counts
            sum += counts
        }
        let lengths = terms.lengths.values.reduce(0, +)
        if Self.counts(coverage["total"]) != sum || sum.merged != lengths {
            report.append(
                .init(
                    code: "counts_differ",
                    message:
                        "coverage.json's total is not the sum of its shards, or it does not merge "
                        + "info.json's \(lengths) samples"))
        }
    }

    private static func counts(_ value: JSONValue?) -> Coverage.Counts? {
        guard let input = value?["input"]?.integer, let merged = value?["merged"]?.integer,
            let excluded = value?["excluded"]?.integer, let skipped = value?["skipped"]?.integer,
            let missing = value?["missing"]?.integer
        else { return nil }
        var counts = Coverage.Counts()
        (counts.input, counts.merged, counts.excluded) = (input, merged, excluded)
        (counts.skipped, counts.missing) = (skipped, missing)
        return counts
    }

    private mutating func readManifest(
        _ dataset: ObjectStore, _ terms: DatasetTerms, _ report: inout VerifyReport
    ) {
        do {
            for line in try dataset.read("manifest.jsonl").split(separator: 0x0A) {
                let value = try JSONValue(parsing: Array(line))
                guard let file = value["file"]?.text, let bytes = value["bytes"]?.integer,
                    let hash = value["xxh64"]?.text
                else { throw RecordsError(.malformed, "a line has no file, bytes or xxh64") }
                sizes[file] = (Int64(bytes), hash)
                if value["num_uids"]?.integer != terms.lengths[file] {
                    report.append(
                        .init(
                            code: "counts_differ", shard: file,
                            message: "manifest.jsonl and info.json count differently"))
                }
            }
        } catch {
            report.append(.init(code: "bad_companion", message: "manifest.jsonl: \(error)"))
        }
    }

    /// What is wrong with a shard's size or hash; nil where nothing is.
    func mistake(shard file: String, bytes: Int64, xxh64: String) -> String? {
        guard let told = sizes[file] else { return nil }
        if told.bytes != bytes { return "it has \(bytes) bytes, manifest.jsonl says \(told.bytes)" }
        return told.xxh64 == xxh64 ? nil : "its XXH64 is \(xxh64), manifest.jsonl says \(told.xxh64)"
    }
}
