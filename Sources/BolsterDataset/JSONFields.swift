/// The fields of one JSON object, found without making values of them: where each value stands. A line of a
/// shard is mostly an image in base64, and is walked over once.
struct JSONFields {
    struct Field {
        var name: String
        /// Of the value, its quotes or brackets included.
        var value: Range<Int>
        /// From the name's quote to the value's end.
        var whole: Range<Int>
    }

    private(set) var fields: [Field] = []

    struct Malformed: Error {
        var offset: Int
        var expected: String
    }

    /// - Parameter line: an object with nothing but blanks around it. Only what tells fields apart is
    ///   checked; values themselves may still be no JSON.
    init(_ line: UnsafeRawBufferPointer) throws(Malformed) {
        var scanner = Scanner(line: line)
        scanner.skipBlanks()
        try scanner.take("{", "an object")
        scanner.skipBlanks()
        if scanner.peek == UInt8(ascii: "}") {
            scanner.position += 1
        } else {
            repeat {
                scanner.skipBlanks()
                let start = scanner.position
                let name = try scanner.string()
                scanner.skipBlanks()
                try scanner.take(":", "':' after a field's name")
                scanner.skipBlanks()
                let value = scanner.position
                try scanner.skipValue()
                fields.append(
                    Field(
                        name: Self.text(UnsafeRawBufferPointer(rebasing: line[name])),
                        value: value..<scanner.position, whole: start..<scanner.position))
                scanner.skipBlanks()
            } while scanner.takes(",")
            try scanner.take("}", "',' or '}' after a field")
        }
        scanner.skipBlanks()
        guard scanner.position == line.count else {
            throw Malformed(offset: scanner.position, expected: "nothing after the object")
        }
    }

    /// The first field of this name.
    subscript(_ name: String) -> Field? { fields.first { $0.name == name } }

    /// A string's content, without its quotes, with its escapes resolved; a wrong escape stays as it is.
    static func text(_ content: UnsafeRawBufferPointer) -> String {
        guard content.contains(UInt8(ascii: "\\")) else { return String(decoding: content, as: UTF8.self) }
        var units: [UInt16] = []
        var text = ""
        var position = 0
        func flush() {
            text += String(decoding: units, as: UTF16.self)
            units = []
        }
        while position < content.count {
            let rest = content[position...]
            let plain = rest.prefix { $0 != UInt8(ascii: "\\") }
            if !plain.isEmpty {
                flush()
                text += String(decoding: plain, as: UTF8.self)
                position += plain.count
                continue
            }
            guard position + 1 < content.count else { break }
            let escape = content[position + 1]
            position += 2
            switch escape {
            case UInt8(ascii: "n"): units.append(10)
            case UInt8(ascii: "t"): units.append(9)
            case UInt8(ascii: "r"): units.append(13)
            case UInt8(ascii: "b"): units.append(8)
            case UInt8(ascii: "f"): units.append(12)
            case UInt8(ascii: "u"):
                let digits = String(decoding: content[position...].prefix(4), as: UTF8.self)
                units.append(UInt16(digits, radix: 16) ?? 0xFFFD)
                position += min(4, content.count - position)
            default: units.append(UInt16(escape))
            }
        }
        flush()
        return text
    }
}

/// A place in a line and what can be taken there.
private struct Scanner {
    private static let depthMax = 128

    let line: UnsafeRawBufferPointer
    var position = 0

    var peek: UInt8? { position < line.count ? line[position] : nil }

    mutating func skipBlanks() {
        while let byte = peek, byte == 32 || byte == 9 || byte == 13 { position += 1 }
    }

    mutating func takes(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func take(_ character: Unicode.Scalar, _ expected: String) throws(JSONFields.Malformed) {
        guard takes(character) else { throw JSONFields.Malformed(offset: position, expected: expected) }
    }

    /// The range of the content between its quotes.
    mutating func string() throws(JSONFields.Malformed) -> Range<Int> {
        try take("\"", "a string")
        let start = position
        while position < line.count {
            let rest = UnsafeRawBufferPointer(rebasing: line[position...])
            guard let quote = rest.firstIndex(of: UInt8(ascii: "\"")) else { break }
            // Escaped where an odd number of backslashes stands before it.
            var backslashes = 0
            while backslashes < position - start + quote,
                line[position + quote - 1 - backslashes] == UInt8(ascii: "\\")
            { backslashes += 1 }
            position += quote + 1
            if backslashes.isMultiple(of: 2) { return start..<position - 1 }
        }
        throw JSONFields.Malformed(offset: start, expected: "the string's end")
    }

    mutating func skipValue() throws(JSONFields.Malformed) {
        var depth = 0
        repeat {
            switch peek {
            case UInt8(ascii: "\""): _ = try string()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
                guard depth <= Self.depthMax else {
                    throw JSONFields.Malformed(offset: position, expected: "values less deep")
                }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { throw JSONFields.Malformed(offset: position, expected: "a value") }
                depth -= 1
                position += 1
            case nil: throw JSONFields.Malformed(offset: position, expected: "the object's end")
            case UInt8(ascii: ","), UInt8(ascii: ":"), 32, 9, 13:
                guard depth > 0 else { throw JSONFields.Malformed(offset: position, expected: "a value") }
                position += 1
            default:
                while let byte = peek, !",:{}[]\" \t\r".utf8.contains(byte) { position += 1 }
            }
        } while depth > 0
    }
}
