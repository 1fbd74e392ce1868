import BolsterDataset
import CPixelKernels

/// The pixels of one view while flip, RandAugment and erasing change them.
struct ViewCanvas {
    private let view: UnsafeMutablePointer<UInt8>
    private let size: AugmentationConfiguration.Size
    private let workspace: Workspace
    /// Where the pixels are: in the view, or in a buffer of the workspace.
    private var current: UnsafeMutablePointer<UInt8>

    init(view: UnsafeMutablePointer<UInt8>, size: AugmentationConfiguration.Size, workspace: Workspace) {
        self.view = view
        self.size = size
        self.workspace = workspace
        self.current = view
    }

    private var width: Int32 { Int32(size.width) }
    private var height: Int32 { Int32(size.height) }
    private var count: Int { size.width * size.height }

    /// Applies what the configuration has of the three, with the values that are left.
    mutating func retouch(
        _ configuration: AugmentationConfiguration, _ values: inout ArraySlice<ParameterValue>
    ) throws(AugmentationError) {
        if configuration.horizontalFlip != nil { try flip(values.popFirst()) }
        if let randAugment = configuration.randAugment {
            try self.randAugment(randAugment, values.popFirst())
        }
        if configuration.randomErase != nil { try erase(values.popFirst()) }
        if current != view { view.update(from: current, count: count * 3) }
    }

    private func flip(_ value: ParameterValue?) throws(AugmentationError) {
        switch value {
        case .flag(true)?, .integer(1)?: pixel_flip(current, width, height)
        case .flag(false)?, .integer(0)?, .null?: return
        default:
            throw AugmentationError(
                .unusableParameters,
                "random_horizontal_flip has \(value?.json ?? "nothing"), expected true or false")
        }
    }

    private func erase(_ value: ParameterValue?) throws(AugmentationError) {
        if value == .null { return }
        guard let box = value?.box, box.top == -1 || min(box.top, box.left, box.height, box.width) >= 0 else {
            throw AugmentationError(
                .unusableParameters,
                "random_erase has \(value?.json ?? "nothing"), expected [top, left, height, width] or null")
        }
        // A row of -1 is how the trainer's data write "nothing".
        guard box.top >= 0 else { return }
        let limit = 1 << 30
        pixel_erase(
            current, width, height, Int64(min(box.top, limit)), Int64(min(box.left, limit)),
            Int64(min(box.height, limit)), Int64(min(box.width, limit)))
    }

    // MARK: RandAugment

    private mutating func randAugment(
        _ configuration: AugmentationConfiguration.RandAugment, _ value: ParameterValue?
    ) throws(AugmentationError) {
        if value == .null { return }
        guard case .list(let drawn)? = value, drawn.count >= configuration.operations else {
            throw AugmentationError(
                .unusableParameters,
                "rand_augment has \(value?.json ?? "nothing"), expected "
                    + "\(configuration.operations) operations"
            )
        }
        let paint = try Paint(configuration)
        for pair in drawn.prefix(configuration.operations) {
            guard case .list(let parts) = pair, parts.count == 2, let number = parts[0].integer,
                let operation = RandAugmentOperation(rawValue: number), let magnitude = parts[1].double,
                magnitude.isFinite, abs(magnitude) <= 1e6
            else {
                throw AugmentationError(
                    .unusableParameters,
                    "rand_augment has the operation \(pair.json), expected "
                        + "[0...13, a magnitude within ±1e6]")
            }
            try apply(operation, magnitude, paint)
        }
    }

    /// How geometric operations sample and fill.
    private struct Paint {
        let filter: pixel_filter
        let fill: (UInt8, UInt8, UInt8)

        init(_ configuration: AugmentationConfiguration.RandAugment) throws(AugmentationError) {
            switch configuration.interpolation {
            case .nearest, .bilinear, .bicubic: filter = configuration.interpolation.filter
            case .box, .hamming, .lanczos:
                throw AugmentationError(
                    .unusableParameters,
                    "rand_augment with interpolation \(configuration.interpolation.rawValue): "
                        + "Pillow transforms with nearest, bilinear or bicubic only")
            }
            guard let channels = configuration.fill else {
                fill = (0, 0, 0)
                return
            }
            guard channels.count == 1 || channels.count == 3 else {
                throw AugmentationError(
                    .unusableParameters, "rand_augment with \(channels.count) values of fill, expected 1 or 3"
                )
            }
            // The one value, or red, green and blue.
            fill = (
                Self.byte(channels[0]), Self.byte(channels[channels.count / 2]),
                Self.byte(channels[channels.count - 1])
            )
        }

        private static func byte(_ value: Double) -> UInt8 { UInt8(min(max(value, 0), 255)) }
    }

    private mutating func apply(
        _ operation: RandAugmentOperation, _ magnitude: Double, _ paint: Paint
    ) throws(AugmentationError) {
        let centre = (x: Double(size.width) * 0.5, y: Double(size.height) * 0.5)
        let factor = 1.0 + magnitude
        switch operation {
        case .identity: return
        case .shearX:
            let degrees = AffineMatrix.degrees(ofTangent: magnitude)
            try transform(AffineMatrix(shearX: degrees, centre: (0, 0)), paint)
        case .shearY:
            let degrees = AffineMatrix.degrees(ofTangent: magnitude)
            try transform(AffineMatrix(shearY: degrees, centre: (0, 0)), paint)
        case .translateX:
            try transform(AffineMatrix(moveX: magnitude.rounded(.towardZero), centre: centre), paint)
        case .translateY:
            try transform(AffineMatrix(moveY: magnitude.rounded(.towardZero), centre: centre), paint)
        case .rotate: try rotate(magnitude, paint)
        case .brightness: ToneTable.apply(to: current, count: count) { $0.blend(level: 0, factor: factor) }
        case .color: pixel_colour(current, count, Float(factor))
        case .contrast:
            let mean = Int(Double(pixel_luminance_sum(current, count)) / Double(count) + 0.5)
            ToneTable.apply(to: current, count: count) { $0.blend(level: UInt8(mean), factor: factor) }
        case .sharpness:
            let target = try otherBuffer()
            pixel_sharpen(current, target, width, height, Float(factor))
            current = target
        case .posterize:
            guard magnitude >= 1, magnitude < 9 else {
                throw AugmentationError(
                    .unusableParameters, "posterize to \(magnitude) bits, expected 1 to 8")
            }
            ToneTable.apply(to: current, count: count) { $0.posterize(to: Int(magnitude)) }
        case .solarize: ToneTable.apply(to: current, count: count) { $0.solarize(from: magnitude) }
        case .autoContrast:
            ToneTable.apply(to: current, count: count) { $0.autoContrast(of: current, count: count) }
        case .equalize: ToneTable.apply(to: current, count: count) { $0.equalize(current, count: count) }
        }
    }

    private mutating func transform(_ matrix: AffineMatrix, _ paint: Paint) throws(AugmentationError) {
        let target = try otherBuffer()
        withUnsafeBytes(of: matrix.values) { values in
            withUnsafeBytes(of: paint.fill) { fill in
                pixel_affine(
                    current, target, width, height, values.bindMemory(to: Double.self).baseAddress,
                    paint.filter,
                    fill.bindMemory(to: UInt8.self).baseAddress)
            }
        }
        current = target
    }

    private mutating func rotate(_ angle: Double, _ paint: Paint) throws(AugmentationError) {
        let target = try otherBuffer()
        withUnsafeBytes(of: paint.fill) { fill in
            pixel_rotate(
                current, target, width, height, angle, paint.filter,
                fill.bindMemory(to: UInt8.self).baseAddress)
        }
        current = target
    }

    /// The view when the pixels are in the workspace, otherwise the workspace's first image buffer: whatever
    /// lay there while the view was placed is no longer needed.
    private func otherBuffer() throws(AugmentationError) -> UnsafeMutablePointer<UInt8> {
        current == view ? try workspace.image(0, count * 3) : view
    }
}
