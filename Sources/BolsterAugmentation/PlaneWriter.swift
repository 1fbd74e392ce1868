import BolsterDataset
import CPixelKernels

/// Writes 8-bit views as one model's input, straight to where the caller wants them: a row of the batch that
/// the model will read. Normalised as the model's package says (`PixelNormalizer`); where the model's images
/// are smaller than the views, the normalised planes are interpolated bicubically from the view itself, bit
/// for bit as PyTorch's `interpolate` does on a CPU with fused multiply-add.
///
/// Any number of threads may use one writer. Once each has written a view, nothing is allocated.
package struct PlaneWriter: Sendable {
    /// A model's numbers. Those of 16 bits are single-precision values rounded to the nearest, ties to even.
    package enum Format: Sendable, CaseIterable {
        case float32
        /// IEEE 754 binary16: PyTorch's `.half()`.
        case float16
        /// The upper half of a single-precision value: PyTorch's `.bfloat16()`.
        case bfloat16

        /// Bytes of one value.
        package var width: Int { self == .float32 ? 4 : 2 }

        fileprivate var kernels: pixel_format {
            switch self {
            case .float32: PIXEL_FLOAT32
            case .float16: PIXEL_FLOAT16
            case .bfloat16: PIXEL_BFLOAT16
            }
        }
    }

    package let viewSize: AugmentationConfiguration.Size
    /// Height and width of a plane.
    package let imageSize: Int
    package let format: Format
    private let normalizer: PixelNormalizer
    /// Nil where a view has the model's size.
    private let interpolation: Interpolation?
    private let workspaces = WorkspacePool()

    /// Weights and positions of all rows and columns, shared by all copies.
    private final class Interpolation: @unchecked Sendable {
        // Unchecked: made in init, never changed, freed in deinit.
        let plan: OpaquePointer

        init(from view: AugmentationConfiguration.Size, to side: Int) {
            let side = Int32(side)
            guard let plan = pixel_interpolation_create(Int32(view.height), Int32(view.width), side, side)
            else { fatalError("out of memory for the weights of \(side) rows and columns") }
            self.plan = plan
        }

        deinit { pixel_interpolation_free(plan) }
    }

    /// - Parameters:
    ///   - mean: for each channel, of pixels from 0 to 1; `std` likewise.
    ///   - viewSize: of the views that will come.
    ///   - imageSize: height and width of the model's images, in pixels.
    package init(
        mean: [Double], std: [Double], viewSize: AugmentationConfiguration.Size, imageSize: Int,
        format: Format
    ) {
        self.init(PixelNormalizer(mean: mean, std: std), viewSize, imageSize, format)
    }

    fileprivate init(
        _ normalizer: PixelNormalizer, _ viewSize: AugmentationConfiguration.Size, _ imageSize: Int,
        _ format: Format
    ) {
        precondition(imageSize > 0 && viewSize.height > 0 && viewSize.width > 0, "a size of no pixels")
        self.viewSize = viewSize
        self.imageSize = imageSize
        self.format = format
        self.normalizer = normalizer
        let same = viewSize.height == imageSize && viewSize.width == imageSize
        interpolation = same ? nil : Interpolation(from: viewSize, to: imageSize)
    }

    /// Bytes of one view's planes: 3 × imageSize × imageSize values.
    package var byteCount: Int { 3 * imageSize * imageSize * format.width }

    /// Writes [3, imageSize, imageSize] to the start of `planes`, which is aligned to a value.
    ///
    /// - Parameter view: height × width × 3 bytes of `viewSize`, as `Augmentation` makes them.
    package func write(
        _ view: UnsafeRawBufferPointer, to planes: UnsafeMutableRawBufferPointer
    ) throws(AugmentationError) {
        precondition(view.count >= viewSize.height * viewSize.width * 3, "a view of another size")
        precondition(planes.count >= byteCount, "\(planes.count) bytes for planes of \(byteCount)")
        guard let pixels = view.bindMemory(to: UInt8.self).baseAddress, let out = planes.baseAddress
        else { return }
        guard let plan = interpolation?.plan else {
            normalizer.withConstants { pixel_planes(pixels, imageSize * imageSize, $0, format.kernels, out) }
            return
        }
        let workspace = workspaces.take()
        defer { workspaces.giveBack(workspace) }
        let count = pixel_interpolation_scratch(plan)
        let scratch = try workspace.image(0, count * MemoryLayout<Float>.stride)
        UnsafeMutableRawPointer(scratch).withMemoryRebound(to: Float.self, capacity: count) { scratch in
            normalizer.withConstants {
                pixel_planes_interpolated(pixels, $0, plan, format.kernels, scratch, out)
            }
        }
    }
}
