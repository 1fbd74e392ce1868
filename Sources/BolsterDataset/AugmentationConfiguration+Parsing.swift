/// The trainer's `reinforce.image_augmentation`, word for word. Its keys are the transforms, each a mapping
/// of that transform's arguments and `enable` (default true); arguments left out have torchvision's defaults.
extension AugmentationConfiguration {
    /// Reads a YAML or JSON text that holds the configuration, alone or within the trainer's wrapper.
    /// Throws every mistake at once.
    package static func parse(_ text: String, file: String) throws(ManifestErrors)
        -> AugmentationConfiguration
    {
        var reader = YAMLReader(file: file)
        var configuration: AugmentationConfiguration?
        if var value = reader.document(text) {
            for wrapper in ["reinforce", "image_augmentation"] {
                guard let inner = value.node[wrapper] else { continue }
                value = YAMLValue(node: inner, path: value.child(wrapper))
            }
            configuration = AugmentationConfiguration(value, &reader)
        }
        guard let configuration, reader.mistakes.isEmpty else { throw ManifestErrors(reader.mistakes) }
        return configuration
    }

    private static let transforms = [
        "uint8", "resize", "center_crop", "random_crop", "random_resized_crop", "random_horizontal_flip",
        "rand_augment", "to_tensor", "to_rgb", "random_erase", "normalize",
    ]
    /// Transforms that the trainer knows and that no view can have yet; they may stand there disabled.
    private static let unsupportedTransforms = [
        "auto_augment", "trivial_augment_wide", "timm_resize_crop_norm", "mixup", "cutmix",
    ]

    /// OpenCLIP's, which is OpenAI's.
    package static let openCLIPMean = [0.48145466, 0.4578275, 0.40821073]
    package static let openCLIPStd = [0.26862954, 0.26130258, 0.27577711]

    init?(_ value: YAMLValue, _ reader: inout YAMLReader) {
        self.init()
        guard let mapping = reader.mapping(value, keys: Self.transforms + Self.unsupportedTransforms) else {
            return nil
        }
        for name in Self.unsupportedTransforms {
            guard let value = mapping[name], value.node["enable"]?.bool != false else { continue }
            reader.reportUnsupported(
                value, "the transform '\(name)'", "leave it out, or give it 'enable: false'")
        }
        uint8 = Self.bare("uint8", mapping, &reader)
        toTensor = Self.bare("to_tensor", mapping, &reader)
        toRGB = Self.bare("to_rgb", mapping, &reader)
        resize = Self.read("resize", ["size", "interpolation"], mapping, &reader, Self.resize)
        centerCrop = Self.read("center_crop", ["size"], mapping, &reader, Self.size)
        randomCrop = Self.read("random_crop", ["size", "pad_if_needed"], mapping, &reader) { fields, reader in
            guard let size = Self.size(fields, &reader) else { return nil }
            return RandomCrop(size: size, padIfNeeded: reader.flag(fields, "pad_if_needed", default: false))
        }
        randomResizedCrop = Self.read(
            "random_resized_crop", ["size", "scale", "ratio", "interpolation"], mapping, &reader,
            Self.randomResizedCrop)
        horizontalFlip = Self.read("random_horizontal_flip", ["p"], mapping, &reader) { fields, reader in
            reader.number(fields, "p", in: 0...1, default: 0.5)
        }
        randAugment = Self.read(
            "rand_augment", ["p", "num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill"],
            mapping,
            &reader, Self.randAugment)
        randomErase = Self.read(
            "random_erase", ["p", "scale", "ratio", "value"], mapping, &reader, Self.randomErase)
        normalize = Self.read("normalize", ["mean", "std"], mapping, &reader) { fields, reader in
            Normalize(
                mean: Self.channels("mean", fields, &reader, in: -10...10) ?? Self.openCLIPMean,
                std: Self.channels("std", fields, &reader, in: 1e-6...10) ?? Self.openCLIPStd)
        }
    }

    // MARK: One transform

    /// A transform's arguments, read by `make` even where it is disabled, so that its mistakes show.
    private static func read<Transform>(
        _ name: String, _ keys: [String], _ mapping: YAMLMapping, _ reader: inout YAMLReader,
        _ make: (YAMLMapping, inout YAMLReader) -> Transform?
    ) -> Transform? {
        guard let value = mapping[name], let fields = reader.mapping(value, keys: ["enable"] + keys) else {
            return nil
        }
        let isEnabled = reader.flag(fields, "enable", default: true)
        let transform = make(fields, &reader)
        return isEnabled ? transform : nil
    }

    private static func bare(_ name: String, _ mapping: YAMLMapping, _ reader: inout YAMLReader) -> Bool {
        read(name, [], mapping, &reader) { _, _ in true } ?? false
    }

    private static func resize(_ fields: YAMLMapping, _ reader: inout YAMLReader) -> Resize? {
        let interpolation = interpolation(fields, &reader, default: .bilinear)
        guard let lengths = lengths(fields, &reader) else { return nil }
        return Resize(
            target: lengths.count == 1
                ? .shorterSide(lengths[0]) : .exactly(Size(height: lengths[0], width: lengths[1])),
            interpolation: interpolation)
    }

    private static func randomResizedCrop(
        _ fields: YAMLMapping, _ reader: inout YAMLReader
    ) -> RandomResizedCrop? {
        let scale = pair("scale", fields, &reader, in: 1e-6...1, default: 0.08...1)
        let ratio = pair("ratio", fields, &reader, in: 1e-3...1000, default: (3.0 / 4)...(4.0 / 3))
        let interpolation = interpolation(fields, &reader, default: .bilinear)
        guard let size = size(fields, &reader) else { return nil }
        return RandomResizedCrop(size: size, scale: scale, ratio: ratio, interpolation: interpolation)
    }

    private static func randAugment(_ fields: YAMLMapping, _ reader: inout YAMLReader) -> RandAugment? {
        let bins = reader.integer(fields, "num_magnitude_bins", in: 2...1000, default: 31)
        return RandAugment(
            probability: reader.number(fields, "p", in: 0...1, default: 1),
            operations: reader.integer(fields, "num_ops", in: 0...16, default: 2),
            magnitude: reader.integer(fields, "magnitude", in: 0...(bins - 1), default: min(9, bins - 1)),
            magnitudeBins: bins,
            interpolation: interpolation(fields, &reader, default: .nearest),
            fill: fill(fields, &reader))
    }

    private static func randomErase(_ fields: YAMLMapping, _ reader: inout YAMLReader) -> RandomErase? {
        if let value = fields["value"], reader.number(value, in: 0...0) == nil {
            reader.report(
                value, "the trainer erases with 0 whatever stands here, and a teacher must see the same")
        }
        return RandomErase(
            probability: reader.number(fields, "p", in: 0...1, default: 0.5),
            scale: pair("scale", fields, &reader, in: 0...1, default: 0.02...0.33),
            ratio: pair("ratio", fields, &reader, in: 1e-3...1000, default: 0.3...3.3))
    }

    // MARK: Arguments

    /// One length or two: "224", "[224]" or "[height, width]".
    private static func lengths(_ fields: YAMLMapping, _ reader: inout YAMLReader) -> [Int]? {
        let expected = "the size in pixels: a whole number from 1 to 4096, or [height, width]"
        guard let value = fields["size"] else {
            reader.reportMissing("size", in: fields, expected: expected)
            return nil
        }
        let parts: [Int?] =
            if let number = value.node.int { [number] } else { value.node.array().map(\.int) }
        let lengths = parts.compactMap { $0 }.filter { (1...4096).contains($0) }
        guard (1...2).contains(parts.count), lengths.count == parts.count else {
            reader.report(value, expected: expected)
            return nil
        }
        return lengths
    }

    private static func size(_ fields: YAMLMapping, _ reader: inout YAMLReader) -> Size? {
        guard let lengths = lengths(fields, &reader), let height = lengths.first, let width = lengths.last
        else { return nil }
        return Size(height: height, width: width)
    }

    /// A rising pair of numbers.
    private static func pair(
        _ key: String, _ fields: YAMLMapping, _ reader: inout YAMLReader, in range: ClosedRange<Double>,
        default preset: ClosedRange<Double>
    ) -> ClosedRange<Double> {
        guard let value = fields[key] else { return preset }
        let numbers = value.node.array().compactMap(\.float)
        guard value.node.array().count == 2, numbers.count == 2, numbers[0] <= numbers[1],
            numbers.allSatisfy(range.contains)
        else {
            reader.report(value, expected: "[low, high] between \(range.lowerBound) and \(range.upperBound)")
            return preset
        }
        return numbers[0]...numbers[1]
    }

    /// Three numbers, red, green and blue.
    private static func channels(
        _ key: String, _ fields: YAMLMapping, _ reader: inout YAMLReader, in range: ClosedRange<Double>
    ) -> [Double]? {
        guard let value = fields[key] else { return nil }
        let numbers = value.node.array().compactMap(\.float).filter(range.contains)
        guard numbers.count == 3, value.node.array().count == 3 else {
            reader.report(
                value, expected: "[red, green, blue], each from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return numbers
    }

    /// Absent or null (black), one number for all channels, or three.
    private static func fill(_ fields: YAMLMapping, _ reader: inout YAMLReader) -> [Double]? {
        guard let value = fields["fill"], value.node.null == nil else { return nil }
        if let number = value.node.float, (0...255).contains(number) { return [number, number, number] }
        return channels("fill", fields, &reader, in: 0...255)
    }

    private static func interpolation(
        _ fields: YAMLMapping, _ reader: inout YAMLReader, default preset: Interpolation
    ) -> Interpolation {
        // Another of the trainer's names for the same filter.
        if fields["interpolation"]?.node.string == "cubic" { return .bicubic }
        return reader.choice(fields, "interpolation", default: preset)
    }
}
