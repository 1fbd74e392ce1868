import Foundation

/// Tests of hypotheses at the level 0.001, which samples of a right sampler pass but for one in a thousand.
/// The seeds of the tests are fixed, so that each passes always or never.
enum SampleStatistics {
    /// What a test says: `value` stays below `limit` where the hypothesis holds.
    struct Verdict: CustomStringConvertible {
        let value, limit: Double
        var holds: Bool { value < limit }
        var description: String { "\(value) against a limit of \(limit)" }
    }

    /// Pearson's test that counts come from a distribution, given by weights.
    static func fit(_ counts: [Int], weights: [Double]) -> Verdict {
        precondition(counts.count == weights.count && counts.count > 1)
        let total = Double(counts.reduce(0, +))
        let sum = weights.reduce(0, +)
        let value = zip(counts, weights).reduce(0.0) { value, pair in
            let expected = total * pair.1 / sum
            return value + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
        }
        return Verdict(value: value, limit: chiSquareLimit(degrees: counts.count - 1))
    }

    static func uniform(_ counts: [Int]) -> Verdict {
        fit(counts, weights: [Double](repeating: 1, count: counts.count))
    }

    /// Pearson's test that two counts of the same classes come from one distribution.
    static func homogeneous(_ first: [Int], _ second: [Int]) -> Verdict {
        precondition(first.count == second.count)
        let (firstTotal, secondTotal) = (Double(first.reduce(0, +)), Double(second.reduce(0, +)))
        var value = 0.0
        var classes = 0
        for (a, b) in zip(first, second) where a + b > 0 {
            let both = Double(a + b)
            classes += 1
            for (count, total) in [(a, firstTotal), (b, secondTotal)] {
                let expected = both * total / (firstTotal + secondTotal)
                value += (Double(count) - expected) * (Double(count) - expected) / expected
            }
        }
        return Verdict(value: value, limit: chiSquareLimit(degrees: max(1, classes - 1)))
    }

    /// The Kolmogorov-Smirnov test that values are uniform from 0 to 1.
    static func uniform(_ values: [Double]) -> Verdict {
        let count = Double(values.count)
        var distance = 0.0
        for (rank, value) in values.sorted().enumerated() {
            distance = max(distance, abs(Double(rank) / count - value), abs(Double(rank + 1) / count - value))
        }
        return Verdict(value: distance, limit: smirnov / count.squareRoot())
    }

    /// The Kolmogorov-Smirnov test that two samples come from one distribution. For whole numbers, which
    /// repeat, it rejects more rarely than its level.
    static func same(_ first: [Double], _ second: [Double]) -> Verdict {
        let (a, b) = (first.sorted(), second.sorted())
        var (i, j, distance) = (0, 0, 0.0)
        while i < a.count, j < b.count {
            let value = min(a[i], b[j])
            while i < a.count, a[i] == value { i += 1 }
            while j < b.count, b[j] == value { j += 1 }
            distance = max(distance, abs(Double(i) / Double(a.count) - Double(j) / Double(b.count)))
        }
        let size = Double(a.count * b.count) / Double(a.count + b.count)
        return Verdict(value: distance, limit: smirnov / size.squareRoot())
    }

    /// sqrt(-ln(0.001 / 2) / 2)
    private static let smirnov = (-log(0.0005) / 2).squareRoot()

    /// The 0.999 quantile of chi-square, to a few thousandths: Wilson and Hilferty's cube (PNAS 17, 1931).
    private static func chiSquareLimit(degrees: Int) -> Double {
        let degrees = Double(degrees)
        let spread = 2 / (9 * degrees)
        return degrees * pow(1 - spread + 3.0902 * spread.squareRoot(), 3)
    }
}
