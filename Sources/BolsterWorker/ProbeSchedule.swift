import Foundation

/// When a stage's models are proved again on their probe: after so many chunks since the last time that the
/// device answered rightly.
struct ProbeSchedule {
    /// Chunks between two probes; 0 proves at loading only.
    let every: Int
    /// Chunks computed since the last good probe.
    private(set) var chunks = 0
    /// When that was.
    private(set) var lastGood: Date

    /// - Parameter loaded: when the models were proved for the first time.
    init(every: Int, loaded: Date) {
        self.every = every
        self.lastGood = loaded
    }

    /// One more chunk is computed.
    ///
    /// - Returns: whether a probe is due now.
    mutating func chunkComputed() -> Bool {
        chunks += 1
        return every > 0 && chunks >= every
    }

    mutating func passed(at time: Date) {
        chunks = 0
        lastGood = time
    }
}
