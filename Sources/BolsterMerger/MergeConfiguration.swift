import BolsterDataset
import BolsterStorage

/// What a merge joins, and where the dataset goes.
package struct MergeConfiguration: Sendable {
    /// One member of the ensemble.
    package struct Teacher: Sendable, Equatable {
        package var name: String
        /// The width of its embeddings; the stored ones are the teachers' side by side.
        package var width: Int

        package init(name: String, width: Int) {
            self.name = name
            self.width = width
        }
    }

    /// Which record file of (stage, shard name, chunk) the ledger has committed: its path below the run's
    /// output, nil where none is.
    package typealias CommittedFile = @Sendable (StageID, String, Int) -> String?

    package var manifest: Manifest
    /// The stages that are merged, with their fingerprints, in an order in which each follows what it reads.
    package private(set) var stages: [Stage]
    package var shards: [Shard]
    /// The run's output, which holds `records/`.
    package var records: ObjectStore
    /// The dataset's folder: a path or an S3 address.
    package var output: String
    /// Merge an unfinished run: what is not there is counted as missing.
    package var partial: Bool
    /// Refuse records of different compute classes.
    package var strict: Bool
    package var teachers: [Teacher]
    /// Nil without a ledger: then records name each other, and the lowest epoch counts.
    package var committed: CommittedFile?
    /// The samples that `merge.keep_uids` names; nil takes every sample.
    package var keep: SampleSelection?

    /// - Parameter stages: all of the manifest; those of captioners that are not merged are left out.
    package init(
        manifest: Manifest, stages: [Stage], shards: [Shard], records: ObjectStore, output: String,
        partial: Bool = false, strict: Bool = false, teachers: [Teacher], committed: CommittedFile? = nil,
        keep: SampleSelection? = nil
    ) {
        self.manifest = manifest
        let unmerged = Set(manifest.captioners.map(\.column)).subtracting(
            manifest.mergedCaptioners.map(\.column))
        self.stages = stages.filter { stage in
            !unmerged.contains { stage.id == .captions(column: $0) || stage.id == .texts(column: $0) }
        }
        self.shards = shards
        self.records = records
        self.output = output
        self.partial = partial
        self.strict = strict
        self.teachers = teachers
        self.committed = committed
        self.keep = keep
    }

    /// What a shard of the dataset is called.
    func fileName(_ shard: String) -> String { manifest.merge.format.fileName(shard) }

    /// The stages that a sample must have.
    var required: [Stage] {
        switch manifest.merge.require {
        case .all: stages
        case .stages(let ids): stages.filter { ids.contains($0.id) }
        }
    }

    /// The width of the concatenated embeddings.
    var embeddingWidth: Int { teachers.reduce(0) { $0 + $1.width } }

    func isRequired(_ id: StageID) -> Bool {
        switch manifest.merge.require {
        case .all: true
        case .stages(let ids): ids.contains(id)
        }
    }
}

/// One of several equal parts of a merge, for as many machines: every n-th shard from the i-th on, counted
/// from 0 as the indices of array and Indexed Jobs are.
package struct MergePart: Sendable, Equatable, CustomStringConvertible {
    /// From 0.
    package let number: Int
    package let count: Int

    /// Reads "i/n"; nil for anything but 0 ≤ i < n.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let number = parts[0], let count = parts[1], number >= 0, number < count
        else { return nil }
        self.number = number
        self.count = count
    }

    package var description: String { "\(number)/\(count)" }

    func shards(of all: [Shard]) -> [Shard] {
        all.enumerated().filter { $0.offset % count == number }.map(\.element)
    }
}

/// How far a merge has come.
package struct MergeProgress: Sendable, Equatable {
    package var shards: Int
    package var shardsDone: Int
    /// Samples of the input seen so far, those of kept shards included.
    package var samples: Int
}
