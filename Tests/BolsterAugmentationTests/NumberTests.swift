import BolsterDataset
import BolsterDeterminism
import Foundation
import Testing

@testable import BolsterAugmentation

@Suite("Numbers as PyTorch, torchvision and Python give them")
struct NumberTests {
    struct Numbers: Decodable {
        let floats: [[String]]
        let magnitudes: [Magnitude]
        let boxes: [Boxes]
    }

    /// A step of RandAugment's scale, as torchvision has it.
    struct Magnitude: Decodable {
        let operation, index, bins, width, height: Int
        let value: Double
        let isSigned: Bool

        init(from decoder: any Decoder) throws {
            var parts = try decoder.unkeyedContainer()
            operation = try parts.decode(Int.self)
            index = try parts.decode(Int.self)
            bins = try parts.decode(Int.self)
            width = try parts.decode(Int.self)
            height = try parts.decode(Int.self)
            value = try parts.decode(Double.self)
            isSigned = try parts.decode(Bool.self)
        }
    }

    /// Mean and deviation of top, left, height and width of torchvision's random boxes.
    struct Boxes: Decodable {
        let width, height: Int
        let mean, deviation: [Double]

        init(from decoder: any Decoder) throws {
            var parts = try decoder.unkeyedContainer()
            width = try parts.decode(Int.self)
            height = try parts.decode(Int.self)
            mean = try parts.decode([Double].self)
            deviation = try parts.decode([Double].self)
        }
    }

    static let mean = [0.48145466, 0.4578275, 0.40821073]
    static let std = [0.26862954, 0.26130258, 0.27577711]

    private func withNumbers(_ body: (Numbers, URL) throws -> Void) throws {
        try Folder.with { folder in
            let script = Oracle.checkout.appendingPathComponent("tools/oracles/augmentation_numbers.py").path
            let text = try Oracle.run([script, folder.path])
            try body(try JSONDecoder().decode(Numbers.self, from: Data(text.utf8)), folder)
        }
    }

    private func floats(_ file: URL) throws -> [UInt32] {
        try Data(contentsOf: file).withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map {
                bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)
            }
        }
    }

    @Test(
        "Magnitudes, float texts, tensors and evaluation images are equal to the last bit",
        .enabled(if: Oracle.hasTorchvision))
    func equalNumbers() throws {
        try withNumbers { numbers, folder in
            for step in numbers.magnitudes {
                let operation = try #require(RandAugmentOperation(rawValue: step.operation))
                let size = AugmentationConfiguration.Size(height: step.height, width: step.width)
                let value = operation.magnitude(step.index, of: step.bins, size: size)
                #expect(value == step.value && operation.isSigned == step.isSigned, "\(operation) \(step)")
            }
            for pair in numbers.floats {
                let value = Double(bitPattern: try #require(UInt64(pair[0])))
                #expect(PythonFloat.text(of: value) == pair[1])
            }
            let view = try [UInt8](Data(contentsOf: folder.appendingPathComponent("view.bin")))
            let normalizer = PixelNormalizer(mean: Self.mean, std: Self.std)
            #expect(
                tensor(normalizer, view, side: nil)
                    == (try floats(folder.appendingPathComponent("tensor.bin"))))
            for side in [96, 112, 160, 192, 223] {
                let expected = try floats(folder.appendingPathComponent("small-\(side).bin"))
                let small = tensor(normalizer, view, side: side)
                let far = zip(small, expected).filter { Self.distance($0, $1) > 1e-5 }
                #expect(
                    small.count == expected.count && far.isEmpty,
                    "\(far.count) of \(expected.count) at \(side)")
            }
            try checkEvaluation(folder)
        }
    }

    /// PyTorch's interpolation is held to 1e-5, not to the bit: its vector code differs from build to build.
    private static func distance(_ a: UInt32, _ b: UInt32) -> Float {
        abs(Float(bitPattern: a) - Float(bitPattern: b))
    }

    private func tensor(_ normalizer: PixelNormalizer, _ view: [UInt8], side: Int?) -> [UInt32] {
        var values = [Float](repeating: 0, count: 3 * (side ?? 224) * (side ?? 224))
        view.withUnsafeBytes { view in
            values.withUnsafeMutableBufferPointer { values in
                guard let base = values.baseAddress else { return }
                if let side {
                    normalizer.tensor(fromView: view, height: 224, width: 224, resizedTo: side, into: base)
                } else {
                    normalizer.tensor(fromView: view, height: 224, width: 224, into: base)
                }
            }
        }
        return values.map(\.bitPattern)
    }

    private func checkEvaluation(_ folder: URL) throws {
        let image = try DecodedImage(
            decoding: [UInt8](Data(contentsOf: folder.appendingPathComponent("image.png"))))
        for filter in [AugmentationConfiguration.Interpolation.bicubic, .bilinear] {
            for side in [32, 224, 300] {
                for mode in [EvaluationTransform.ResizeMode.shortest, .squash] {
                    let transform = EvaluationTransform(
                        imageSize: side, interpolation: filter, resizeMode: mode)
                    var view = [UInt8](repeating: 0, count: side * side * 3)
                    view.withUnsafeMutableBytes { transform.apply(to: image, into: $0) }
                    let name = "evaluation-\(mode)-\(filter.rawValue)-\(side).bin"
                    let expected = try [UInt8](Data(contentsOf: folder.appendingPathComponent(name)))
                    #expect(view == expected, "\(name)")
                }
            }
        }
    }

    @Test("Boxes are distributed as torchvision draws them", .enabled(if: Oracle.hasTorchvision))
    func distribution() throws {
        try withNumbers { numbers, _ in
            var configuration = AugmentationConfiguration()
            configuration.randomResizedCrop = .init(size: .init(height: 224, width: 224))
            let augmentation = Augmentation(configuration)
            let draws = 4000
            for expected in numbers.boxes {
                let boxes = (0..<draws).map { index -> [Double] in
                    let drawn = augmentation.sample(
                        width: expected.width, height: expected.height, seed: 1, key: "key-\(index / 10)",
                        view: index % 10)
                    return (0..<4).map { Double(drawn.values[0].integer(at: $0) ?? 0) }
                }
                for side in 0..<4 {
                    let values = boxes.map { $0[side] }
                    let mean = values.reduce(0, +) / Double(draws)
                    let squares = values.map { ($0 - mean) * ($0 - mean) }
                    let variance = squares.reduce(0, +) / Double(draws)
                    let fourth = squares.map { $0 * $0 }.reduce(0, +) / Double(draws)
                    // Five standard errors of a difference of two means of 4,000 draws each.
                    let error = 5 * expected.deviation[side] * (2.0 / Double(draws)).squareRoot() + 1e-9
                    #expect(abs(mean - expected.mean[side]) < error, "side \(side) of \(expected)")
                    let spread = 5 * (2 * (fourth - variance * variance) / Double(draws)).squareRoot() + 1e-9
                    #expect(
                        abs(variance - expected.deviation[side] * expected.deviation[side]) < spread,
                        "\(expected)")
                }
            }
        }
    }
}
