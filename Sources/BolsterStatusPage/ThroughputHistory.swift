/// Samples per second of each stage over the last hour, day and month: three rings of fixed size, so that a
/// run of months takes no more memory than one of a day.
struct ThroughputHistory: Sendable {
    enum Span: String, CaseIterable, Sendable {
        case hour, day, month

        /// Between two points.
        var interval: Duration {
            switch self {
            case .hour: .seconds(5)
            case .day: .seconds(120)
            case .month: .seconds(3_600)
            }
        }

        static let pointsMax = 720
    }

    struct Point: Equatable, Sendable {
        let time: Duration
        /// By stage, in the run's order.
        let rates: [Float]
    }

    private struct Ring: Sendable {
        var points: [Point] = []
        /// Where the oldest one is, once the ring is full.
        var first = 0
        var begun: Duration?
        var samples: [Int] = []

        mutating func append(_ point: Point) {
            guard points.count == Span.pointsMax else { return points.append(point) }
            points[first] = point
            first = (first + 1) % points.count
        }

        var inOrder: [Point] { Array(points[first...] + points[..<first]) }
    }

    private var rings = [Ring](repeating: Ring(), count: Span.allCases.count)

    /// One state of the run; times do not go back.
    ///
    /// - Parameter stages: the same ones each time, in the same order.
    mutating func observed(_ stages: [StageSample], now: Duration) {
        for (index, span) in Span.allCases.enumerated() {
            guard let begun = rings[index].begun else {
                rings[index].begun = now
                rings[index].samples = stages.map(\.samples)
                continue
            }
            guard now - begun >= span.interval else { continue }
            // Chunks come in bursts that five seconds would show as spikes: there the meter's rate is taken,
            // which looks back further. Longer intervals count what was committed in them.
            let seconds = (now - begun) / .seconds(1)
            let rates = zip(stages, rings[index].samples).map { stage, before in
                span == .hour
                    ? Float(stage.samplesPerSecond) : Float(Double(max(0, stage.samples - before)) / seconds)
            }
            rings[index].append(Point(time: now, rates: rates))
            rings[index].begun = now
            rings[index].samples = stages.map(\.samples)
        }
    }

    /// Oldest first.
    func points(_ span: Span) -> [Point] { rings[Span.allCases.firstIndex(of: span)!].inOrder }
}

/// What the history takes of a stage's state.
struct StageSample: Sendable {
    let samples: Int
    let samplesPerSecond: Double
}
