import BolsterDataset
import BolsterDeterminism
import BolsterOracles
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

    private func withNumbers(_ body: (Numbers, URL) throws -> Void) throws {
        let folder = try ScratchFolder()
        let script = Python.checkout.appendingPathComponent("tools/oracles/augmentation_numbers.py").path
        let numbers = try Python.run([script, folder.path])
        try body(try JSONDecoder().decode(Numbers.self, from: numbers), folder.url)
        withExtendedLifetime(folder) {}
    }

    @Test(
        "Magnitudes, float texts and evaluation images are equal to the last bit",
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
            try checkEvaluation(folder)
        }
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
