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
    /// The manifest's stages with their fingerprints, in an order in which each follows what it reads.
    package var stages: [Stage]
    package var shards: [Shard]
    /// The run's output, which holds `records/`.
    package var records: ObjectStore
    /// The dataset's folder.
    package var output: String
    /// Merge an unfinished run: what is not there is counted as missing.
    package var partial: Bool
    /// Refuse records of different compute classes.
    package var strict: Bool
    package var teachers: [Teacher]
    /// Nil without a ledger: then records name each other, and the lowest epoch counts.
    package var committed: CommittedFile?

    package init(
        manifest: Manifest, stages: [Stage], shards: [Shard], records: ObjectStore, output: String,
        partial: Bool = false, strict: Bool = false, teachers: [Teacher], committed: CommittedFile? = nil
    ) {
        self.manifest = manifest
        self.stages = stages
        self.shards = shards
        self.records = records
        self.output = output
        self.partial = partial
        self.strict = strict
        self.teachers = teachers
        self.committed = committed
    }

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

/// How far a merge has come.
package struct MergeProgress: Sendable, Equatable {
    package var shards: Int
    package var shardsDone: Int
    /// Samples of the input seen so far, those of kept shards included.
    package var samples: Int
}
