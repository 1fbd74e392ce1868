import BolsterDataset
import BolsterOracles
import CPixelKernels
import Foundation
import Testing

@testable import BolsterAugmentation

@Suite("Planes of a model's input", .serialized)
struct PlaneWriterTests {
    /// All 256 bytes under one normalisation, as PyTorch rounds them: [3, 1, 256] bit patterns.
    struct Ramp: Decodable {
        let mean, std: [Double]
        let float16, bfloat16: [UInt16]
    }

    private static let mean = [0.48145466, 0.4578275, 0.40821073]
    private static let std = [0.26862954, 0.26130258, 0.27577711]
    private static let size = AugmentationConfiguration.Size(height: 224, width: 224)

    /// What the kernels of a level write, and that they write nothing behind it.
    private func planes(
        _ writer: PlaneWriter, _ view: [UInt8], level: pixel_level = PIXEL_AVX512
    ) throws -> Data {
        pixel_set_level_max(level)
        defer { pixel_set_level_max(PIXEL_AVX512) }
        var bytes = Data(repeating: 0xBE, count: writer.byteCount + 64)
        try view.withUnsafeBytes { view in
            // An array of values is aligned to them.
            var values = [UInt32](repeating: 0xBEBE_BEBE, count: bytes.count / 4 + 1)
            try values.withUnsafeMutableBytes { memory in
                try writer.write(view, to: memory)
                bytes.replaceSubrange(0..<bytes.count, with: memory.prefix(bytes.count))
            }
        }
        #expect(bytes.suffix(64).allSatisfy { $0 == 0xBE })
        return bytes.prefix(writer.byteCount)
    }

    private func values(_ data: Data) -> [UInt16] {
        data.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 2).map {
                bytes.loadUnaligned(fromByteOffset: $0, as: UInt16.self)
            }
        }
    }

    private static func withNumbers(_ body: (URL) throws -> Void) throws {
        let folder = try ScratchFolder()
        let script = Python.checkout.appendingPathComponent("tools/oracles/augmentation_numbers.py").path
        try Python.run([script, folder.path])
        try body(folder.url)
        withExtendedLifetime(folder) {}
    }

    @Test(
        "Views and smaller images have the bits of PyTorch's tensors, in every format and at every level",
        .enabled(if: Oracle.hasTorchvision))
    func equalToPyTorch() throws {
        try Self.withNumbers { folder in
            let view = try [UInt8](Data(contentsOf: folder.appendingPathComponent("view.bin")))
            let capability = try String(
                decoding: Data(contentsOf: folder.appendingPathComponent("capability.txt")), as: UTF8.self)
            var sides = [224]
            if capability.hasPrefix("AVX") {
                sides += [96, 112, 160, 192, 223]
            } else {
                print("smaller images not compared: PyTorch computes here with \(capability), unfused")
            }
            for side in sides {
                for format in PlaneWriter.Format.allCases {
                    let name = side == 224 ? "tensor-\(format).bin" : "small-\(side)-\(format).bin"
                    let expected = try Data(contentsOf: folder.appendingPathComponent(name))
                    let writer = PlaneWriter(
                        mean: Self.mean, std: Self.std, viewSize: Self.size, imageSize: side, format: format)
                    #expect(expected.count == writer.byteCount)
                    for level in [PIXEL_PLAIN, PIXEL_AVX2, PIXEL_AVX512] {
                        let equal = try planes(writer, view, level: level) == expected
                        #expect(equal, "\(name), level \(level.rawValue)")
                    }
                }
            }
            try checkRamps(folder)
        }
    }

    private static let ramp = (0..<256).flatMap { [UInt8](repeating: UInt8($0), count: 3) }

    /// A view of 16 × 16 pixels that has every byte.
    private func ramp(_ mean: [Double], _ std: [Double], _ format: PlaneWriter.Format) throws -> [UInt16] {
        let size = AugmentationConfiguration.Size(height: 16, width: 16)
        let writer = PlaneWriter(mean: mean, std: std, viewSize: size, imageSize: 16, format: format)
        return values(try planes(writer, Self.ramp))
    }

    private func checkRamps(_ folder: URL) throws {
        let ramps = try JSONDecoder().decode(
            [Ramp].self, from: Data(contentsOf: folder.appendingPathComponent("ramps.json")))
        #expect(ramps.count == 6)
        for known in ramps {
            let comment: Comment = "mean \(known.mean), deviation \(known.std)"
            #expect(try ramp(known.mean, known.std, .float16) == known.float16, comment)
            #expect(try ramp(known.mean, known.std, .bfloat16) == known.bfloat16, comment)
        }
    }

    @Test("float16 is rounded as the processor's own type rounds, over its whole range")
    func roundsToHalf() throws {
        for exponent in stride(from: -30.0, through: 20.0, by: 0.37) {
            let deviation = Double(Float(exp2(-exponent)))
            let mean = [0.25, 0.5, 0.75]
            let expected = (0..<3).flatMap { channel in
                (0..<256).map { value in
                    Float16((Float(value) / 255 - Float(mean[channel])) / Float(deviation)).bitPattern
                }
            }
            #expect(try ramp(mean, [deviation, deviation, deviation], .float16) == expected)
        }
    }

    @Test("Known bit patterns: 0, 1 and the nearest to 128/255")
    func knownPatterns() throws {
        // 128/255 = 0.50196…: 1.0039216 × 2^-1, whose fraction is 4.016/1024 and 0.502/128.
        let half = try ramp([0, 0, 0], [1, 1, 1], .float16)
        #expect([half[0], half[255], half[128]] == [0x0000, 0x3C00, 0x3804])
        let brain = try ramp([0, 0, 0], [1, 1, 1], .bfloat16)
        #expect([brain[0], brain[255], brain[128]] == [0x0000, 0x3F80, 0x3F01])
    }

    @Test("A lent view has the bytes of one that was written to the caller's memory")
    func lentView() throws {
        var configuration = AugmentationConfiguration()
        configuration.randomResizedCrop = .init(size: .init(height: 64, width: 48))
        configuration.randAugment = .init()
        let augmentation = Augmentation(configuration)
        let images = try FileManager.default.contentsOfDirectory(
            at: Oracle.golden.appendingPathComponent("images"), includingPropertiesForKeys: nil)
        let file = try #require(images.first { $0.lastPathComponent == "turbo-444.jpg" })
        let image = try DecodedImage(decoding: [UInt8](Data(contentsOf: file)))
        for index in 0..<50 {
            let drawn = augmentation.sample(
                width: image.width, height: image.height, seed: 5, key: "k", view: index)
            let lent = try augmentation.withView(drawn, of: image) { [UInt8]($0) }
            #expect(try lent == augmentation.view(drawn, of: image))
        }
    }
}
