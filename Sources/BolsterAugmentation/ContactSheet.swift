import BolsterDataset
import CPixelKernels

/// A picture of what an augmentation does to one image: the image with each view's crop box in a colour of
/// its own, and the views framed in the same colours.
///
///     +----------------+  +----+ +----+ +----+
///     |   image with   |  |view| |view| |view|
///     |     boxes      |  +----+ +----+ +----+
///     +----------------+  +----+ …
package struct ContactSheet {
    package let width: Int
    package let height: Int
    /// Height × width × 3 bytes.
    package private(set) var pixels: [UInt8]

    private static let margin = 8
    private static let frame = 3
    /// The longest side of the image, and of a view, on the sheet.
    private static let imageSide = 560
    private static let viewSide = 180
    private static let background: [UInt8] = [28, 28, 30]
    /// Told apart by eye, also by most who do not see all colours (Okabe and Ito, 2008).
    private static let colours: [[UInt8]] = [
        [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0],
        [204, 121, 167],
        [255, 255, 255],
    ]

    /// Draws `views` of `size`, made by `augmentation` with `parameters`. Throws `outOfMemory`.
    package init(
        of image: borrowing DecodedImage, augmentation: Augmentation, parameters: [AugmentationParameters],
        views: [[UInt8]], size: AugmentationConfiguration.Size
    ) throws(AugmentationError) {
        let step = Self.margin + 2 * Self.frame
        let whole = Self.fitted(.init(height: image.height, width: image.width), to: Self.imageSide)
        let cell = Self.fitted(size, to: Self.viewSide)
        // As many rows as stand beside the image, at least two, unless that makes the sheet too wide.
        let rowsBeside = max(2, whole.height / (cell.height + step))
        let columns = max(1, min(8, (views.count + rowsBeside - 1) / rowsBeside))
        let rows = (views.count + columns - 1) / columns
        width = 3 * Self.margin + whole.width + columns * (cell.width + step)
        height = 2 * Self.margin + max(whole.height, rows * (cell.height + step))
        pixels = (0..<width * height).flatMap { _ in Self.background }
        let workspace = Workspace()
        let shown = try Self.resized(image.region, to: whole, workspace)
        place(shown, whole, top: Self.margin, left: Self.margin)
        for (index, view) in views.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            if let box = augmentation.cropBox(of: parameters[index], width: image.width, height: image.height)
            {
                // Not one scale: the shorter side of a long image is never less than a pixel.
                let across = Double(whole.width) / Double(image.width)
                let down = Double(whole.height) / Double(image.height)
                outline(
                    top: Self.margin + Int(box.top * down), left: Self.margin + Int(box.left * across),
                    height: Int(box.height * down), width: Int(box.width * across), thickness: 2, colour)
            }
            let small = try view.withUnsafeBufferPointer { view throws(AugmentationError) in
                let region = pixel_region(
                    pixels: view.baseAddress, width: Int32(size.width), height: Int32(size.height),
                    stride: size.width * 3)
                return try Self.resized(region, to: cell, workspace)
            }
            let top = Self.margin + Self.frame + index / columns * (cell.height + step)
            let left = 2 * Self.margin + whole.width + Self.frame + index % columns * (cell.width + step)
            place(small, cell, top: top, left: left)
            outline(
                top: top - Self.frame, left: left - Self.frame, height: cell.height + 2 * Self.frame,
                width: cell.width + 2 * Self.frame, thickness: Self.frame, colour)
        }
    }

    private static func fitted(
        _ size: AugmentationConfiguration.Size, to side: Int
    ) -> AugmentationConfiguration.Size {
        let scale = min(1, Double(side) / Double(max(size.height, size.width)))
        return .init(
            height: max(1, Int(Double(size.height) * scale)), width: max(1, Int(Double(size.width) * scale)))
    }

    private static func resized(
        _ region: pixel_region, to size: AugmentationConfiguration.Size, _ workspace: Workspace
    ) throws(AugmentationError) -> [UInt8] {
        // Kernels may read behind a region: a copy in the workspace has room for that.
        let count = Int(region.width) * Int(region.height) * 3
        let source = try workspace.image(0, count)
        pixel_copy(region, source)
        let packed = pixel_region(
            pixels: UnsafePointer(source), width: region.width, height: region.height,
            stride: Int(region.width) * 3)
        var pixels = [UInt8](repeating: 0, count: size.height * size.width * 3)
        guard pixel_resize(packed, &pixels, pixel_window(whole: size), PIXEL_BICUBIC, workspace.handle) else {
            throw AugmentationError(.outOfMemory, "no memory for a contact sheet")
        }
        return pixels
    }

    private mutating func place(
        _ part: [UInt8], _ size: AugmentationConfiguration.Size, top: Int, left: Int
    ) {
        for row in 0..<size.height {
            let start = ((top + row) * width + left) * 3
            pixels.replaceSubrange(
                start..<start + size.width * 3, with: part[row * size.width * 3..<(row + 1) * size.width * 3])
        }
    }

    /// A rectangle's edge, inside its bounds; what leaves the sheet is not drawn.
    private mutating func outline(
        top: Int, left: Int, height boxHeight: Int, width boxWidth: Int, thickness: Int, _ colour: [UInt8]
    ) {
        let rows = (top..<top + max(1, boxHeight)).clamped(to: 0..<height)
        let columns = (left..<left + max(1, boxWidth)).clamped(to: 0..<width)
        for row in rows {
            for column in columns {
                let edge = min(
                    row - top, top + boxHeight - 1 - row, column - left, left + boxWidth - 1 - column)
                if edge < thickness {
                    pixels.replaceSubrange(
                        (row * width + column) * 3..<(row * width + column) * 3 + 3, with: colour)
                }
            }
        }
    }
}

extension Augmentation {
    /// The part of the image, in its own pixels, that a view's crop took; nil where nothing is cropped at
    /// random.
    package func cropBox(
        of parameters: AugmentationParameters, width: Int, height: Int
    ) -> (top: Double, left: Double, height: Double, width: Double)? {
        var size = AugmentationConfiguration.Size(height: height, width: width)
        var (scaleY, scaleX) = (1.0, 1.0)
        var (top, left) = (0.0, 0.0)
        if let resize = configuration.resize {
            size = resize.size(from: size)
            (scaleY, scaleX) = (Double(height) / Double(size.height), Double(width) / Double(size.width))
        }
        if let crop = configuration.centerCrop {
            top = Double(Placement.centre(crop.height, in: size.height))
            left = Double(Placement.centre(crop.width, in: size.width))
            size = crop
        }
        var found: (height: Int, width: Int)?
        for (name, value) in zip(parameterNames, parameters.values) {
            if name == "random_crop", let crop = configuration.randomCrop, let row = value.integer(at: 0),
                let column = value.integer(at: 1)
            {
                let padding = crop.padding(of: size)
                top += Double(row - padding.height)
                left += Double(column - padding.width)
                found = (crop.size.height, crop.size.width)
            } else if name == "random_resized_crop", let box = value.box {
                top += Double(box.top)
                left += Double(box.left)
                found = (box.height, box.width)
            }
        }
        guard let found else { return nil }
        return (top * scaleY, left * scaleX, Double(found.height) * scaleY, Double(found.width) * scaleX)
    }
}
