import BolsterDataset
import CPixelKernels

extension Augmentation {
    /// Makes the view that `parameters` describe: height × width × 3 bytes of `viewSize`, red first, rows
    /// without padding, written to the start of `view`. Parameters may come from `sample`, from our records
    /// or from a published data set. Throws `unusableParameters`, `imageTooSmall` or `outOfMemory`.
    package func reapply(
        _ parameters: AugmentationParameters, to image: borrowing DecodedImage,
        into view: UnsafeMutableRawBufferPointer
    ) throws(AugmentationError) {
        let size = viewSize(width: image.width, height: image.height)
        precondition(view.count >= size.height * size.width * 3, "a view needs height × width × 3 bytes")
        guard let base = view.bindMemory(to: UInt8.self).baseAddress else { return }
        let workspace = workspaces.take()
        defer { workspaces.giveBack(workspace) }
        try make(parameters, image.region, base, size, workspace)
    }

    /// Lends the same view to `body`, in memory that is kept for the next: for callers who want nothing but
    /// the planes that a `PlaneWriter` makes of it.
    package func withView<Result>(
        _ parameters: AugmentationParameters, of image: borrowing DecodedImage,
        _ body: (UnsafeRawBufferPointer) throws(AugmentationError) -> Result
    ) throws(AugmentationError) -> Result {
        let size = viewSize(width: image.width, height: image.height)
        let workspace = workspaces.take()
        defer { workspaces.giveBack(workspace) }
        let count = size.height * size.width * 3
        let view = try workspace.image(2, count)
        try make(parameters, image.region, view, size, workspace)
        return try body(UnsafeRawBufferPointer(start: view, count: count))
    }

    private func make(
        _ parameters: AugmentationParameters, _ image: pixel_region, _ view: UnsafeMutablePointer<UInt8>,
        _ size: AugmentationConfiguration.Size, _ workspace: Workspace
    ) throws(AugmentationError) {
        guard parameters.values.count == parameterNames.count else {
            throw AugmentationError(
                .unusableParameters,
                "\(parameters.json.prefix(200)) has \(parameters.values.count) values, the configuration has "
                    + "\(parameterNames.count) transforms with parameters: "
                    + parameterNames.joined(separator: ", ")
            )
        }
        var values = parameters.values[...]
        try place(image, &values, view, size, workspace)
        var canvas = ViewCanvas(view: view, size: size, workspace: workspace)
        try canvas.retouch(configuration, &values)
    }

    /// The transforms that choose and scale a part of the image, from the image to the view.
    private func place(
        _ image: pixel_region, _ values: inout ArraySlice<ParameterValue>,
        _ view: UnsafeMutablePointer<UInt8>,
        _ size: AugmentationConfiguration.Size, _ workspace: Workspace
    ) throws(AugmentationError) {
        var placement = Placement(region: image, workspace: workspace)
        if let resize = configuration.resize {
            // The trainer resizes as configured, whatever the parameter says.
            _ = values.popFirst()
            let size = resize.size(from: placement.size)
            try placement.resize(to: size, resize.interpolation)
        }
        if let crop = configuration.centerCrop { try placement.centerCrop(crop) }
        if let crop = configuration.randomCrop {
            try placement.randomCrop(crop, values.popFirst())
        }
        if let crop = configuration.randomResizedCrop {
            try placement.cropToBox(values.popFirst())
            try placement.resize(to: crop.size, crop.interpolation, into: view)
        }
        guard placement.size == size else {
            throw AugmentationError(
                .imageTooSmall, "the view has \(placement.size), the configuration makes \(size)")
        }
        if placement.region.pixels != UnsafePointer(view) { pixel_copy(placement.region, view) }
    }
}

/// A part of an image on its way to a view's size.
struct Placement {
    var region: pixel_region
    let workspace: Workspace
    /// Which of the workspace's image buffers `region` does not lie in.
    private var free: Int32 = 0

    init(region: pixel_region, workspace: Workspace) {
        self.region = region
        self.workspace = workspace
    }

    var size: AugmentationConfiguration.Size {
        AugmentationConfiguration.Size(height: Int(region.height), width: Int(region.width))
    }

    mutating func resize(
        to size: AugmentationConfiguration.Size, _ interpolation: AugmentationConfiguration.Interpolation,
        into view: UnsafeMutablePointer<UInt8>? = nil
    ) throws(AugmentationError) {
        try Self.check(height: size.height, width: size.width)
        guard view != nil || size != self.size else { return }
        let target: UnsafeMutablePointer<UInt8>
        if let view { target = view } else { target = try nextBuffer(size) }
        guard
            pixel_resize(region, target, pixel_window(whole: size), interpolation.filter, workspace.handle)
        else {
            throw AugmentationError(
                .outOfMemory, "no memory to resize to \(size.width)×\(size.height) pixels")
        }
        moveTo(target, size)
    }

    /// torchvision's `center_crop`, which pads with black where the image is smaller.
    mutating func centerCrop(_ crop: AugmentationConfiguration.Size) throws(AugmentationError) {
        try self.crop(
            top: Self.centre(crop.height, in: size.height), left: Self.centre(crop.width, in: size.width),
            crop)
    }

    /// Where a centred crop begins: halves are rounded to even, and down where the side is padded.
    static func centre(_ crop: Int, in side: Int) -> Int {
        if crop > side { return -((crop - side) / 2) }
        return Int((Double(side - crop) / 2).rounded(.toNearestOrEven))
    }

    mutating func randomCrop(
        _ crop: AugmentationConfiguration.RandomCrop, _ value: ParameterValue?
    ) throws(AugmentationError) {
        guard let top = value?.integer(at: 0), let left = value?.integer(at: 1) else {
            throw AugmentationError(
                .unusableParameters, "random_crop has \(value?.json ?? "nothing"), expected [top, left]")
        }
        let padding = crop.padding(of: size)
        if size.height + 2 * padding.height < crop.size.height
            || size.width + 2 * padding.width < crop.size.width
        {
            throw AugmentationError(
                .imageTooSmall,
                "a random_crop of \(crop.size.width)×\(crop.size.height) does not fit into an image of "
                    + "\(size.width)×\(size.height) pixels; pad_if_needed would pad it")
        }
        guard top.magnitude <= Self.offsetMax, left.magnitude <= Self.offsetMax else {
            throw AugmentationError(.unusableParameters, "a random_crop at row \(top), column \(left)")
        }
        try self.crop(top: top - padding.height, left: left - padding.width, crop.size)
    }

    /// Narrows the region to the box [top, left, height, width] of a random resized crop.
    mutating func cropToBox(_ value: ParameterValue?) throws(AugmentationError) {
        guard let box = value?.box else {
            throw AugmentationError(
                .unusableParameters,
                "random_resized_crop has \(value?.json ?? "nothing"), expected [top, left, height, width]")
        }
        try crop(
            top: box.top, left: box.left,
            AugmentationConfiguration.Size(height: box.height, width: box.width))
    }

    /// The box at (top, left), black where it leaves the image, as Pillow crops.
    private mutating func crop(
        top: Int, left: Int, _ crop: AugmentationConfiguration.Size
    ) throws(AugmentationError) {
        try Self.check(height: crop.height, width: crop.width)
        guard top.magnitude <= Self.offsetMax, left.magnitude <= Self.offsetMax else {
            throw AugmentationError(.unusableParameters, "a crop at row \(top), column \(left)")
        }
        if top >= 0, left >= 0, top + crop.height <= size.height, left + crop.width <= size.width {
            region.pixels += top * region.stride + left * 3
            region.height = Int32(crop.height)
            region.width = Int32(crop.width)
            return
        }
        let target = try nextBuffer(crop)
        pixel_crop(region, Int64(top), Int64(left), Int32(crop.height), Int32(crop.width), target)
        moveTo(target, crop)
    }

    private static let offsetMax = 1 << 30
    /// Pillow refuses more.
    private static let pixelsMax = 178_956_970

    private static func check(height: Int, width: Int) throws(AugmentationError) {
        let pixels = height.multipliedReportingOverflow(by: width)
        guard height > 0, width > 0, !pixels.overflow, pixels.partialValue <= pixelsMax else {
            throw AugmentationError(
                .unusableParameters,
                "a crop or size of \(width)×\(height) pixels, expected 1 to \(pixelsMax) in all")
        }
    }

    private func nextBuffer(
        _ size: AugmentationConfiguration.Size
    ) throws(AugmentationError) -> UnsafeMutablePointer<UInt8> {
        try workspace.image(free, size.height * size.width * 3)
    }

    private mutating func moveTo(
        _ pixels: UnsafeMutablePointer<UInt8>, _ size: AugmentationConfiguration.Size
    ) {
        region = pixel_region(
            pixels: UnsafePointer(pixels), width: Int32(size.width), height: Int32(size.height),
            stride: size.width * 3)
        free = 1 - free
    }
}

extension pixel_window {
    /// All of an image resized to that size.
    init(whole size: AugmentationConfiguration.Size) {
        self.init(
            full_width: Int32(size.width), full_height: Int32(size.height), left: 0, top: 0,
            width: Int32(size.width), height: Int32(size.height))
    }
}

extension ParameterValue {
    /// The whole number at a position of a list; nil for anything else.
    func integer(at position: Int) -> Int? {
        guard case .list(let values) = self, position < values.count else { return nil }
        return values[position].integer
    }

    /// [top, left, height, width] as whole numbers; nil for anything else.
    var box: (top: Int, left: Int, height: Int, width: Int)? {
        guard case .list(let values) = self, values.count == 4, let top = values[0].integer,
            let left = values[1].integer, let height = values[2].integer, let width = values[3].integer
        else { return nil }
        return (top, left, height, width)
    }
}
