/// RFC 4648's base64, the alphabet with "+" and "/" or the one for URLs, with or without padding.
enum Base64 {
    /// Nil for anything else, whitespace included.
    static func decoded(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var count = text.count
        while count > 0, text.count - count < 2, text[count - 1] == UInt8(ascii: "=") { count -= 1 }
        guard count % 4 != 1, count == text.count || text.count % 4 == 0 else { return nil }
        let whole = count / 4
        // The last group's missing digits give no bytes.
        let bytesCount = whole * 3 + (count % 4 == 0 ? 0 : count % 4 - 1)
        var isValid = true
        let bytes = [UInt8](unsafeUninitializedCapacity: bytesCount) { out, initialized in
            values.withUnsafeBufferPointer { values in
                var bad: UInt32 = 0
                for group in 0..<whole {
                    let digits = text.loadUnaligned(fromByteOffset: 4 * group, as: UInt32.self).littleEndian
                    let a = values[Int(digits & 0xFF)]
                    let b = values[Int(digits >> 8 & 0xFF)]
                    let c = values[Int(digits >> 16 & 0xFF)]
                    let d = values[Int(digits >> 24)]
                    let bits = a << 18 | b << 12 | c << 6 | d
                    bad |= a | b | c | d
                    out[3 * group] = UInt8(truncatingIfNeeded: bits >> 16)
                    out[3 * group + 1] = UInt8(truncatingIfNeeded: bits >> 8)
                    out[3 * group + 2] = UInt8(truncatingIfNeeded: bits)
                }
                var bits: UInt32 = 0
                for place in 0..<(count % 4) {
                    let value = values[Int(text[4 * whole + place])]
                    bad |= value
                    bits |= value << (18 - 6 * UInt32(place))
                }
                for place in 0..<(bytesCount - 3 * whole) {
                    out[3 * whole + place] = UInt8(truncatingIfNeeded: bits >> (16 - 8 * UInt32(place)))
                }
                isValid = bad < invalid
            }
            initialized = bytesCount
        }
        return isValid ? bytes : nil
    }

    /// No digit's value; it survives being or-ed with others.
    private static let invalid: UInt32 = 1 << 30

    private static let values: [UInt32] = {
        var values = [UInt32](repeating: invalid, count: 256)
        let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (value, digit) in digits.utf8.enumerated() { values[Int(digit)] = UInt32(value) }
        values[Int(UInt8(ascii: "-"))] = 62
        values[Int(UInt8(ascii: "_"))] = 63
        return values
    }()
}
