import BolsterDataset
import BolsterRecords

extension DatasetDescription {
    /// Of what a join has written, as far as the published set tells it.
    init(_ configuration: JoinConfiguration, _ report: JoinReport) {
        traits = DatasetTraits(configuration, report.form)
        coverage = report.coverage
        summary = report.summary
        making = [
            .init(
                "join",
                .object([
                    .init("by", .string(configuration.field.map { "uid \($0)" } ?? "key")),
                    .init("unpack_parameters", .bool(configuration.unpacksParameters)),
                ])),
            // In the words of a merge, so that one program reads both.
            .init(
                "merge",
                .object([
                    .init("format", .string(traits.format.rawValue)),
                    .init("layout", .string(traits.layout.rawValue)),
                    .init("embeddings", .string(traits.embeddings.rawValue)),
                    .init("images", .string("include")), .init("require", .string("all")),
                ])),
            .init("param_aug", .string(report.packedParameters > 0 ? "string" : "list")),
        ]
        trainer = report.form.map { form in
            configuration.trainer
                ?? TrainerConfiguration(
                    models: [], pretrained: [], augmentation: .published, views: form.views
                ).json
        }
    }
}

extension DatasetTraits {
    init(_ configuration: JoinConfiguration, _ form: PublishedForm?) {
        name = "\(configuration.name) with images"
        origin = "the reinforcements of\n\(configuration.name), joined with their images by Bolster"
        layout = form.flatMap { .init(rawValue: $0.layout) } ?? .datacompdr
        embeddings = form.flatMap { .init(rawValue: $0.embeddings) } ?? .npz
        includesImages = true
        captions =
            form?.columns.map {
                Captions(column: $0.name, count: $0.captions, isEmbedded: $0.isEmbedded)
            } ?? []
        let widths = form.map { configuration.teacherWidths ?? $0.teacherWidths } ?? []
        let names = configuration.trainer?["model_name"]?.text?.split(separator: ",").map(String.init) ?? []
        teachers = widths.enumerated().map { number, width in
            .init(name: names.count == widths.count ? names[number] : "teacher \(number)", width: width)
        }
        views = form?.views
        hasScores = false
        textsCountedEvery = ShardJoin.textsCountedEvery
    }
}

extension AugmentationConfiguration {
    /// That of DataCompDR and of DFNDR (MobileCLIP's training configurations, `datacompdr12m.json` and
    /// `datacompdr1b.json`).
    fileprivate static var published: AugmentationConfiguration {
        var augmentation = AugmentationConfiguration()
        augmentation.randomResizedCrop = .init(
            size: .init(height: 224, width: 224), interpolation: .bicubic)
        augmentation.randAugment = .init()
        augmentation.toRGB = true
        augmentation.toTensor = true
        return augmentation
    }
}
