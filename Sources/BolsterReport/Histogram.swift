/// Counts in equal bins between two bounds; what lies outside counts in the outermost bins.
struct Histogram: Equatable, Sendable {
    let range: ClosedRange<Double>
    private(set) var counts: [Int]
    private(set) var sum = 0.0

    init(_ range: ClosedRange<Double>, bins: Int) {
        self.range = range
        counts = [Int](repeating: 0, count: bins)
    }

    var total: Int { counts.reduce(0, +) }
    var mean: Double? { total == 0 ? nil : sum / Double(total) }
    var width: Double { (range.upperBound - range.lowerBound) / Double(counts.count) }

    mutating func add(_ value: Double) {
        guard value.isFinite else { return }
        let place = ((value - range.lowerBound) / width).rounded(.down)
        counts[Int(min(Double(counts.count - 1), max(0, place)))] += 1
        sum += value
    }

    /// Each bin's share of all.
    var shares: [Double] { counts.map { total == 0 ? 0 : Double($0) / Double(total) } }

    /// The value below which `part` of all lie, to the middle of a bin; nil where nothing was counted.
    func quantile(_ part: Double) -> Double? {
        guard total > 0 else { return nil }
        var left = part * Double(total)
        for (index, count) in counts.enumerated() {
            left -= Double(count)
            if left <= 0 { return range.lowerBound + (Double(index) + 0.5) * width }
        }
        return range.upperBound
    }
}
