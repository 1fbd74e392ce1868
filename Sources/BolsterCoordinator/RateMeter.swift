import BolsterLeasing

/// Samples per second of each stage, from its commits.
///
/// Chunks come in bursts: eight workers with a slow captioner may commit eight times in ten minutes. So the
/// window of a stage is half a minute, or as much longer as eight of its commits take, but never more than
/// half an hour. It begins anew when a stage that nobody worked on is taken up, or its first rates would be
/// means over its idle time; and a stage that nobody works on makes nothing.
struct RateMeter {
    private static let window: Duration = .seconds(30)
    private static let windowMax: Duration = .seconds(1_800)
    private static let commitsWanted = 8
    private static let pointsMax = 256
    /// Between two units of a stage there may be a moment without a lease.
    private static let idleAfter: Duration = .seconds(10)

    private struct Stage {
        /// When so many samples were first seen committed; the first one is the window's beginning.
        var points: [(time: Duration, samples: Int)] = []
        var lastOpen: Duration?
    }

    private var stages: [Stage] = []
    private var now: Duration = .zero

    /// - Parameter counts: the same stages each time, in the same order; times do not go back.
    mutating func measured(_ counts: [StageStatus], now: Duration) {
        if stages.isEmpty { stages = [Stage](repeating: Stage(), count: counts.count) }
        self.now = now
        for (index, count) in counts.enumerated() {
            if count.open > 0 {
                if isIdle(stages[index]) { stages[index].points = [(now, count.samples)] }
                stages[index].lastOpen = now
            }
            guard let last = stages[index].points.last else { continue }
            if count.samples < last.samples {
                // Samples were taken back: what came before tells nothing about what comes.
                stages[index].points = [(now, count.samples)]
            } else if count.samples > last.samples {
                stages[index].points.append((now, count.samples))
                drop(&stages[index].points)
            }
        }
    }

    func samplesPerSecond(stage: Int) -> Double {
        guard stages.indices.contains(stage), !isIdle(stages[stage]) else { return 0 }
        let points = stages[stage].points
        guard let first = points.first, let last = points.last, points.count > 1, now > first.time,
            now - last.time < Self.windowMax
        else { return 0 }
        return Double(last.samples - first.samples) / ((now - first.time) / .seconds(1))
    }

    private func isIdle(_ stage: Stage) -> Bool {
        stage.lastOpen.map { now - $0 > Self.idleAfter } ?? true
    }

    /// Leaves what the window needs: one point before it, and enough commits.
    private func drop(_ points: inout [(time: Duration, samples: Int)]) {
        while points.count > 2 {
            let isOld = now - points[1].time >= Self.window
            let isPlenty = points.count - 2 >= Self.commitsWanted
            let isTooOld = now - points[0].time > Self.windowMax
            guard (isOld && isPlenty) || isTooOld || points.count > Self.pointsMax else { return }
            points.removeFirst()
        }
    }
}
