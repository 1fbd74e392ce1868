import CPixelKernels
import Glibc

/// Turns an 8-bit view into a model's input: torchvision's `to_tensor` (value / 255) and `normalize`
/// ((value - mean) / std) in one pass, equal to theirs to the last bit, because a byte has only 256 values
/// and each is computed as they compute it, in single precision and in their order.
package struct PixelNormalizer: Sendable {
    /// A 16-bit floating-point format, whose values are bit patterns here.
    package enum HalfFormat: Sendable, CaseIterable {
        /// IEEE 754 binary16: PyTorch's `.half()`.
        case float16
        /// The upper half of a single-precision value: PyTorch's `.bfloat16()`.
        case bfloat16
    }

    private let scaling: Scaling

    /// The kernels' constants: 6 kilobytes, shared by all copies.
    private final class Scaling: @unchecked Sendable {
        // Unchecked: written in init only, freed in deinit only.
        let values: UnsafeMutablePointer<pixel_scaling>
        /// `values.tables` rounded once to 16 bits: 256 values each of red, green and blue.
        let float16, bfloat16: [UInt16]

        init(mean: [Float], std: [Float]) {
            values = .allocate(capacity: 1)
            values.initialize(to: pixel_scaling())
            pixel_scaling_prepare(values, mean, std)
            let singles = withUnsafeBytes(of: &values.pointee.tables) { Array($0.bindMemory(to: Float.self)) }
            float16 = singles.map { Float16($0).bitPattern }
            bfloat16 = singles.map(PixelNormalizer.bfloat16)
        }

        deinit { values.deallocate() }
    }

    /// `mean` and `std` have three values each, for pixels from 0 to 1.
    package init(mean: [Double], std: [Double]) {
        precondition(mean.count == 3 && std.count == 3, "a mean and a deviation for each of three channels")
        scaling = Scaling(mean: mean.map { Float($0) }, std: std.map { Float($0) })
    }

    /// Writes [3, height, width] single-precision values from height × width × 3 bytes.
    package func tensor(
        fromView view: UnsafeRawBufferPointer, height: Int, width: Int, into out: UnsafeMutablePointer<Float>
    ) {
        precondition(view.count >= height * width * 3, "a view has height × width × 3 bytes")
        guard let pixels = view.bindMemory(to: UInt8.self).baseAddress else { return }
        pixel_planes_f32(pixels, height * width, scaling.values, out)
    }

    /// Writes [3, height, width] 16-bit bit patterns from height × width × 3 bytes: the single-precision
    /// values, each rounded to the nearest, ties to even, as PyTorch's `.half()` and `.bfloat16()` round
    /// them.
    package func tensor(
        fromView view: UnsafeRawBufferPointer, height: Int, width: Int, as format: HalfFormat,
        into out: UnsafeMutablePointer<UInt16>
    ) {
        precondition(view.count >= height * width * 3, "a view has height × width × 3 bytes")
        guard let pixels = view.bindMemory(to: UInt8.self).baseAddress else { return }
        let tables = format == .float16 ? scaling.float16 : scaling.bfloat16
        pixel_planes_16(pixels, height * width, tables, out)
    }

    /// Nearest bfloat16, ties to even; every NaN is PyTorch's 0x7FC0.
    private static func bfloat16(_ value: Float) -> UInt16 {
        guard !value.isNaN else { return 0x7FC0 }
        let bits = value.bitPattern
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }

    /// Writes [3, side, side]: the tensor of the view, resized bicubically as PyTorch's `interpolate` does on
    /// the CPU without antialiasing, for a teacher whose input is smaller than the view.
    package func tensor(
        fromView view: UnsafeRawBufferPointer, height: Int, width: Int, resizedTo side: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        if height == side, width == side {
            tensor(fromView: view, height: height, width: width, into: out)
            return
        }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * height * width) { whole in
            guard let base = whole.baseAddress else { return }
            tensor(fromView: view, height: height, width: width, into: base)
            guard
                pixel_interpolate_bicubic(base, 3, Int32(height), Int32(width), out, Int32(side), Int32(side))
            else { fatalError("out of memory for \(side) columns of weights") }
        }
    }
}
