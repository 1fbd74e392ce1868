/// A JSON text (RFC 8259) as a value that keeps what others lose: the order of an object's fields, repeated
/// names, and every number's own spelling.
package enum JSONValue: Sendable, Equatable {
    package struct Field: Sendable, Equatable {
        package var name: String
        package var value: JSONValue
        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    case null
    case bool(Bool)
    /// As written, e.g. "1e-3".
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Field])

    /// How deep arrays and objects may nest.
    package static let depthMax = 128

    /// Parses a whole text. Throws `malformed` with the offset of the first byte that does not fit.
    package init(parsing bytes: [UInt8]) throws(RecordsError) {
        var parser = JSONParser(bytes: bytes)
        self = try parser.document()
    }

    /// The last field of that name, as Python's dictionaries keep it; nil if absent or if this is no object.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let fields) = self else { return nil }
        return fields.last { $0.name == name }?.value
    }

    /// The strings of a list of strings; nil for anything else.
    package var strings: [String]? {
        guard case .array(let values) = self else { return nil }
        var strings: [String] = []
        for value in values {
            guard case .string(let string) = value else { return nil }
            strings.append(string)
        }
        return strings
    }

    package static func number(_ value: Int) -> JSONValue { .number(String(value)) }
}

private struct JSONParser {
    let bytes: [UInt8]
    var offset = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(RecordsError) -> JSONValue {
        let value = try self.value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw mistake("text after the end of the value") }
        return value
    }

    private func mistake(_ what: String) -> RecordsError {
        RecordsError(.malformed, "not JSON at byte \(offset): \(what)")
    }

    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    private mutating func value(depth: Int) throws(RecordsError) -> JSONValue {
        guard depth < JSONValue.depthMax else { throw mistake("nested over \(JSONValue.depthMax) deep") }
        skipSpace()
        switch current {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case nil: throw mistake("the text ends where a value should stand")
        default: return try number()
        }
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(RecordsError) -> JSONValue
    {
        let expected = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes[offset...].starts(with: expected) else { throw mistake("expected \(word)") }
        offset += expected.count
        return value
    }

    private mutating func array(depth: Int) throws(RecordsError) -> JSONValue {
        offset += 1
        var values: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(values) }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            if take("]") { return .array(values) }
            guard take(",") else { throw mistake("expected , or ]") }
        }
    }

    private mutating func object(depth: Int) throws(RecordsError) -> JSONValue {
        offset += 1
        var fields: [JSONValue.Field] = []
        skipSpace()
        if take("}") { return .object(fields) }
        while true {
            skipSpace()
            guard current == UInt8(ascii: "\"") else { throw mistake("expected a field's name") }
            let name = try string()
            skipSpace()
            guard take(":") else { throw mistake("expected :") }
            fields.append(JSONValue.Field(name, try value(depth: depth + 1)))
            skipSpace()
            if take("}") { return .object(fields) }
            guard take(",") else { throw mistake("expected , or }") }
        }
    }

    private mutating func digits() -> Int {
        let start = offset
        while let byte = current, (0x30...0x39).contains(byte) { offset += 1 }
        return offset - start
    }

    private mutating func number() throws(RecordsError) -> JSONValue {
        let start = offset
        _ = take("-")
        let leadingZero = current == 0x30
        let whole = digits()
        guard whole > 0, !leadingZero || whole == 1 else { throw mistake("expected a value") }
        if take("."), digits() == 0 { throw mistake("expected digits after the point") }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard digits() > 0 else { throw mistake("expected an exponent") }
        }
        return .number(String(decoding: bytes[start..<offset], as: UTF8.self))
    }

    private mutating func string() throws(RecordsError) -> String {
        let first = offset
        offset += 1
        var text: [UInt8] = []
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    offset = first
                    throw mistake("the string is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"):
                offset += 1
                try escape(into: &text)
            case 0..<0x20: throw mistake("a control character inside a string")
            default:
                text.append(byte)
                offset += 1
            }
        }
        throw mistake("the string that begins at byte \(first) has no end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(RecordsError) {
        guard let byte = current else { throw mistake("the text ends in an escape") }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "u"): text.append(contentsOf: String(try escapedScalar()).utf8)
        default: throw mistake("an escape that JSON does not have")
        }
    }

    /// One scalar of one or two \u escapes; half a surrogate pair becomes U+FFFD.
    private mutating func escapedScalar() throws(RecordsError) -> Character {
        let unit = try codeUnit()
        if let scalar = Unicode.Scalar(unit) { return Character(scalar) }
        guard (0xD800..<0xDC00).contains(unit), bytes[offset...].starts(with: [0x5C, UInt8(ascii: "u")])
        else {
            return "\u{FFFD}"
        }
        let mark = offset
        offset += 2
        let low = try codeUnit()
        guard (0xDC00..<0xE000).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(unit - 0xD800) << 10) + UInt32(low - 0xDC00))
        else {
            offset = mark
            return "\u{FFFD}"
        }
        return Character(scalar)
    }

    private mutating func codeUnit() throws(RecordsError) -> UInt16 {
        guard offset + 4 <= bytes.count else { throw mistake("the text ends in an escape") }
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue, bytes[offset] < 0x80
            else {
                throw mistake("\\u needs four hexadecimal digits")
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }
}
