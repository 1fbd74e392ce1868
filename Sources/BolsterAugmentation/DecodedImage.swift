import CPixelKernels
import Glibc

/// What an image may cost. Checked against its header, before memory of its size is asked for.
package struct DecodeLimits: Sendable {
    /// Width times height. The default is where Pillow refuses a "decompression bomb".
    package var pixelsMax: Int
    /// The encoded file's size.
    package var bytesMax: Int

    package init(pixelsMax: Int = 178_956_970, bytesMax: Int = 1 << 28) {
        self.pixelsMax = pixelsMax
        self.bytesMax = bytesMax
    }
}

/// The formats that are read, told by their first bytes as Pillow tells them.
package enum ImageFormat: String, Sendable {
    case jpeg, png, webp

    package init?(of bytes: UnsafeRawBufferPointer) {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if bytes.count >= 16, bytes.starts(with: Array("RIFF".utf8)),
            bytes[8..<12].elementsEqual("WEBP".utf8),
            ["VP8 ", "VP8X", "VP8L"].contains(where: { bytes[12..<16].elementsEqual($0.utf8) })
        {
            self = .webp
        } else {
            return nil
        }
    }
}

/// An image as the trainer sees it before any augmentation: the pixels of Pillow 13's
/// `Image.open(file).convert("RGBA").convert("RGB")` with `LOAD_TRUNCATED_IMAGES`. Alpha is dropped, not
/// blended; an EXIF orientation is not applied; an animation gives its first frame.
///
/// Height × width × 3 bytes, rows without padding, never changed after `init`.
package final class DecodedImage: @unchecked Sendable {
    // Unchecked: the memory is written in init only and freed in deinit only.
    package let width: Int
    package let height: Int
    package let format: ImageFormat
    /// The file ended early or was damaged, and what is missing was filled as Pillow fills it.
    package let truncated: Bool
    private let base: UnsafeMutableRawPointer

    /// Throws `unsupportedImage`, `undecodableImage`, `imageTooLarge` or `outOfMemory`.
    package init(
        decoding bytes: UnsafeRawBufferPointer, limits: DecodeLimits = DecodeLimits()
    ) throws(AugmentationError) {
        guard bytes.count <= limits.bytesMax else {
            throw AugmentationError(
                .imageTooLarge, "the file has \(bytes.count) bytes, at most \(limits.bytesMax) are read")
        }
        guard let format = ImageFormat(of: bytes), let first = bytes.bindMemory(to: UInt8.self).baseAddress
        else {
            throw AugmentationError(
                .unsupportedImage, "the first bytes are those of neither JPEG, PNG nor WebP")
        }
        var size = pixel_size()
        var complaint = pixel_complaint()
        try Self.check(format.readSize(first, bytes.count, &size, &complaint), complaint)
        let pixels = Int(size.width) * Int(size.height)
        guard pixels <= limits.pixelsMax else {
            throw AugmentationError(
                .imageTooLarge,
                "the image has \(size.width)×\(size.height) pixels, at most \(limits.pixelsMax) are decoded")
        }
        // A kernel may read past the last pixel of the last row.
        guard let base = malloc(pixels * 3 + 64) else {
            throw AugmentationError(.outOfMemory, "no memory for \(size.width)×\(size.height) pixels")
        }
        memset(base + pixels * 3, 0, 64)
        let status = format.decode(
            first, bytes.count, base.assumingMemoryBound(to: UInt8.self), size, &complaint)
        do {
            try Self.check(status, complaint)
        } catch {
            free(base)
            throw error
        }
        self.width = Int(size.width)
        self.height = Int(size.height)
        self.format = format
        self.truncated = status == PIXEL_TRUNCATED
        self.base = base
    }

    deinit { free(base) }

    /// Height × width × 3 bytes, red first.
    package func withPixels<Result, Failure>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: width * height * 3))
    }

    /// The whole image, for the kernels.
    var region: pixel_region {
        pixel_region(
            pixels: UnsafePointer(base.assumingMemoryBound(to: UInt8.self)), width: Int32(width),
            height: Int32(height), stride: width * 3)
    }

    private static func check(
        _ status: pixel_status, _ complaint: pixel_complaint
    ) throws(AugmentationError) {
        switch status {
        case PIXEL_OK, PIXEL_TRUNCATED: return
        case PIXEL_UNSUPPORTED: throw AugmentationError(.unsupportedImage, complaint.text)
        case PIXEL_NO_MEMORY: throw AugmentationError(.outOfMemory, complaint.text)
        default: throw AugmentationError(.undecodableImage, complaint.text)
        }
    }
}

extension pixel_complaint {
    fileprivate var text: String {
        withUnsafeBytes(of: buffer) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension ImageFormat {
    fileprivate func readSize(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, _ size: inout pixel_size,
        _ complaint: inout pixel_complaint
    ) -> pixel_status {
        switch self {
        case .jpeg: pixel_jpeg_size(bytes, count, &size, &complaint)
        case .png: pixel_png_size(bytes, count, &size, &complaint)
        case .webp: pixel_webp_size(bytes, count, &size, &complaint)
        }
    }

    fileprivate func decode(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, _ pixels: UnsafeMutablePointer<UInt8>,
        _ size: pixel_size,
        _ complaint: inout pixel_complaint
    ) -> pixel_status {
        switch self {
        case .jpeg: pixel_jpeg_decode(bytes, count, pixels, size, &complaint)
        case .png: pixel_png_decode(bytes, count, pixels, size, &complaint)
        case .webp: pixel_webp_decode(bytes, count, pixels, size, &complaint)
        }
    }
}
