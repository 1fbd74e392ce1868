/// The chance of a simulated run: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014). One seed is one run; nothing else in a simulation is random.
package struct SeededRandom: Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Uniform in [0, 1).
    package mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    package mutating func chance(_ probability: Double) -> Bool { fraction() < probability }

    /// Uniform in 0..<bound; `bound` is at least 1.
    package mutating func integer(below bound: Int) -> Int { Int(next() % UInt64(bound)) }

    package mutating func integer(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + integer(below: range.count)
    }

    /// Uniform between two numbers of seconds.
    package mutating func time(_ low: Double, _ high: Double) -> Duration {
        .nanoseconds(Int64((low + fraction() * (high - low)) * 1e9))
    }

    /// The time to the next of events that come `perSecond` on average (exponentially distributed).
    package mutating func wait(perSecond: Double) -> Duration {
        guard perSecond > 0 else { return .seconds(1_000_000) }
        return .nanoseconds(Int64(min(-_log(1 - fraction()) / perSecond, 1e6) * 1e9))
    }

    package mutating func element<Element>(of elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[integer(below: elements.count)]
    }

    /// Natural logarithm of 0 < x <= 1, by halving into [0.5, 1] and a series: equal bits on every machine.
    private func _log(_ number: Double) -> Double {
        var mantissa = number
        var halvings = 0.0
        while mantissa < 0.5 {
            mantissa *= 2
            halvings += 1
        }
        let ratio = (mantissa - 1) / (mantissa + 1)
        let square = ratio * ratio
        var term = ratio
        var sum = 0.0
        for power in stride(from: 1.0, through: 29, by: 2) {
            sum += term / power
            term *= square
        }
        return 2 * sum - halvings * 0.693_147_180_559_945_3
    }
}
