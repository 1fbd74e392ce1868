import Foundation

/// JSON as programs write it that do not keep to the standard (RFC 8259): Python's json module puts out
/// `NaN`, `Infinity` and `-Infinity`, others a byte order mark, bytes that are no UTF-8, or half an emoji as
/// `\ud83d`, where a text was cut by its UTF-16 length. One such value must not cost a sample its texts and
/// its uid, or a shard the samples behind it.
package enum RepairedJSON {
    /// The value, and bytes of standard JSON that say the same: those given where they are, else with `null`
    /// for numbers that are none and the replacement character for what is no text. Nil where that is
    /// no JSON either.
    static func parse(_ bytes: [UInt8]) -> (value: Any, bytes: [UInt8])? {
        if let value = value(bytes) { return (value, bytes) }
        let repaired = repaired(bytes)
        return value(repaired).map { ($0, repaired) }
    }

    /// The bytes of standard JSON alone; nil where the bytes say nothing.
    package static func standard(_ bytes: [UInt8]) -> [UInt8]? { parse(bytes)?.bytes }

    private static func value(_ bytes: [UInt8]) -> Any? {
        do {
            return try JSONSerialization.jsonObject(with: Data(bytes))
        } catch {
            return nil
        }
    }

    private static let words = ["NaN", "Infinity", "-Infinity"].map { Array($0.utf8) }
    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private static func repaired(_ bytes: [UInt8]) -> [UInt8] {
        let content = bytes.starts(with: byteOrderMark) ? bytes.dropFirst(3) : bytes[...]
        let text = Array(String(decoding: content, as: UTF8.self).utf8)
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var isInString = false
        var position = 0
        while position < text.count {
            let byte = text[position]
            if isInString, byte == UInt8(ascii: "\\") {
                let escape = escape(text, at: position)
                result += escape.written
                position += escape.length
                continue
            }
            if byte == UInt8(ascii: "\"") { isInString.toggle() }
            if !isInString, let word = words.first(where: { text[position...].starts(with: $0) }) {
                result += "null".utf8
                position += word.count
            } else {
                result.append(byte)
                position += 1
            }
        }
        return result
    }

    /// An escape in a string, and how many bytes it takes; half of a surrogate pair becomes U+FFFD.
    private static func escape(_ text: [UInt8], at position: Int) -> (written: [UInt8], length: Int) {
        guard let unit = codeUnit(text, at: position), (0xD800...0xDFFF).contains(unit) else {
            return (Array(text[position..<min(position + 2, text.count)]), 2)
        }
        if unit < 0xDC00, let low = codeUnit(text, at: position + 6), (0xDC00...0xDFFF).contains(low) {
            return (Array(text[position..<position + 12]), 12)
        }
        return (Array("\\ufffd".utf8), 6)
    }

    /// The number of an escape of the form `\uXXXX`; nil where there is none.
    private static func codeUnit(_ text: [UInt8], at position: Int) -> UInt16? {
        guard position + 6 <= text.count, text[position] == UInt8(ascii: "\\"),
            text[position + 1] == UInt8(ascii: "u"), text[position + 2] != UInt8(ascii: "+")
        else { return nil }
        return UInt16(String(decoding: text[position + 2..<position + 6], as: UTF8.self), radix: 16)
    }
}
