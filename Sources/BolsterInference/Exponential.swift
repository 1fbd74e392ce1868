/// e to the power of many numbers at once.
///
/// Our own rather than the C library's: it handles eight numbers together, and gives the same bits whatever
/// library a machine has, so that two machines with equal logits draw equal tokens. x = k·ln 2 + r with
/// |r| ≤ ln 2 / 2, then a polynomial in r (Moshier's Cephes library, `expf`) times 2 to the k.
enum Exponential {
    private typealias Lanes = SIMD8<Float>

    /// Writes exp((values - top) · scale), which is exact to 2e-7 of itself. Below -87 the result is 1e-38
    /// instead of less.
    ///
    /// - Parameters:
    ///   - values: none is larger than `top` or not a number.
    ///   - output: as many as values.
    static func fill(
        _ output: UnsafeMutableBufferPointer<Float>, of values: UnsafeMutableBufferPointer<Float>,
        minus top: Float,
        times scale: Float
    ) {
        precondition(output.count == values.count, "\(output.count) places for \(values.count) numbers")
        guard let source = values.baseAddress, let target = output.baseAddress else { return }
        var index = 0
        while index + Lanes.scalarCount <= values.count {
            let lanes = UnsafeRawPointer(source + index).loadUnaligned(as: Lanes.self)
            UnsafeMutableRawPointer(target + index).storeBytes(
                of: power((lanes - top) * scale), as: Lanes.self)
            index += Lanes.scalarCount
        }
        while index < values.count {
            target[index] = power(Lanes(repeating: (source[index] - top) * scale))[0]
            index += 1
        }
    }

    @inline(__always)
    private static func power(_ unbounded: Lanes) -> Lanes {
        let lowest = Lanes(repeating: -87)
        let x = unbounded.replacing(with: lowest, where: unbounded .< lowest)
        // Adding 1.5 · 2^23 leaves no bits for a fraction: it rounds to a whole number, which then is in
        // the lowest bits.
        let magic = Lanes(repeating: 12_582_912)
        let shifted = x * 1.442_695 + magic
        let k = shifted - magic
        // ln 2 in two parts, the first of which times k is exact.
        let r = x - k * 0.693_359_375 + k * 2.121_944_4e-4
        var sum = r * 1.987_569_2e-4 + 1.398_199_95e-3
        sum = sum * r + 8.333_452e-3
        sum = sum * r + 4.166_579_6e-2
        sum = sum * r + 1.666_666_55e-1
        sum = sum * r + 5.000_000_1e-1
        let fraction = sum * r * r + r + 1
        let whole =
            unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- unsafeBitCast(magic, to: SIMD8<Int32>.self)
        return fraction * unsafeBitCast((whole &+ 127) &<< 23, to: Lanes.self)
    }
}
