import BolsterDataset
import BolsterDeterminism
import Glibc

extension Augmentation {
    /// Draws the parameters of one view of an image of that size. Equal arguments give equal parameters, on
    /// any machine; over many views they are distributed as torchvision 0.29 draws them, and the draws follow
    /// its order. Sizes are in pixels and positive.
    package func sample(
        width: Int, height: Int, seed: UInt64, key: String, view: Int
    ) -> AugmentationParameters {
        precondition(width > 0 && height > 0, "an image of \(width)×\(height) pixels")
        var random = CounterRandom(seed: seed, purpose: .augmentation, key: key, index: view)
        var size = AugmentationConfiguration.Size(height: height, width: width)
        var values: [ParameterValue] = []
        if let resize = configuration.resize {
            size = resize.size(from: size)
            values.append(resize.parameter)
        }
        if let crop = configuration.centerCrop { size = crop }
        if let crop = configuration.randomCrop {
            values.append(crop.sample(from: size, &random))
            size = crop.size
        }
        if let crop = configuration.randomResizedCrop {
            values.append(crop.sample(from: size, &random))
            size = crop.size
        }
        if let probability = configuration.horizontalFlip {
            values.append(.flag(Double(random.float()) < probability))
        }
        if let randAugment = configuration.randAugment {
            values.append(randAugment.sample(size: size, &random))
        }
        if let erase = configuration.randomErase { values.append(erase.sample(size: size, &random)) }
        return AugmentationParameters(values: values)
    }
}

extension CounterRandom {
    /// Uniform in [0, 1) with 24 bits, as `torch.rand` has in single precision.
    fileprivate mutating func float() -> Float { Float(next() >> 8) * 0x1p-24 }

    /// Uniform in single precision, as `torch.empty(1).uniform_(low, high)`.
    fileprivate mutating func float(from low: Float, to high: Float) -> Double {
        Double(float() * (high - low) + low)
    }

    /// exp of a uniform draw between the logarithms of the bounds: a log-uniform aspect ratio.
    fileprivate mutating func aspectRatio(in range: ClosedRange<Double>) -> Double {
        let low = Float(log(Double(Float(range.lowerBound))))
        let high = Float(log(Double(Float(range.upperBound))))
        return Double(Float(exp(float(from: low, to: high))))
    }
}

extension AugmentationConfiguration.Resize {
    fileprivate var parameter: ParameterValue {
        switch target {
        case .shorterSide(let length): .integer(length)
        case .exactly(let size): .list([.integer(size.height), .integer(size.width)])
        }
    }
}

extension AugmentationConfiguration.RandomCrop {
    /// How much torchvision pads on *each* side of an image that is too small.
    func padding(of size: AugmentationConfiguration.Size) -> AugmentationConfiguration.Size {
        guard padIfNeeded else { return AugmentationConfiguration.Size(height: 0, width: 0) }
        return AugmentationConfiguration.Size(
            height: max(0, self.size.height - size.height), width: max(0, self.size.width - size.width))
    }

    fileprivate func sample(
        from image: AugmentationConfiguration.Size, _ random: inout CounterRandom
    ) -> ParameterValue {
        let padding = padding(of: image)
        let height = image.height + 2 * padding.height
        let width = image.width + 2 * padding.width
        // Too small an image is refused when the parameters are applied.
        guard height >= size.height, width >= size.width, height > size.height || width > size.width else {
            return .list([.integer(0), .integer(0)])
        }
        let top = random.integer(below: height - size.height + 1)
        let left = random.integer(below: width - size.width + 1)
        return .list([.integer(top), .integer(left)])
    }
}

extension AugmentationConfiguration.RandomResizedCrop {
    /// Ten tries at a box of random area and aspect, then the largest centred box of a permitted aspect.
    fileprivate func sample(
        from image: AugmentationConfiguration.Size, _ random: inout CounterRandom
    ) -> ParameterValue {
        let area = Double(image.height * image.width)
        for _ in 0..<10 {
            let target = area * random.float(from: Float(scale.lowerBound), to: Float(scale.upperBound))
            let aspect = random.aspectRatio(in: ratio)
            let width = Int((target * aspect).squareRoot().rounded(.toNearestOrEven))
            let height = Int((target / aspect).squareRoot().rounded(.toNearestOrEven))
            guard width > 0, width <= image.width, height > 0, height <= image.height else { continue }
            let top = random.integer(below: image.height - height + 1)
            let left = random.integer(below: image.width - width + 1)
            return Self.box(top, left, height, width)
        }
        var (height, width) = (image.height, image.width)
        let aspect = Double(image.width) / Double(image.height)
        if aspect < ratio.lowerBound {
            height = Int((Double(width) / ratio.lowerBound).rounded(.toNearestOrEven))
        } else if aspect > ratio.upperBound {
            width = Int((Double(height) * ratio.upperBound).rounded(.toNearestOrEven))
        }
        return Self.box((image.height - height) / 2, (image.width - width) / 2, height, width)
    }

    private static func box(_ top: Int, _ left: Int, _ height: Int, _ width: Int) -> ParameterValue {
        .list([.integer(top), .integer(left), .integer(height), .integer(width)])
    }
}

extension AugmentationConfiguration.RandAugment {
    fileprivate func sample(
        size: AugmentationConfiguration.Size, _ random: inout CounterRandom
    ) -> ParameterValue {
        // The trainer passes over the whole transform only when the draw is above p.
        guard Double(random.float()) <= probability else { return .null }
        var drawn: [ParameterValue] = []
        for _ in 0..<operations {
            let operation = RandAugmentOperation.allCases[
                random.integer(below: RandAugmentOperation.allCases.count)]
            var magnitude = operation.magnitude(magnitude, of: magnitudeBins, size: size)
            if operation.isSigned, random.integer(below: 2) == 1 { magnitude *= -1 }
            drawn.append(.list([.integer(operation.rawValue), .float(magnitude)]))
        }
        return .list(drawn)
    }
}

extension AugmentationConfiguration.RandomErase {
    /// Ten tries at a rectangle smaller than the view; when all fail, the trainer erases everything.
    fileprivate func sample(
        size: AugmentationConfiguration.Size, _ random: inout CounterRandom
    ) -> ParameterValue {
        guard Double(random.float()) <= probability else { return .null }
        let area = Double(size.height * size.width)
        for _ in 0..<10 {
            let target = area * random.float(from: Float(scale.lowerBound), to: Float(scale.upperBound))
            let aspect = random.aspectRatio(in: ratio)
            let height = Int((target * aspect).squareRoot().rounded(.toNearestOrEven))
            let width = Int((target / aspect).squareRoot().rounded(.toNearestOrEven))
            guard height < size.height, width < size.width else { continue }
            let top = random.integer(below: size.height - height + 1)
            let left = random.integer(below: size.width - width + 1)
            return .list([.integer(top), .integer(left), .integer(height), .integer(width)])
        }
        return .list([.integer(0), .integer(0), .integer(size.height), .integer(size.width)])
    }
}
