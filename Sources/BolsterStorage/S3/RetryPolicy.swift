import Foundation

/// How often a request that failed for a moment is sent again, and after what pause: at most `attempts`
/// times in all, the pause drawn evenly between nothing and a limit that doubles ("full jitter"), so that
/// many workers that failed together do not come back together.
struct RetryPolicy: Sendable {
    var attempts = 8
    var pauseFirst: Duration = .milliseconds(200)
    var pauseMax: Duration = .seconds(20)
    var sleep: @Sendable (Duration) -> Void = { pause in
        let (seconds, attoseconds) = pause.components
        Thread.sleep(forTimeInterval: Double(seconds) + Double(attoseconds) / 1e18)
    }

    /// The pause's limit after an attempt, counted from 0.
    func pauseLimit(after attempt: Int) -> Duration {
        min(pauseMax, pauseFirst * (1 << min(attempt, 20)))
    }

    func pause(after attempt: Int) {
        sleep(pauseLimit(after: attempt) * Double.random(in: 0...1))
    }
}
