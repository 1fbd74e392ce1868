/// A process's own monotonic clock: it runs a little fast or slow against the world's time, and jumps
/// forwards when its machine slept.
package struct SkewedClock: Sendable {
    private let rate: Double
    private var offset: Duration

    package init(rate: Double, offset: Duration) {
        self.rate = rate
        self.offset = offset
    }

    package func local(_ world: Duration) -> Duration { world * rate + offset }

    /// When, in the world's time, this clock shows `local`.
    package func world(_ local: Duration) -> Duration { (local - offset) / rate }

    package mutating func jump(_ time: Duration) { offset += time }
}
