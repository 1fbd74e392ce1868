import BolsterDataset
import CPixelKernels

/// How a captioner's image is prepared, without chance: Pillow's resize and a centre crop, as OpenCLIP's
/// `image_transform(is_train=False)` does. The size of the result is `imageSize` × `imageSize`.
package struct EvaluationTransform: Sendable {
    package enum ResizeMode: Sendable {
        /// The shorter side becomes `imageSize`, then the centre is cut out.
        case shortest
        /// Both sides become `imageSize`.
        case squash
    }

    private let resize: AugmentationConfiguration.Resize
    private let workspaces = WorkspacePool()
    package let imageSize: Int

    package init(
        imageSize: Int, interpolation: AugmentationConfiguration.Interpolation = .bicubic,
        resizeMode: ResizeMode = .shortest
    ) {
        precondition(imageSize > 0, "an image size of \(imageSize)")
        let target: AugmentationConfiguration.ResizeTarget =
            switch resizeMode {
            case .shortest: .shorterSide(imageSize)
            case .squash: .exactly(AugmentationConfiguration.Size(height: imageSize, width: imageSize))
            }
        self.resize = AugmentationConfiguration.Resize(target: target, interpolation: interpolation)
        self.imageSize = imageSize
    }

    /// Writes imageSize × imageSize × 3 bytes. Computes only the part that is cut out, so that the cost is
    /// bounded for an image of any aspect; without memory for that the process ends.
    package func apply(to image: borrowing DecodedImage, into view: UnsafeMutableRawBufferPointer) {
        precondition(view.count >= imageSize * imageSize * 3, "imageSize × imageSize × 3 bytes are written")
        guard let pixels = view.bindMemory(to: UInt8.self).baseAddress else { return }
        let workspace = workspaces.take()
        defer { workspaces.giveBack(workspace) }
        resize(image, into: pixels, workspace)
    }

    /// Lends the same bytes to `body`, in memory that is kept for the next image.
    package func withView<Result>(
        of image: borrowing DecodedImage,
        _ body: (UnsafeRawBufferPointer) throws(AugmentationError) -> Result
    ) throws(AugmentationError) -> Result {
        let workspace = workspaces.take()
        defer { workspaces.giveBack(workspace) }
        let count = imageSize * imageSize * 3
        let view = try workspace.image(2, count)
        resize(image, into: view, workspace)
        return try body(UnsafeRawBufferPointer(start: view, count: count))
    }

    private func resize(
        _ image: borrowing DecodedImage, into pixels: UnsafeMutablePointer<UInt8>, _ workspace: Workspace
    ) {
        let full = resize.size(from: AugmentationConfiguration.Size(height: image.height, width: image.width))
        let window = pixel_window(
            full_width: Int32(clamping: full.width), full_height: Int32(clamping: full.height),
            left: Int32(clamping: Placement.centre(imageSize, in: full.width)),
            top: Int32(clamping: Placement.centre(imageSize, in: full.height)), width: Int32(imageSize),
            height: Int32(imageSize))
        guard pixel_resize(image.region, pixels, window, resize.interpolation.filter, workspace.handle) else {
            fatalError("out of memory while resizing an image of \(image.width)×\(image.height) pixels")
        }
    }
}
