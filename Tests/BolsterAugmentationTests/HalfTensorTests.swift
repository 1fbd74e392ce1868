import Foundation
import Testing

@testable import BolsterAugmentation

@Suite("Tensors of 16-bit values")
struct HalfTensorTests {
    /// All 256 bytes under one normalisation, as PyTorch rounds them: [3, 1, 256] bit patterns.
    struct Ramp: Decodable {
        let mean, std: [Double]
        let float16, bfloat16: [UInt16]
    }

    private func tensor(
        _ normalizer: PixelNormalizer, _ view: [UInt8], width: Int, as format: PixelNormalizer.HalfFormat
    ) -> [UInt16] {
        var values = [UInt16](repeating: 0, count: view.count)
        view.withUnsafeBytes { view in
            values.withUnsafeMutableBufferPointer { values in
                guard let base = values.baseAddress else { return }
                normalizer.tensor(
                    fromView: view, height: view.count / 3 / width, width: width, as: format, into: base)
            }
        }
        return values
    }

    private static let ramp = (0..<256).flatMap { [UInt8](repeating: UInt8($0), count: 3) }

    @Test(
        "float16 and bfloat16 planes are PyTorch's .half() and .bfloat16() of torchvision's tensor",
        .enabled(if: Oracle.hasTorchvision))
    func equalToPyTorch() throws {
        try Folder.with { folder in
            let script = Oracle.checkout.appendingPathComponent("tools/oracles/augmentation_numbers.py").path
            try Oracle.run([script, folder.path])
            let view = try [UInt8](Data(contentsOf: folder.appendingPathComponent("view.bin")))
            let normalizer = PixelNormalizer(mean: NumberTests.mean, std: NumberTests.std)
            for format in PixelNormalizer.HalfFormat.allCases {
                let file = folder.appendingPathComponent("tensor-\(format).bin")
                let expected = try Data(contentsOf: file).withUnsafeBytes { bytes in
                    stride(from: 0, to: bytes.count, by: 2).map {
                        bytes.loadUnaligned(fromByteOffset: $0, as: UInt16.self)
                    }
                }
                #expect(expected.count == 3 * 224 * 224)
                #expect(tensor(normalizer, view, width: 224, as: format) == expected, "\(format)")
            }
            let ramps = try JSONDecoder().decode(
                [Ramp].self, from: Data(contentsOf: folder.appendingPathComponent("ramps.json")))
            #expect(ramps.count == 6)
            for ramp in ramps {
                let normalizer = PixelNormalizer(mean: ramp.mean, std: ramp.std)
                let half = tensor(normalizer, Self.ramp, width: 256, as: .float16)
                #expect(half == ramp.float16, "mean \(ramp.mean), deviation \(ramp.std)")
                let brain = tensor(normalizer, Self.ramp, width: 256, as: .bfloat16)
                #expect(brain == ramp.bfloat16, "mean \(ramp.mean), deviation \(ramp.std)")
            }
        }
    }

    @Test("Known bit patterns: 0, 1 and the nearest to 128/255")
    func knownPatterns() {
        let plain = PixelNormalizer(mean: [0, 0, 0], std: [1, 1, 1])
        let view: [UInt8] = [0, 255, 128, 255, 128, 0]
        // 128/255 = 0.50196…: 1.0039216 × 2^-1, whose fraction is 4.016/1024 and 0.502/128.
        #expect(
            tensor(plain, view, width: 2, as: .float16) == [0x0000, 0x3C00, 0x3C00, 0x3804, 0x3804, 0x0000])
        #expect(
            tensor(plain, view, width: 2, as: .bfloat16) == [0x0000, 0x3F80, 0x3F80, 0x3F01, 0x3F01, 0x0000])
    }

    @Test("Nothing is written behind the planes")
    func stopsAtItsEnd() {
        let normalizer = PixelNormalizer(mean: NumberTests.mean, std: NumberTests.std)
        var values = [UInt16](repeating: 0xBEEF, count: 3 * 256 + 1)
        values.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            Self.ramp.withUnsafeBytes {
                normalizer.tensor(fromView: $0, height: 16, width: 16, as: .bfloat16, into: base)
            }
        }
        #expect(values.last == 0xBEEF)
        #expect(!values.dropLast().contains(0xBEEF))
    }
}
