/// What became of every sample of the input. Each is in exactly one class:
///
///     input = merged + excluded + skipped + missing
package struct Coverage: Codable, Sendable, Equatable {
    package struct Counts: Codable, Sendable, Equatable {
        package var input = 0
        package var merged = 0
        /// Not selected: by input.keep, merge.keep_uids or merge.minimum_score.
        package var excluded = 0
        /// A required stage says why it has nothing for the sample.
        package var skipped = 0
        /// A required stage's records are not there, or the source cannot be read so far.
        package var missing = 0

        package init() {}

        package var addUp: Bool { input == merged + excluded + skipped + missing }

        static func += (left: inout Counts, right: Counts) {
            left.input += right.input
            left.merged += right.merged
            left.excluded += right.excluded
            left.skipped += right.skipped
            left.missing += right.missing
        }
    }

    package struct ShardCoverage: Codable, Sendable, Equatable {
        package var shard: String
        package var counts = Counts()
        /// Stage to reason to how many samples were left out for it; a sample counts with its first stage.
        package var reasons: [String: [String: Int]] = [:]
        /// Key of the manifest to how many samples it did not select.
        package var exclusions: [String: Int] = [:]
        /// Stage to compute class to chunks.
        package var computeClasses: [String: [String: Int]] = [:]
        /// Stage to "prompt" and "completion" to tokens that its endpoint counted, and to "cut" captions that
        /// their limit ended; nil where none was asked.
        package var tokens: [String: [String: Int]]?
        package var statistics = DatasetStatistics()
        /// Of the dataset's shard: bytes, and their XXH64 in sixteen hexadecimal digits.
        package var bytes: Int64 = 0
        package var xxh64 = ""
        /// Why the shard could not be read to its end; how many samples follow is not known.
        package var damage: String?

        package init(shard: String) { self.shard = shard }

        enum CodingKeys: String, CodingKey {
            case shard, counts, reasons, exclusions, tokens, statistics, bytes, xxh64, damage
            case computeClasses = "compute_classes"
        }
    }

    package private(set) var total = Counts()
    package private(set) var shards: [ShardCoverage] = []

    package init() {}

    package mutating func append(_ shard: ShardCoverage) {
        shards.append(shard)
        total += shard.counts
    }

    /// Nothing is missing and every shard was read to its end.
    package var isComplete: Bool { total.missing == 0 && shards.allSatisfy { $0.damage == nil } }

    /// Stage to reason to how many samples.
    package var reasons: [String: [String: Int]] { summed { $0.reasons } }

    /// Key of the manifest to how many samples it did not select.
    package var exclusions: [String: Int] {
        shards.reduce(into: [:]) { $0.merge($1.exclusions, uniquingKeysWith: +) }
    }

    /// Stage to compute class to chunks.
    package var computeClasses: [String: [String: Int]] { summed { $0.computeClasses } }

    /// Stage to "prompt" and "completion" to tokens that its endpoint counted, and to "cut" captions.
    package var tokens: [String: [String: Int]] { summed { $0.tokens ?? [:] } }

    package var statistics: DatasetStatistics {
        shards.reduce(into: DatasetStatistics()) { $0 += $1.statistics }
    }

    private func summed(_ part: (ShardCoverage) -> [String: [String: Int]]) -> [String: [String: Int]] {
        var sum: [String: [String: Int]] = [:]
        for shard in shards {
            for (stage, counts) in part(shard) {
                sum[stage, default: [:]].merge(counts, uniquingKeysWith: +)
            }
        }
        return sum
    }

    /// For a person: a few lines.
    package var summary: String {
        var lines = [
            "coverage  \(total.input) samples in \(shards.count) shards: \(total.merged) merged, "
                + "\(total.excluded) excluded, \(total.skipped) skipped, \(total.missing) missing"
        ]
        for (stage, counts) in reasons.sorted(by: { $0.key < $1.key }) {
            for (reason, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
                lines.append("  \(stage): \(reason) \(count)")
            }
        }
        for (key, count) in exclusions.sorted(by: { $0.key < $1.key }) {
            lines.append("  excluded by \(key): \(count)")
        }
        for shard in shards {
            if let damage = shard.damage { lines.append("  damaged: \(damage)") }
        }
        for (stage, classes) in computeClasses.sorted(by: { $0.key < $1.key }) where classes.count > 1 {
            let parts = classes.sorted { $0.key < $1.key }.map { "\($0.value) chunks by \($0.key)" }
            lines.append("  \(stage) has mixed compute classes: \(parts.joined(separator: "; "))")
        }
        return lines.joined(separator: "\n")
    }
}
