import CPixelKernels
import Glibc

/// Writes PNG files: what `bolster views` shows.
package enum PNGFile {
    /// The file of height × width × 3 bytes of pixels. Equal pixels give equal files. Throws `outOfMemory`.
    package static func encode(_ pixels: [UInt8], width: Int, height: Int) throws(AugmentationError)
        -> [UInt8]
    {
        precondition(
            width > 0 && height > 0 && pixels.count == width * height * 3,
            "\(pixels.count) bytes for \(width)×\(height) pixels")
        var count = 0
        guard let file = pixel_png_encode(pixels, UInt32(width), UInt32(height), &count) else {
            throw AugmentationError(.outOfMemory, "no memory for a PNG of \(width)×\(height) pixels")
        }
        defer { free(file) }
        return Array(UnsafeBufferPointer(start: file, count: count))
    }
}
