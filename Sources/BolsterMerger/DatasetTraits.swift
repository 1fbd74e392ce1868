import BolsterDataset

/// What holds for all samples of a dataset, however it was made: what its card, its info.json and the names
/// of its shards say.
struct DatasetTraits {
    struct Captions {
        var column: String
        /// Per image.
        var count: Int
        /// Whether the dataset holds their embeddings.
        var isEmbedded: Bool
    }

    var name: String
    /// How it was made; completes "samples in shards, …".
    var origin: String
    var format = Manifest.MergeSettings.Format.webdataset
    var layout: Manifest.MergeSettings.Layout
    var embeddings: Manifest.MergeSettings.Embeddings
    var includesImages: Bool
    /// In stored order.
    var captions: [Captions]
    /// Empty without embeddings.
    var teachers: [MergeConfiguration.Teacher]
    /// Nil without embeddings.
    var views: Int?
    var hasScores: Bool
    /// Texts are counted in the first of so many samples.
    var textsCountedEvery = 1

    /// The width of the concatenated embeddings.
    var width: Int { teachers.reduce(0) { $0 + $1.width } }
}

extension Manifest.MergeSettings.Format {
    /// What a shard is called.
    func fileName(_ shard: String) -> String {
        switch self {
        case .webdataset: "\(shard).tar"
        case .jsonl: "\(shard).jsonl"
        }
    }
}

extension DatasetTraits {
    /// Of what a merge writes.
    init(_ configuration: MergeConfiguration) {
        let manifest = configuration.manifest
        name = manifest.name
        origin =
            "reinforced by Bolster from the\nmanifest \"\(manifest.name)\" with seed \(manifest.seed)"
        format = manifest.merge.format
        layout = manifest.merge.layout
        embeddings = manifest.merge.embeddings
        includesImages = manifest.merge.images == .include
        captions = manifest.mergedCaptioners.map {
            Captions(column: $0.column, count: $0.captions, isEmbedded: manifest.embeds($0))
        }
        teachers = configuration.teachers
        views = manifest.mergedViews
        hasScores = manifest.ensemble != nil
    }
}
