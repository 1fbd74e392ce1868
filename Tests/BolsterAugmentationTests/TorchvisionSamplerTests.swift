import BolsterDataset
import BolsterOracles
import Foundation
import Testing

@testable import BolsterAugmentation

/// The sampler against what torchvision's own samplers drew, with a fixed seed on either side.
@Suite("Parameters are distributed as torchvision draws them", .enabled(if: Oracle.hasTorchvision))
struct TorchvisionSamplerTests {
    struct Samples: Decodable {
        let randAugment: [[Double]]
        let flips: [String: Int]
        let crops, boxes: [String: [[Int]]]
        let erased: [String: [[Int]?]]
    }

    private static let draws = 6_000

    private static let samples = Result {
        let script = Python.checkout.appendingPathComponent("tools/oracles/augmentation_samples.py").path
        let samples = try Python.run([script, "--seed", "11", "--draws", "\(draws)"])
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Samples.self, from: samples)
    }

    /// "HEIGHTxWIDTH" of the oracle.
    private func size(_ text: String) throws -> AugmentationConfiguration.Size {
        let sides = text.split(separator: "x").compactMap { Int($0) }
        try #require(sides.count == 2)
        return AugmentationConfiguration.Size(height: sides[0], width: sides[1])
    }

    private func compare(_ ours: [[Int]], _ theirs: [[Int]], _ names: [String], _ what: String) {
        #expect(ours.count > 1000 && theirs.count > 1000, "\(what)")
        for (index, name) in names.enumerated() {
            let verdict = SampleStatistics.same(
                ours.map { Double($0[index]) }, theirs.map { Double($0[index]) })
            #expect(verdict.holds, "\(name) of \(what): \(verdict)")
        }
    }

    @Test("RandAugment's operations, with their signs and the same magnitudes")
    func operations() throws {
        let theirs = try Self.samples.get().randAugment.map { (Int($0[0]), $0[1]) }
        let ours = SamplerTests.operations(
            SamplerTests.sampled(width: 224, height: 224, draws: Self.draws) { $0.randAugment = .init() }
        ).joined().map { ($0.operation, $0.magnitude) }
        #expect(theirs.count == 2 * Self.draws && ours.count == theirs.count)
        var counts: [String: (ours: Int, theirs: Int)] = [:]
        for (operation, magnitude) in ours {
            counts["\(operation) \(magnitude)", default: (0, 0)].ours += 1
        }
        for (operation, magnitude) in theirs {
            counts["\(operation) \(magnitude)", default: (0, 0)].theirs += 1
        }
        // Nine operations have two signs, five have none.
        #expect(counts.count == 23, "\(counts)")
        let verdict = SampleStatistics.homogeneous(counts.values.map(\.ours), counts.values.map(\.theirs))
        #expect(verdict.holds, "\(verdict): \(counts)")
    }

    @Test("Horizontal flips")
    func flips() throws {
        for (text, theirs) in try Self.samples.get().flips {
            let probability = try #require(Double(text))
            let values = SamplerTests.sampled(width: 2, height: 1, draws: Self.draws) {
                $0.horizontalFlip = probability
            }
            let ours = values.filter { $0 == .flag(true) }.count
            let verdict = SampleStatistics.homogeneous(
                [ours, Self.draws - ours], [theirs, Self.draws - theirs])
            #expect(verdict.holds, "\(ours) and \(theirs) at \(probability): \(verdict)")
        }
    }

    @Test("Places of random crops")
    func crops() throws {
        for (text, theirs) in try Self.samples.get().crops {
            let image = try size(text)
            let values = SamplerTests.sampled(width: image.width, height: image.height, draws: Self.draws) {
                $0.randomCrop = .init(size: .init(height: 32, width: 24))
            }
            let ours = SamplerTests.integers(values, 2)
            compare(ours, theirs, ["top", "left"], text)
            var counts = [[Int]](repeating: [Int](repeating: 0, count: 256), count: 4)
            for place in ours {
                counts[0][place[0]] += 1
                counts[1][place[1]] += 1
            }
            for place in theirs {
                counts[2][place[0]] += 1
                counts[3][place[1]] += 1
            }
            for side in 0..<2 {
                let verdict = SampleStatistics.homogeneous(counts[side], counts[side + 2])
                #expect(verdict.holds, "\(text): \(verdict)")
            }
        }
    }

    @Test("Boxes of random resized crops, also where every try may fail")
    func boxes() throws {
        for (text, theirs) in try Self.samples.get().boxes {
            let image = try size(text)
            let values = SamplerTests.sampled(width: image.width, height: image.height, draws: Self.draws) {
                $0.randomResizedCrop = .init(size: .init(height: 224, width: 224))
            }
            compare(
                SamplerTests.integers(values, 4), theirs, ["top", "left", "height", "width"],
                "boxes in \(text)")
        }
    }

    @Test("Erased boxes and their probability")
    func erased() throws {
        for (text, theirs) in try Self.samples.get().erased {
            let probability = try #require(Double(text))
            let values = SamplerTests.sampled(width: 48, height: 64, draws: Self.draws) {
                $0.randomErase = .init(probability: probability)
            }
            let (ours, boxes) = (SamplerTests.integers(values, 4), theirs.compactMap { $0 })
            let verdict = SampleStatistics.homogeneous(
                [ours.count, Self.draws - ours.count], [boxes.count, Self.draws - boxes.count])
            #expect(verdict.holds, "\(ours.count) and \(boxes.count) at \(probability): \(verdict)")
            compare(ours, boxes, ["top", "left", "height", "width"], "erasing at \(probability)")
        }
    }
}
