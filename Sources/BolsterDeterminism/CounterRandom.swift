/// What a stream of random numbers is for. The raw value enters the key, so it never changes.
package enum RandomPurpose: UInt64, Sendable {
    case augmentation = 1
    case caption = 2
}

/// Random numbers that any worker draws alike: Philox4x32-10 (Salmon et al., "Parallel Random
/// Numbers: As Easy as 1, 2, 3", SC 2011) keyed by the manifest's seed, the purpose, the sample's key
/// and the index of the view or caption.
///
///     XXH64(seed ‖ purpose ‖ key)  ->  the 64-bit Philox key
///     counter = (block, block >> 32, index, index >> 32)  ->  four 32-bit words a block
///
/// A stream is a value: copying it forks it, and the copies draw the same numbers.
package struct CounterRandom: Sendable {
    private let key: (UInt32, UInt32)
    private let index: UInt64
    private var block: UInt64 = 0
    private var words: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    private var used = 4

    package init(seed: UInt64, purpose: RandomPurpose, key: String, index: Int) {
        var bytes: [UInt8] = []
        for value in [seed, purpose.rawValue] {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
        bytes.append(contentsOf: key.utf8)
        self.init(philoxKey: XXH64Hasher.hash(of: bytes), index: UInt64(index))
    }

    init(philoxKey: UInt64, index: UInt64) {
        self.key = (UInt32(truncatingIfNeeded: philoxKey), UInt32(truncatingIfNeeded: philoxKey >> 32))
        self.index = index
    }

    /// The next 32 bits.
    package mutating func next() -> UInt32 {
        if used == 4 {
            words = Self.philox(
                counter: (
                    UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32),
                    UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32)
                ), key: key)
            block += 1
            used = 0
        }
        defer { used += 1 }
        switch used {
        case 0: return words.0
        case 1: return words.1
        case 2: return words.2
        default: return words.3
        }
    }

    /// Uniform in [0, 1) with 53 bits, as `random.random()` of Python has.
    package mutating func double() -> Double {
        let high = UInt64(next() >> 5)
        let low = UInt64(next() >> 6)
        return Double(high << 26 | low) * 0x1p-53
    }

    /// Uniform in `low..<high`.
    package mutating func double(in low: Double, _ high: Double) -> Double {
        low + (high - low) * double()
    }

    /// Uniform in `0..<bound`, without modulo bias (Lemire, ACM TOMACS 29(1), 2019). `bound` > 0.
    package mutating func integer(below bound: Int) -> Int {
        precondition(bound > 0 && bound <= Int(UInt32.max), "a bound of \(bound) is outside 1...2^32-1")
        let range = UInt64(bound)
        let threshold = (UInt64(1) << 32) % range
        while true {
            let product = UInt64(next()) * range
            if product & 0xFFFF_FFFF >= threshold { return Int(product >> 32) }
        }
    }

    static func philox(
        counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        var (c0, c1, c2, c3) = counter
        var (k0, k1) = key
        for _ in 0..<10 {
            let first = UInt64(c0) * 0xD251_1F53
            let second = UInt64(c2) * 0xCD9E_8D57
            let high0 = UInt32(truncatingIfNeeded: first >> 32)
            let high1 = UInt32(truncatingIfNeeded: second >> 32)
            (c0, c1, c2, c3) = (
                high1 ^ c1 ^ k0, UInt32(truncatingIfNeeded: second),
                high0 ^ c3 ^ k1, UInt32(truncatingIfNeeded: first)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return (c0, c1, c2, c3)
    }
}
