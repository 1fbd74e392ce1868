import Foundation
import Testing

@testable import BolsterInference

@Suite struct HalfFloatsTests {
    /// Halfway cases, subnormals, the largest numbers and what is beyond them, and a walk over all exponents.
    private static let values: [Float] = {
        var values: [Float] = [
            0, -0.0, 1, -1, 65_504, 65_519.996, 65_520, 1e9, 6.1035e-5, 5.96e-8, 2.98e-8, 2.9802322e-8,
            2.99e-8, .leastNonzeroMagnitude, .infinity, -.infinity, .nan, 3.3895314e38,
            .greatestFiniteMagnitude,
        ]
        var bits: UInt32 = 1
        while bits < 0x7F80_0000 {
            values += [Float(bitPattern: bits), -Float(bitPattern: bits | 0x1000)]
            bits += 0x000F_1377
        }
        return values
    }()

    @Test("Rounding to float16 is Swift's own conversion")
    func float16() {
        for value in Self.values where !value.isNaN {
            #expect(HalfFloats.float16(value) == Float16(value).bitPattern, "\(value)")
        }
        #expect(HalfFloats.float16(.nan) & 0x7FFF > 0x7C00)
    }

    @Test("Rounding to bfloat16 goes to the nearer neighbour, to the even one of two")
    func bfloat16() {
        for value in Self.values where value.isFinite {
            let found = HalfFloats.bfloat16(value)
            let bits = value.bitPattern
            let (low, high) = (bits >> 16, (bits >> 16) + 1)
            let rest = bits & 0xFFFF
            let expected = rest == 0x8000 ? low + (low & 1) : (rest < 0x8000 ? low : high)
            #expect(UInt32(found) == expected, "\(value)")
        }
        #expect(HalfFloats.bfloat16(.infinity) == 0x7F80)
        #expect(HalfFloats.bfloat16(.nan) == 0x7FC0)
    }
}
