import CPixelKernels

/// Turns an 8-bit view into planes of numbers: torchvision's `to_tensor` (value / 255) and `normalize`
/// ((value - mean) / std) in one pass, equal to theirs to the last bit, because a byte has only 256 values
/// and each is computed as they compute it, in single precision and in their order.
package struct PixelNormalizer: Sendable {
    private let scaling: Scaling

    /// The kernels' constants: 6 kilobytes, shared by all copies.
    private final class Scaling: @unchecked Sendable {
        // Unchecked: written in init only, freed in deinit only.
        let values: UnsafeMutablePointer<pixel_scaling>

        init(mean: [Float], std: [Float]) {
            values = .allocate(capacity: 1)
            values.initialize(to: pixel_scaling())
            pixel_scaling_prepare(values, mean, std)
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
        withConstants { pixel_planes(pixels(view), height * width, $0, PIXEL_FLOAT32, out) }
    }

    func withConstants<Result>(_ body: (UnsafePointer<pixel_scaling>) -> Result) -> Result {
        withExtendedLifetime(scaling) { body(UnsafePointer(scaling.values)) }
    }

    private func pixels(_ view: UnsafeRawBufferPointer) -> UnsafePointer<UInt8>? {
        view.bindMemory(to: UInt8.self).baseAddress
    }
}
