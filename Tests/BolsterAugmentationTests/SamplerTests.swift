import BolsterDataset
import Foundation
import Testing

@testable import BolsterAugmentation

/// The sampler against the distributions that it is meant to have, without any other program.
@Suite("Distributions of sampled parameters")
struct SamplerTests {
    private static let draws = 20_000
    private static let operations = RandAugmentOperation.allCases.count

    /// The value of the only transform of a configuration, for `draws` views: ten each of some samples.
    static func sampled(
        width: Int, height: Int, draws: Int = draws, _ configure: (inout AugmentationConfiguration) -> Void
    ) -> [ParameterValue] {
        var configuration = AugmentationConfiguration()
        configure(&configuration)
        let augmentation = Augmentation(configuration)
        return (0..<draws).map { index in
            augmentation.sample(
                width: width, height: height, seed: 1, key: "key-\(index / 10)", view: index % 10
            ).values[0]
        }
    }

    /// The lists of whole numbers among the values.
    static func integers(_ values: [ParameterValue], _ count: Int) -> [[Int]] {
        values.filter { $0 != .null }.map { value in (0..<count).compactMap { value.integer(at: $0) } }
    }

    /// Operation and magnitude of each operation of each view that was not passed over.
    static func operations(_ values: [ParameterValue]) -> [[(operation: Int, magnitude: Double)]] {
        values.compactMap { value in
            guard case .list(let drawn) = value else { return nil }
            return drawn.compactMap { pair in
                guard case .list(let parts) = pair, let operation = parts[0].integer,
                    let magnitude = parts[1].double
                else { return nil }
                return (operation, magnitude)
            }
        }
    }

    @Test("RandAugment draws each of its operations evenly, the second whatever the first was")
    func operationChoice() {
        let values = Self.sampled(width: 224, height: 224) { $0.randAugment = .init() }
        var counts = [Int](repeating: 0, count: Self.operations)
        var pairs = [Int](repeating: 0, count: Self.operations * Self.operations)
        for drawn in Self.operations(values) {
            #expect(drawn.count == 2)
            for choice in drawn { counts[choice.operation] += 1 }
            pairs[drawn[0].operation * Self.operations + drawn[1].operation] += 1
        }
        #expect(counts.reduce(0, +) == 2 * Self.draws)
        let choice = SampleStatistics.uniform(counts)
        #expect(choice.holds, "\(choice): \(counts)")
        let together = SampleStatistics.uniform(pairs)
        #expect(together.holds, "\(together)")
    }

    @Test("A fair coin decides the sign of each signed operation, and no other is negative")
    func signs() {
        let values = Self.sampled(width: 224, height: 224) { $0.randAugment = .init() }
        var negative = [Int](repeating: 0, count: Self.operations)
        var positive = negative
        for choice in Self.operations(values).joined() {
            if choice.magnitude < 0 {
                negative[choice.operation] += 1
            } else {
                positive[choice.operation] += 1
            }
        }
        for operation in RandAugmentOperation.allCases {
            let counts = [negative[operation.rawValue], positive[operation.rawValue]]
            if operation.isSigned {
                let coin = SampleStatistics.uniform(counts)
                #expect(coin.holds, "\(operation): \(coin), \(counts)")
            } else {
                #expect(counts[0] == 0 && counts[1] > 0, "\(operation): \(counts)")
            }
        }
    }

    @Test("Flips, RandAugment and erasing have their probability", arguments: [0.1, 0.25, 0.5, 0.9])
    func probabilities(_ probability: Double) {
        let flips = Self.sampled(width: 64, height: 48) { $0.horizontalFlip = probability }
        let flipped = flips.filter { $0 == .flag(true) }.count
        let augmented = Self.sampled(width: 64, height: 48) {
            $0.randAugment = .init(probability: probability)
        }
        let erased = Self.sampled(width: 64, height: 48) { $0.randomErase = .init(probability: probability) }
        for count in [
            flipped, augmented.filter { $0 != .null }.count, erased.filter { $0 != .null }.count,
        ] {
            let verdict = SampleStatistics.fit(
                [count, Self.draws - count], weights: [probability, 1 - probability])
            #expect(verdict.holds, "\(count) of \(Self.draws) at \(probability): \(verdict)")
        }
    }

    @Test("Probabilities 0 and 1 leave nothing to chance")
    func certainties() {
        for probability in [0.0, 1.0] {
            let flips = Self.sampled(width: 9, height: 9) { $0.horizontalFlip = probability }
            #expect(flips.allSatisfy { $0 == .flag(probability == 1) })
        }
        let augmented = Self.sampled(width: 9, height: 9) { $0.randAugment = .init() }
        #expect(!augmented.contains(.null))
        let erased = Self.sampled(width: 9, height: 9) { $0.randomErase = .init(probability: 1) }
        #expect(!erased.contains(.null))
    }

    @Test("A random crop lies anywhere with the same probability")
    func cropPositions() {
        let values = Self.sampled(width: 35, height: 40) {
            $0.randomCrop = .init(size: .init(height: 32, width: 24))
        }
        var counts = [Int](repeating: 0, count: 9 * 12)
        for place in Self.integers(values, 2) { counts[place[0] * 12 + place[1]] += 1 }
        let verdict = SampleStatistics.uniform(counts)
        #expect(verdict.holds, "\(verdict): \(counts)")
    }

    /// In a square that every permitted box fits in, so that no try is repeated.
    @Test("Boxes have a uniform area, a log-uniform aspect and a uniform place")
    func boxes() {
        let side = 2_000
        let erased = Self.sampled(width: side, height: side) {
            $0.randomErase = .init(probability: 1, scale: 0.02...0.33, ratio: 0.5...2)
        }
        check(Self.integers(erased, 4), side: side, scale: 0.02...0.33, ratio: 0.5...2, aspectOfHeight: true)
        let cropped = Self.sampled(width: side, height: side) {
            $0.randomResizedCrop = .init(
                size: .init(height: 224, width: 224), scale: 0.08...0.4, ratio: 0.5...2)
        }
        check(Self.integers(cropped, 4), side: side, scale: 0.08...0.4, ratio: 0.5...2, aspectOfHeight: false)
    }

    private func check(
        _ boxes: [[Int]], side: Int, scale: ClosedRange<Double>, ratio: ClosedRange<Double>,
        aspectOfHeight: Bool
    ) {
        #expect(boxes.count == Self.draws)
        let areas = boxes.map { box in
            let area = Double(box[2] * box[3]) / Double(side * side)
            return (area - scale.lowerBound) / (scale.upperBound - scale.lowerBound)
        }
        let aspects = boxes.map { box in
            let aspect = Double(box[2]) / Double(box[3])
            let fraction = log(aspect / ratio.lowerBound) / log(ratio.upperBound / ratio.lowerBound)
            return aspectOfHeight ? fraction : 1 - fraction
        }
        let tops = boxes.map { (Double($0[0]) + 0.5) / Double(side - $0[2] + 1) }
        let lefts = boxes.map { (Double($0[1]) + 0.5) / Double(side - $0[3] + 1) }
        for (name, values) in [("area", areas), ("aspect", aspects), ("top", tops), ("left", lefts)] {
            let verdict = SampleStatistics.uniform(values)
            #expect(verdict.holds, "\(name): \(verdict)")
        }
    }

    @Test("The statistics tell a biased sample from a fair one")
    func statistics() {
        #expect(SampleStatistics.uniform([5_000, 5_100]).holds)
        #expect(!SampleStatistics.uniform([5_000, 5_400]).holds)
        #expect(SampleStatistics.fit([300, 700], weights: [0.3, 0.7]).holds)
        #expect(!SampleStatistics.fit([400, 600], weights: [0.3, 0.7]).holds)
        #expect(SampleStatistics.homogeneous([500, 500, 10], [510, 490, 9]).holds)
        #expect(!SampleStatistics.homogeneous([500, 500, 10], [510, 490, 60]).holds)
        let even = (0..<10_000).map { (Double($0) + 0.5) / 10_000 }
        #expect(SampleStatistics.uniform(even).holds)
        #expect(!SampleStatistics.uniform(even.map { $0 * 0.97 }).holds)
        #expect(SampleStatistics.same(even, even).holds)
        #expect(!SampleStatistics.same(even, even.map { $0 * 0.97 }).holds)
    }
}
