import BolsterDataset
import BolsterDeterminism
import CPixelKernels
import Foundation
import Testing

@testable import BolsterAugmentation

/// What `tools/benchmarks/augmentation.sh` measures of ours. BOLSTER_AUGMENTATION_BENCHMARK names a folder
/// with `files.txt`, one image a line, and `configuration.json`; `ours.json` is written there, with the times
/// in microseconds and the digests that Pillow and torchvision must arrive at.
@Suite("Augmentation benchmark")
struct AugmentationBenchmark {
    static let folder = ProcessInfo.processInfo.environment["BOLSTER_AUGMENTATION_BENCHMARK"]

    struct Report: Encodable {
        /// What this core copies, bytes read and bytes written counted together.
        let bytesPerMicrosecond: Double
        let images: [Measured]
    }

    struct Measured: Encodable {
        let file: String
        let width, height: Int
        let decode: Double
        let decodedDigest: String
        var views: [View] = []
    }

    struct View: Encodable {
        let parameters: String
        /// Crop and resize; the whole view; to tensor and normalise.
        let crop, view, tensor: Double
        let viewDigest, tensorDigest: String
    }

    private static let rounds = 7
    private static let viewCount = 10

    /// The least of some rounds, in microseconds: what other programs do to it only adds.
    private func microseconds(_ body: () throws -> Void) rethrows -> Double {
        var times: [Double] = []
        for _ in 0..<Self.rounds {
            let start = ContinuousClock.now
            try body()
            let elapsed = (ContinuousClock.now - start).components
            times.append(Double(elapsed.seconds) * 1e6 + Double(elapsed.attoseconds) * 1e-12)
        }
        return times.min() ?? 0
    }

    @Test("Decoding and views of the given images", .enabled(if: folder != nil))
    func measure() throws {
        let folder = URL(fileURLWithPath: try #require(Self.folder))
        let text = try String(
            decoding: Data(contentsOf: folder.appendingPathComponent("configuration.json")), as: UTF8.self)
        let augmentation = Augmentation(try AugmentationConfiguration.parse(text, file: "configuration.json"))
        var cropOnly = augmentation.configuration
        cropOnly.randAugment = nil
        let crop = Augmentation(cropOnly)
        let normalize = try #require(augmentation.configuration.normalize)
        let normalizer = PixelNormalizer(mean: normalize.mean, std: normalize.std)
        let names = try String(
            decoding: Data(contentsOf: folder.appendingPathComponent("files.txt")), as: UTF8.self)
        var all: [Measured] = []
        for file in names.split(separator: "\n").map(String.init) {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            var measured = try bytes.withUnsafeBytes { bytes in
                let image = try DecodedImage(decoding: bytes)
                let decode = try microseconds { _ = try DecodedImage(decoding: bytes) }
                return Measured(
                    file: file, width: image.width, height: image.height, decode: decode,
                    decodedDigest: image.sha256)
            }
            let image = try bytes.withUnsafeBytes { try DecodedImage(decoding: $0) }
            for index in 0..<Self.viewCount {
                let drawn = augmentation.sample(
                    width: image.width, height: image.height, seed: 1, key: file, view: index)
                measured.views.append(try measure(drawn, image, augmentation, crop, normalizer))
            }
            all.append(measured)
        }
        let report = Report(bytesPerMicrosecond: copyRate(), images: all)
        try JSONEncoder().encode(report).write(to: folder.appendingPathComponent("ours.json"))
    }

    /// From one buffer to another, both far larger than any cache.
    private func copyRate() -> Double {
        let size = 256 << 20
        let source = [UInt8](repeating: 1, count: size)
        var target = [UInt8](repeating: 0, count: size)
        let time = target.withUnsafeMutableBytes { target in
            microseconds { source.withUnsafeBytes { target.copyMemory(from: $0) } }
        }
        return Double(2 * size) / time
    }

    private func measure(
        _ drawn: AugmentationParameters, _ image: DecodedImage, _ augmentation: Augmentation,
        _ crop: Augmentation,
        _ normalizer: PixelNormalizer
    ) throws -> View {
        let size = augmentation.viewSize(width: image.width, height: image.height)
        var view = [UInt8](repeating: 0, count: size.height * size.width * 3)
        var values = [Float](repeating: 0, count: view.count)
        let box = AugmentationParameters(values: [drawn.values[0]])
        return try view.withUnsafeMutableBytes { view in
            try values.withUnsafeMutableBufferPointer { values in
                let base = try #require(values.baseAddress)
                func tensor() {
                    normalizer.tensor(
                        fromView: UnsafeRawBufferPointer(view), height: size.height, width: size.width,
                        into: base)
                }
                let cropTime = try microseconds { try crop.reapply(box, to: image, into: view) }
                let tensorTime = microseconds { tensor() }
                let viewTime = try microseconds {
                    try augmentation.reapply(drawn, to: image, into: view)
                    tensor()
                }
                return View(
                    parameters: drawn.json, crop: cropTime, view: viewTime, tensor: tensorTime,
                    viewDigest: SHA256Hasher.digest(of: [UInt8](view)).hex,
                    tensorDigest: SHA256Hasher.digest(of: [UInt8](UnsafeRawBufferPointer(values))).hex)
            }
        }
    }
}
