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
        /// Requests for memory that a view makes after the first: to draw its parameters, and to make it and
        /// write its planes. Nil where nothing counts them.
        let allocationsToDraw, allocationsToMake: Double?
        let images: [Measured]
    }

    struct Measured: Encodable {
        let file: String
        let width, height: Int
        let decode: Double
        let decodedDigest: String
        var views: [View] = []
    }

    /// What becomes of a view: the time, and the digest of the planes.
    struct Written: Encodable {
        let time: Double
        let digest: String
    }

    struct View: Encodable {
        let parameters: String
        /// Drawing the parameters; crop and resize; the whole view with its planes in single precision.
        let draw, crop, view: Double
        let viewDigest: String
        /// To tensor and normalise, by number format; "smaller" is interpolated to 192 × 192.
        let planes: [String: Written]
    }

    private static let side = 224
    private static let writers: [String: PlaneWriter] = {
        let size = AugmentationConfiguration.Size(height: side, width: side)
        func writer(_ side: Int, _ format: PlaneWriter.Format) -> PlaneWriter {
            PlaneWriter(
                mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711],
                viewSize: size, imageSize: side, format: format)
        }
        return [
            "float32": writer(side, .float32), "float16": writer(side, .float16),
            "bfloat16": writer(side, .bfloat16), "smaller": writer(192, .float32),
        ]
    }()

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
                let draw = microseconds {
                    _ = augmentation.sample(
                        width: image.width, height: image.height, seed: 1, key: file, view: index)
                }
                measured.views.append(try measure(drawn, draw, image, augmentation, crop))
            }
            all.append(measured)
        }
        let allocations = try allocations(augmentation, names.split(separator: "\n").map(String.init))
        let report = Report(
            bytesPerMicrosecond: copyRate(), allocationsToDraw: allocations?.toDraw,
            allocationsToMake: allocations?.toMake, images: all)
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
        _ drawn: AugmentationParameters, _ draw: Double, _ image: DecodedImage,
        _ augmentation: Augmentation, _ crop: Augmentation
    ) throws -> View {
        let box = AugmentationParameters(values: [drawn.values[0]])
        var memory = [Float](repeating: 0, count: 3 * Self.side * Self.side)
        return try memory.withUnsafeMutableBytes { memory in
            let cropTime = try microseconds { try crop.withView(box, of: image) { _ in } }
            var written: [String: Written] = [:]
            for (name, writer) in Self.writers {
                let time = try augmentation.withView(drawn, of: image) { view in
                    Result { try microseconds { try writer.write(view, to: memory) } }
                }.get()
                let digest = SHA256Hasher.digest(of: [UInt8](memory.prefix(writer.byteCount))).hex
                written[name] = Written(time: time, digest: digest)
            }
            let writer = try #require(Self.writers["float32"])
            let viewTime = try microseconds {
                try augmentation.withView(drawn, of: image) { view throws(AugmentationError) in
                    try writer.write(view, to: memory)
                }
            }
            return View(
                parameters: drawn.json, draw: draw, crop: cropTime, view: viewTime,
                viewDigest: SHA256Hasher.digest(of: try augmentation.view(drawn, of: image)).hex,
                planes: written)
        }
    }

    /// Per view, over all images, once every image has been seen.
    private func allocations(
        _ augmentation: Augmentation, _ files: [String]
    ) throws -> (toDraw: Double, toMake: Double)? {
        typealias Counter = @convention(c) () -> Int
        guard let symbol = dlsym(nil, "allocations_of_thread") else { return nil }
        let counted = unsafeBitCast(symbol, to: Counter.self)
        let images = try files.map {
            try DecodedImage(decoding: [UInt8](Data(contentsOf: URL(fileURLWithPath: $0))))
        }
        let writers = Array(Self.writers.values)
        var memory = [Float](repeating: 0, count: 3 * Self.side * Self.side)
        return try memory.withUnsafeMutableBytes { memory in
            var (toDraw, toMake) = (0, 0)
            for _ in 0..<2 {
                (toDraw, toMake) = (0, 0)
                for (image, file) in zip(images, files) {
                    for view in 0..<Self.viewCount {
                        let start = counted()
                        let drawn = augmentation.sample(
                            width: image.width, height: image.height, seed: 1, key: file, view: view)
                        toDraw += counted() - start
                        let drawnAt = counted()
                        try augmentation.withView(drawn, of: image) { view throws(AugmentationError) in
                            for writer in writers { try writer.write(view, to: memory) }
                        }
                        toMake += counted() - drawnAt
                    }
                }
            }
            let views = Double(images.count * Self.viewCount)
            return (Double(toDraw) / views, Double(toMake) / views)
        }
    }
}
