/// How views of an image are made: the trainer's `reinforce.image_augmentation`, one optional value per
/// transform, nil where the transform is absent or `enable: false`. Plain data; the code that samples and
/// reapplies it is in BolsterAugmentation, the code that parses it beside the manifest.
package struct AugmentationConfiguration: Hashable, Sendable {
    /// The filters of Pillow's `Image.resize`, by torchvision's names.
    package enum Interpolation: String, CaseIterable, Sendable {
        case nearest, box, bilinear, hamming, bicubic, lanczos
    }

    /// A height and a width in pixels.
    package struct Size: Hashable, Sendable {
        package var height: Int
        package var width: Int
        package init(height: Int, width: Int) {
            self.height = height
            self.width = width
        }
    }

    package enum ResizeTarget: Hashable, Sendable {
        /// The shorter side gets this length, the other follows (torchvision's integer size).
        case shorterSide(Int)
        case exactly(Size)
    }

    package struct Resize: Hashable, Sendable {
        package var target: ResizeTarget
        package var interpolation: Interpolation
        package init(target: ResizeTarget, interpolation: Interpolation = .bilinear) {
            self.target = target
            self.interpolation = interpolation
        }
    }

    package struct RandomCrop: Hashable, Sendable {
        package var size: Size
        package var padIfNeeded: Bool
        package init(size: Size, padIfNeeded: Bool = false) {
            self.size = size
            self.padIfNeeded = padIfNeeded
        }
    }

    package struct RandomResizedCrop: Hashable, Sendable {
        package var size: Size
        package var scale: ClosedRange<Double>
        package var ratio: ClosedRange<Double>
        package var interpolation: Interpolation
        package init(
            size: Size, scale: ClosedRange<Double> = 0.08...1,
            ratio: ClosedRange<Double> = (3.0 / 4)...(4.0 / 3),
            interpolation: Interpolation = .bilinear
        ) {
            self.size = size
            self.scale = scale
            self.ratio = ratio
            self.interpolation = interpolation
        }
    }

    package struct RandAugment: Hashable, Sendable {
        package var probability: Double
        package var operations: Int
        package var magnitude: Int
        package var magnitudeBins: Int
        package var interpolation: Interpolation
        /// Red, green, blue of what a geometric operation uncovers; nil is torchvision's black.
        package var fill: [Double]?
        package init(
            probability: Double = 1, operations: Int = 2, magnitude: Int = 9, magnitudeBins: Int = 31,
            interpolation: Interpolation = .nearest, fill: [Double]? = nil
        ) {
            self.probability = probability
            self.operations = operations
            self.magnitude = magnitude
            self.magnitudeBins = magnitudeBins
            self.interpolation = interpolation
            self.fill = fill
        }
    }

    package struct RandomErase: Hashable, Sendable {
        package var probability: Double
        package var scale: ClosedRange<Double>
        package var ratio: ClosedRange<Double>
        package var value: Double
        package init(
            probability: Double = 0.5, scale: ClosedRange<Double> = 0.02...0.33,
            ratio: ClosedRange<Double> = 0.3...3.3, value: Double = 0
        ) {
            self.probability = probability
            self.scale = scale
            self.ratio = ratio
            self.value = value
        }
    }

    package struct Normalize: Hashable, Sendable {
        package var mean: [Double]
        package var std: [Double]
        package init(mean: [Double], std: [Double]) {
            self.mean = mean
            self.std = std
        }
    }

    package var uint8 = false
    package var resize: Resize?
    package var centerCrop: Size?
    package var randomCrop: RandomCrop?
    package var randomResizedCrop: RandomResizedCrop?
    /// The probability of `random_horizontal_flip`.
    package var horizontalFlip: Double?
    package var randAugment: RandAugment?
    package var toTensor = false
    package var toRGB = false
    package var randomErase: RandomErase?
    package var normalize: Normalize?

    package init() {}

    /// The pixels of a view, nil where nothing in the configuration fixes them (an aspect-keeping resize
    /// without a crop).
    package var outputSize: Size? {
        if let randomResizedCrop { return randomResizedCrop.size }
        if let randomCrop { return randomCrop.size }
        if let centerCrop { return centerCrop }
        if case .exactly(let size)? = resize?.target { return size }
        return nil
    }
}
