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

        init(shard: String) { self.shard = shard }

        enum CodingKeys: String, CodingKey {
            case shard, input, joined, missing, damage, bytes, xxh64
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
        let all = damage + shards.flatMap(\.damage)
        for line in all.prefix(20) { lines.append("  damaged: \(line)") }
        if all.count > 20 { lines.append("  and \(all.count - 20) more damaged shards") }
        return lines.joined(separator: "\n")
    }
}
