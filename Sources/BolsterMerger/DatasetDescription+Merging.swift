import BolsterDataset
import BolsterRecords

extension DatasetDescription {
    /// Of what a merge has written.
    init(_ configuration: MergeConfiguration, coverage: Coverage) {
        let manifest = configuration.manifest
        traits = DatasetTraits(configuration)
        self.coverage = coverage
        summary = coverage.summary
        making = [
            .init("seed", .number(String(manifest.seed))), .init("chunk", .number(manifest.chunk)),
            .init("merge", Self.settings(configuration)),
            .init(
                "stages",
                .object(configuration.stages.map { .init($0.id.name, .string($0.fingerprint.hex)) })),
            .init("store", manifest.ensemble.map { .string($0.store.rawValue) } ?? .null),
        ]
        trainer = manifest.ensemble.map { ensemble in
            TrainerConfiguration(
                models: configuration.teachers.map(\.name), pretrained: ensemble.teachers,
                augmentation: ensemble.augmentation, views: manifest.mergedViews ?? ensemble.views
            ).json
        }
    }

    /// Everything that the manifest's `merge` decided.
    private static func settings(_ configuration: MergeConfiguration) -> JSONValue {
        let merge = configuration.manifest.merge
        let require: JSONValue =
            switch merge.require {
            case .all: .string("all")
            case .stages(let ids): .array(ids.map { .string($0.name) })
            }
        let keep: JSONValue? = configuration.keep.map {
            .object([.init("field", .string($0.field)), .init("sha256", .string($0.uids.digest.hex))])
        }
        return .object([
            .init("format", .string(merge.format.rawValue)), .init("layout", .string(merge.layout.rawValue)),
            .init("embeddings", .string(merge.embeddings.rawValue)),
            .init("images", .string(merge.images.rawValue)), .init("require", require),
            .init("keep_uids", keep ?? .null),
            .init("minimum_score", merge.minimumScore.map { .number("\($0)") } ?? .null),
            .init("captions", merge.captions.map { .string($0) } ?? .null),
            .init("views", merge.views.map { .number($0) } ?? .null),
        ])
    }
}
