import BolsterDataset
import BolsterRecords

/// `config.json`: what MobileCLIP's training patch for OpenCLIP reads with
/// `--dataset-reinforcement-config`. It takes `reinforce.image_augmentation`, builds the transforms that
/// reapply the stored parameters from it, and replaces `normalize` by the student's, so that field is always
/// there. The other fields name what made the dataset, in the peer's words.
struct TrainerConfiguration {
    /// What to call the teachers, and where they came from; empty where it is not known.
    let models: [String]
    let pretrained: [String]
    let augmentation: AugmentationConfiguration
    let views: Int

    var json: JSONValue {
        var fields: [JSONValue.Field] = []
        if !models.isEmpty { fields.append(.init("model_name", .string(models.joined(separator: ",")))) }
        fields.append(.init("num_samples", .number(views)))
        if !pretrained.isEmpty {
            fields.append(.init("pretrained", .string(pretrained.joined(separator: ","))))
        }
        fields.append(.init("reinforce", .object([.init("image_augmentation", transforms)])))
        return .object(fields)
    }

    /// In the order in which the trainer applies them.
    private var transforms: JSONValue {
        let configuration = augmentation
        var fields: [JSONValue.Field] = []
        if configuration.uint8 { fields.append(.init("uint8", Self.enabled([]))) }
        if let resize = configuration.resize {
            let size: JSONValue =
                switch resize.target {
                case .shorterSide(let side): .number(side)
                case .exactly(let size): Self.pair(size)
                }
            let filter = Self.filter(resize.interpolation, default: .bilinear)
            fields.append(.init("resize", Self.enabled([.init("size", size)] + filter)))
        }
        if let crop = configuration.centerCrop {
            fields.append(.init("center_crop", Self.enabled([.init("size", Self.side(crop))])))
        }
        if let crop = configuration.randomCrop {
            let pad = JSONValue.Field("pad_if_needed", .bool(crop.padIfNeeded))
            fields.append(.init("random_crop", Self.enabled([.init("size", Self.side(crop.size)), pad])))
        }
        if let crop = configuration.randomResizedCrop {
            fields.append(
                .init(
                    "random_resized_crop",
                    Self.enabled([
                        .init("size", Self.side(crop.size)), .init("scale", Self.range(crop.scale)),
                        .init("ratio", Self.range(crop.ratio)),
                        // The one transform of the trainer that takes a filter by name.
                        .init("interpolation", .string(crop.interpolation.rawValue)),
                    ])))
        }
        if let probability = configuration.horizontalFlip {
            fields.append(
                .init("random_horizontal_flip", Self.enabled([.init("p", Self.number(probability))])))
        }
        if let settings = configuration.randAugment { fields.append(Self.randAugment(settings)) }
        if configuration.toRGB { fields.append(.init("to_rgb", Self.enabled([]))) }
        if configuration.toTensor { fields.append(.init("to_tensor", Self.enabled([]))) }
        if let erase = configuration.randomErase {
            fields.append(
                .init(
                    "random_erase",
                    Self.enabled([
                        .init("p", Self.number(erase.probability)), .init("scale", Self.range(erase.scale)),
                        .init("ratio", Self.range(erase.ratio)), .init("value", Self.number(erase.value)),
                    ])))
        }
        let normalize = configuration.normalize ?? Self.clipNormalize
        fields.append(
            .init(
                "normalize",
                .object([
                    .init("mean", .array(normalize.mean.map(Self.number))),
                    .init("std", .array(normalize.std.map(Self.number))),
                ])))
        return .object(fields)
    }

    /// CLIP's own mean and deviation (Radford et al. 2021), where the manifest states none.
    private static let clipNormalize = AugmentationConfiguration.Normalize(
        mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711])

    private static func randAugment(_ settings: AugmentationConfiguration.RandAugment) -> JSONValue.Field {
        var fields: [JSONValue.Field] = [
            .init("p", number(settings.probability)), .init("num_ops", .number(settings.operations)),
            .init("magnitude", .number(settings.magnitude)),
            .init("num_magnitude_bins", .number(settings.magnitudeBins)),
        ]
        fields += filter(settings.interpolation, default: .nearest)
        if let fill = settings.fill { fields.append(.init("fill", .array(fill.map(number)))) }
        return .init("rand_augment", enabled(fields))
    }

    private static func enabled(_ fields: [JSONValue.Field]) -> JSONValue {
        .object([.init("enable", .bool(true))] + fields)
    }

    /// A filter by Pillow's number, for torchvision's own transforms refuse names; nothing for the default.
    private static func filter(
        _ value: AugmentationConfiguration.Interpolation,
        default preset: AugmentationConfiguration.Interpolation
    ) -> [JSONValue.Field] {
        let number =
            switch value {
            case .nearest: 0
            case .lanczos: 1
            case .bilinear: 2
            case .bicubic: 3
            case .box: 4
            case .hamming: 5
            }
        return value == preset ? [] : [.init("interpolation", .number(number))]
    }

    private static func side(_ size: AugmentationConfiguration.Size) -> JSONValue {
        size.height == size.width ? .number(size.height) : pair(size)
    }

    private static func pair(_ size: AugmentationConfiguration.Size) -> JSONValue {
        .array([.number(size.height), .number(size.width)])
    }

    private static func range(_ range: ClosedRange<Double>) -> JSONValue {
        .array([number(range.lowerBound), number(range.upperBound)])
    }

    /// Swift and Python both print the shortest text that reads back as the same number.
    private static func number(_ value: Double) -> JSONValue { .number("\(value)") }
}
