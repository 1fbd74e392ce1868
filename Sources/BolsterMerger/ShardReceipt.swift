import BolsterDataset
import BolsterDeterminism
import Foundation

/// What says that a shard of the dataset is finished, and from what it was made: a small file in the run's
/// output, written after the tar. A merge that finds one with equal inputs, and the tar of that size, keeps
/// the shard. It does not lie in the dataset, for it names epochs, and two runs' datasets are to be equal.
///
///     <run's output>/merge/<XXH64 of the dataset's path>/<shard>.json
struct ShardReceipt: Codable, Equatable {
    /// SHA-256 over everything that decides the shard's bytes.
    var inputs: String
    var coverage: Coverage.ShardCoverage

    /// The receipts' folder, below the run's output.
    static func folder(dataset path: String) -> String {
        "merge/\(Hexadecimal.text(of: XXH64Hasher.hash(of: Array(path.utf8))))"
    }

    /// Over the encodings' version, the merge settings, the fingerprints, the source's identity and the names
    /// of the counting record files, which are never written twice.
    static func inputs(
        _ configuration: MergeConfiguration, shard: Shard, selection: RecordSelection
    ) -> String {
        let merge = configuration.manifest.merge
        var lines = [
            "dataset 2", merge.format.rawValue, merge.layout.rawValue, merge.embeddings.rawValue,
            merge.images.rawValue, "\(configuration.partial)", shard.name, String(shard.identity.size),
            shard.identity.version, String(configuration.manifest.chunk),
        ]
        if let keep = configuration.keep { lines.append("keep \(keep.line)") }
        if let least = merge.minimumScore { lines.append("minimum_score \(least)") }
        if let views = configuration.manifest.mergedViews { lines.append("views \(views)") }
        lines += configuration.required.map(\.id.name)
        lines.append("stages")
        lines += configuration.stages.map { "\($0.id) \($0.fingerprint.hex)" }
        lines.append("teachers")
        lines += configuration.teachers.map { String($0.width) }
        lines.append("records")
        lines += selection.sortedPaths
        return SHA256Hasher.digest(of: lines.joined(separator: "\n")).hex
    }

    /// What stands for the receipt of a shard that is not merged.
    static func lacking(_ shard: Shard) -> ShardReceipt {
        ShardReceipt(inputs: "", coverage: Coverage.ShardCoverage(shard: shard.name))
    }

    var isLacking: Bool { inputs.isEmpty }

    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }

    /// Nil for what is no receipt: then the shard is merged again.
    init?(decoding bytes: [UInt8]) {
        do {
            self = try JSONDecoder().decode(ShardReceipt.self, from: Data(bytes))
        } catch {
            return nil
        }
    }

    init(inputs: String, coverage: Coverage.ShardCoverage) {
        self.inputs = inputs
        self.coverage = coverage
    }
}
