/// Single precision rounded to half, to the nearest, ties to even, as PyTorch's `.half()` and `.bfloat16()`
/// round. Written in integers so that the compiler turns the loops into vector instructions of any
/// processor; Swift's own `Float16` calls a function per value where the processor was not named.
enum HalfFloats {
    /// - Parameter target: two bytes for each value.
    static func round(
        _ values: UnsafeBufferPointer<Float>, into target: UnsafeMutableRawBufferPointer,
        as precision: ModelPackage.Precision
    ) {
        precondition(target.count == values.count * 2, "\(target.count) bytes for \(values.count) values")
        let halves = target.bindMemory(to: UInt16.self)
        switch precision {
        case .fp16: for index in values.indices { halves[index] = float16(values[index]) }
        case .bf16: for index in values.indices { halves[index] = bfloat16(values[index]) }
        case .fp32: preconditionFailure("fp32 is no half precision")
        }
    }

    @inline(__always) static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let rounded = (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16
        return value.isNaN ? 0x7FC0 : UInt16(truncatingIfNeeded: rounded)
    }

    /// Numbers too small for a normal half get their bits from a sum with 0.5, whose last place is the
    /// smallest half; the others lose thirteen bits of their fraction and 112 of their exponent.
    @inline(__always) static func float16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
        let size = bits & 0x7FFF_FFFF
        let small = (Float(bitPattern: size) + 0.5).bitPattern &- Float(0.5).bitPattern
        let normal = (size &+ 0xFFF &+ (size >> 13 & 1) &- 112 << 23) >> 13
        let large: UInt32 = size > 0x7F80_0000 ? 0x7E00 : 0x7C00
        let half = size >= 0x4780_0000 ? large : (size < 0x3880_0000 ? small : normal)
        return sign | UInt16(truncatingIfNeeded: half)
    }
}
