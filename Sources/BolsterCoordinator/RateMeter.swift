/// Samples per second of each stage over the last half minute. Chunks come in bursts, so a shorter window
/// would jump.
struct RateMeter {
    private static let window: Duration = .seconds(30)

    private var history: [(time: Duration, samples: [Int])] = []

    /// - Parameter samples: committed so far, stage by stage.
    mutating func measured(_ samples: [Int], now: Duration) {
        history.append((now, samples))
        while history.count > 2, now - history[1].time >= Self.window { history.removeFirst() }
    }

    func samplesPerSecond(stage: Int) -> Double {
        guard let first = history.first, let last = history.last, last.time > first.time else { return 0 }
        return Double(last.samples[stage] - first.samples[stage]) / ((last.time - first.time) / .seconds(1))
    }
}
