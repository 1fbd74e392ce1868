import BolsterDataset

/// What is joined, how samples find each other, and where the result goes.
package struct JoinConfiguration: Sendable {
    /// What names a sample on both sides.
    package enum Naming: Sendable, Equatable {
        /// The key, within shards of equal name.
        case key
        /// The value of this field of the `json`, wherever the sample lies; the key where there is none.
        case uid(field: String)
    }

    /// The published set's shards, whose names and order the result has.
    package var reinforcements: [Shard]
    /// The shards with the images.
    package var sources: [Shard]
    /// The result's folder: a path or an S3 address.
    package var output: String
    package var naming: Naming
    /// Turn `param_aug` strings, as the published sets hold them, into the lists that the trainer reads.
    package var unpacksParameters: Bool
    /// Wait for the disk after each shard.
    package var synchronizes: Bool
    /// What the indices by uid may take, in bytes.
    package var indexBytesMax: Int

    package init(
        reinforcements: [Shard], sources: [Shard], output: String, naming: Naming = .key,
        unpacksParameters: Bool = false, synchronizes: Bool = false,
        indexBytesMax: Int = Self.indexBytesByDefault
    ) {
        self.reinforcements = reinforcements
        self.sources = sources
        self.output = output
        self.naming = naming
        self.unpacksParameters = unpacksParameters
        self.synchronizes = synchronizes
        self.indexBytesMax = indexBytesMax
    }

    /// Enough for 60 million samples.
    package static let indexBytesByDefault = 2 << 30

    /// The field that holds a sample's uid; nil where keys name samples.
    var field: String? {
        if case .uid(let field) = naming { return field }
        return nil
    }
}
