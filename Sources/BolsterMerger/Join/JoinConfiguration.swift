import BolsterDataset
import BolsterRecords
import Foundation

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
    /// The folder for copies of source shards that are compressed or not on a mounted file system: one for
    /// each thread where keys name samples, all of them by uid.
    package var scratch = FileManager.default.temporaryDirectory.path
    /// The published set's configuration for the trainer; nil writes that of DataCompDR and DFNDR.
    package var trainer: JSONValue?
    /// Of each teacher's part of an embedding; nil finds them in the embeddings.
    package var teacherWidths: [Int]?

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

    /// The published set's, after the folder that its shards lie in.
    var name: String {
        let parts = reinforcements.first?.location.split(separator: "/") ?? []
        return parts.count > 1 ? String(parts[parts.count - 2]) : "a published set"
    }

    /// Enough for 60 million samples.
    package static let indexBytesByDefault = 2 << 30

    /// The field that holds a sample's uid; nil where keys name samples.
    var field: String? {
        if case .uid(let field) = naming { return field }
        return nil
    }
}
