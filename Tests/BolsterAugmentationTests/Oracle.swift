import BolsterDataset
import BolsterDeterminism
import BolsterOracles
import CPixelKernels
import Foundation
import Testing

@testable import BolsterAugmentation

/// Pillow and torchvision beside our code: `tools/oracles/augmentation.py` makes random files and views, and
/// these helpers read what it wrote.
enum Oracle {
    static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Golden")

    /// How many views are compared: BOLSTER_ORACLE_CASES, or 20,000 in a full run (BOLSTER_TORCH=1), or few.
    static let viewCases: Int = {
        let environment = ProcessInfo.processInfo.environment
        if let cases = Int(environment["BOLSTER_ORACLE_CASES"] ?? "") { return cases }
        return environment["BOLSTER_TORCH"] == "1" ? 20_000 : 600
    }()

    static let hasPillow = Python.has("numpy", "PIL")
    static let hasTorchvision = hasPillow && Python.has("torch", "torchvision")

    /// Has the oracle write `cases` cases of `what` for a seed, and hands over their folder.
    static func with(
        _ what: String, seed: Int, cases: Int, _ body: (URL) throws -> Void
    ) throws {
        let folder = try ScratchFolder()
        let script = Python.checkout.appendingPathComponent("tools/oracles/augmentation.py").path
        try Python.run([script, what, "--out", folder.path, "--seed", "\(seed)", "--cases", "\(cases)"])
        try body(folder.url)
        withExtendedLifetime(folder) {}
    }

    /// One JSON object a line.
    static func lines<Line: Decodable>(_ file: URL, of type: Line.Type) throws -> [Line] {
        try String(decoding: Data(contentsOf: file), as: UTF8.self).split(separator: "\n").map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
    }
}

/// What Pillow makes of a file.
struct DecodeCase: Decodable {
    let file: String
    let width: Int?
    let height: Int?
    let sha256: String?
    let error: String?

    /// Nil when our decoder does what Pillow does, with plain kernels and with vector kernels; otherwise the
    /// difference.
    func difference(in folder: URL) throws -> String? {
        let bytes = try [UInt8](Data(contentsOf: folder.appendingPathComponent(file)))
        for level in [PIXEL_PLAIN, PIXEL_AVX512] {
            pixel_set_level_max(level)
            defer { pixel_set_level_max(PIXEL_AVX512) }
            if let difference = difference(decoding: bytes) {
                return "level \(level.rawValue): " + difference
            }
        }
        return nil
    }

    private func difference(decoding bytes: [UInt8]) -> String? {
        let image: DecodedImage
        do {
            image = try DecodedImage(decoding: bytes)
        } catch {
            return self.error == nil ? "\(file): Pillow decodes it, we say: \(error)" : nil
        }
        if let error { return "\(file): Pillow says \(error), we decode it" }
        guard image.width == width, image.height == height else {
            return "\(file): \(image.width)×\(image.height), Pillow has \(width ?? 0)×\(height ?? 0)"
        }
        return image.sha256 == sha256 ? nil : "\(file): the pixels differ (truncated: \(image.truncated))"
    }
}

/// What torchvision makes of an image and stored parameters.
struct ViewCase: Decodable {
    let file: String
    let configuration: String
    let parameters: String
    let sha256: String

    /// Nil when the kernels of every level make this view, otherwise the first that does not.
    func difference(from image: DecodedImage) throws -> String? {
        let configuration = try AugmentationConfiguration.parse(configuration, file: "configuration")
        let parameters = try AugmentationParameters(parsing: parameters)
        let augmentation = Augmentation(configuration)
        for level in [PIXEL_PLAIN, PIXEL_AVX2, PIXEL_AVX512] {
            pixel_set_level_max(level)
            defer { pixel_set_level_max(PIXEL_AVX512) }
            let view = try augmentation.view(parameters, of: image)
            guard SHA256Hasher.digest(of: view).hex == sha256 else {
                return
                    "level \(level.rawValue): \(file) \(image.width)×\(image.height) \(self.configuration) "
                    + self.parameters
            }
        }
        return nil
    }
}

extension DecodedImage {
    convenience init(decoding bytes: [UInt8], limits: DecodeLimits = DecodeLimits()) throws(AugmentationError)
    {
        // An array lends its bytes only to a closure; the error must keep its type on the way out of it.
        let contents = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { contents.deallocate() }
        contents.copyBytes(from: bytes)
        try self.init(decoding: UnsafeRawBufferPointer(contents), limits: limits)
    }

    var pixels: [UInt8] { withPixels { [UInt8]($0) } }
    var sha256: String { SHA256Hasher.digest(of: pixels).hex }
}

extension Augmentation {
    /// A view as an array.
    func view(_ parameters: AugmentationParameters, of image: DecodedImage) throws -> [UInt8] {
        let size = viewSize(width: image.width, height: image.height)
        var view = [UInt8](repeating: 0, count: size.height * size.width * 3)
        try view.withUnsafeMutableBytes { try reapply(parameters, to: image, into: $0) }
        return view
    }
}
