/// What became of every sample of a published set. Each is in exactly one class:
///
///     input = joined + missing        (behind a damage nothing can be counted)
package struct JoinReport: Codable, Sendable, Equatable {
    package struct Shard: Codable, Sendable, Equatable {
        package var shard: String
        /// Reinforced samples.
        package var input = 0
        package var joined = 0
        /// Their source is not there: its link has died, or its shard is missing.
        package var missing = 0
        /// Joined samples in which neither side has an image.
        package var withoutImage = 0
        /// Samples whose `param_aug` is a string, which the trainer's patch cannot read.
        package var packedParameters = 0
        /// Where one of the two shards could not be read further.
        package var damage: [String] = []
        /// Of the joined shard.
        package var bytes: Int64 = 0
        /// Sixteen hexadecimal digits.
        package var xxh64 = ""
        /// Of the joined samples; texts are counted in some of them only.
        var statistics = DatasetStatistics()
        /// Nil where no sample could tell.
        var form: PublishedForm?

        init(shard: String) { self.shard = shard }

        enum CodingKeys: String, CodingKey {
            case shard, input, joined, missing, damage, bytes, xxh64, statistics, form
            case withoutImage = "without_image"
            case packedParameters = "packed_parameters"
        }
    }

    package struct Total: Codable, Sendable, Equatable {
        package var input = 0
        package var joined = 0
        package var missing = 0
        /// Of all joined shards.
        package var bytes: Int64 = 0
    }

    package private(set) var total = Total()
    package private(set) var shards: [Shard] = []
    /// Source shards that could not be read to their end, by uid only.
    package var damage: [String] = []

    init(_ shards: [Shard], damage: [String]) {
        self.shards = shards
        self.damage = damage
        for shard in shards {
            total.input += shard.input
            total.joined += shard.joined
            total.missing += shard.missing
            total.bytes += shard.bytes
        }
    }

    package var input: Int { total.input }
    package var joined: Int { total.joined }
    package var missing: Int { total.missing }
    package var withoutImage: Int { shards.reduce(0) { $0 + $1.withoutImage } }
    package var packedParameters: Int { shards.reduce(0) { $0 + $1.packedParameters } }
    package var bytes: Int64 { total.bytes }

    /// What the samples look like, as the first shard tells it; nil where none does.
    var form: PublishedForm? { shards.lazy.compactMap(\.form).first }

    /// The same in a merge's words.
    var coverage: Coverage {
        var coverage = Coverage()
        for shard in shards {
            var counted = Coverage.ShardCoverage(shard: shard.shard)
            (counted.counts.input, counted.counts.merged) = (shard.input, shard.joined)
            counted.counts.missing = shard.missing
            (counted.bytes, counted.xxh64, counted.statistics) = (shard.bytes, shard.xxh64, shard.statistics)
            counted.damage = shard.damage.isEmpty ? nil : shard.damage.joined(separator: "; ")
            coverage.append(counted)
        }
        return coverage
    }

    /// Every shard was read to its end.
    package var isWhole: Bool { damage.isEmpty && shards.allSatisfy(\.damage.isEmpty) }

    /// For a person: a few lines.
    package var summary: String {
        var lines = [
            "join  \(input) samples in \(shards.count) shards: \(joined) joined, "
                + "\(missing) without a source, \(bytes) bytes"
        ]
        if withoutImage > 0 { lines.append("  \(withoutImage) joined samples have no image") }
        if packedParameters > 0 {
            lines.append(
                "  \(packedParameters) samples hold param_aug as a string; --unpack-parameters writes the "
                    + "list that the trainer reads")
        }
        let withoutText = shards.reduce(0) { $0 + $1.statistics.withoutText }
        if withoutText > 0 { lines.append("  \(withoutText) joined samples have no text of their own") }
        let others = shards.filter { $0.form != nil && $0.form != form }.map(\.shard)
        if let first = others.first {
            lines.append(
                "  \(others.count) shards differ from the first in views, teachers, captions or layout, such "
                    + "as \(first): join sets of one form")
        }
        if let form, form.teacherWidths.isEmpty {
            lines.append("  the embeddings do not tell where one teacher ends: no parts of equal width")
        }
        let all = damage + shards.flatMap(\.damage)
        for line in all.prefix(20) { lines.append("  damaged: \(line)") }
        if all.count > 20 { lines.append("  and \(all.count - 20) more damaged shards") }
        return lines.joined(separator: "\n")
    }
}
