/// Reads the JSON (RFC 8259) of parameters: numbers, flags, null and lists, and around them at most one
/// object with a `param_aug` key and one level of string. Every error names the byte where reading stopped.
struct ParameterParser {
    /// How deep lists may nest; parameters need four levels.
    static let depthMax = 16

    private let bytes: [UInt8]
    private var offset = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    /// A whole text of lists and numbers.
    mutating func document() throws(AugmentationError) -> ParameterValue {
        let value = try self.value(depth: 0)
        try expectEnd()
        return value
    }

    /// A whole text in any of the forms of a `paug.json`.
    mutating func parameterDocument() throws(AugmentationError) -> ParameterValue {
        skipSpace()
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "{") else {
            let value = try listOrString()
            try expectEnd()
            return value
        }
        let value = try parameterField()
        try expectEnd()
        return value
    }

    private mutating func listOrString() throws(AugmentationError) -> ParameterValue {
        skipSpace()
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else { return try value(depth: 0) }
        var inner = ParameterParser(try string())
        return try inner.document()
    }

    /// An object's `param_aug`; other fields are passed over.
    private mutating func parameterField() throws(AugmentationError) -> ParameterValue {
        try expect("{")
        var found: ParameterValue?
        skipSpace()
        while !take("}") {
            let name = try string()
            try expect(":")
            if name == "param_aug" {
                found = try listOrString()
            } else {
                try passOver(depth: 0)
            }
            skipSpace()
            if !take(",") {
                try expect("}")
                break
            }
            skipSpace()
        }
        guard let found else { throw mistake("the object has no key \"param_aug\"") }
        return found
    }

    private mutating func value(depth: Int) throws(AugmentationError) -> ParameterValue {
        skipSpace()
        guard offset < bytes.count else { throw mistake("the text ends where a value should stand") }
        switch bytes[offset] {
        case UInt8(ascii: "["): return .list(try list(depth: depth))
        case UInt8(ascii: "t"):
            try word("true")
            return .flag(true)
        case UInt8(ascii: "f"):
            try word("false")
            return .flag(false)
        case UInt8(ascii: "n"):
            try word("null")
            return .null
        default: return try number()
        }
    }

    private mutating func list(depth: Int) throws(AugmentationError) -> [ParameterValue] {
        guard depth < Self.depthMax else { throw mistake("lists nest deeper than \(Self.depthMax)") }
        try expect("[")
        var values: [ParameterValue] = []
        skipSpace()
        if take("]") { return values }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            if take("]") { return values }
            try expect(",")
        }
    }

    private mutating func number() throws(AugmentationError) -> ParameterValue {
        let start = offset
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        let digits = countDigits()
        guard digits > 0, digits == 1 || bytes[offset - digits] != UInt8(ascii: "0") else {
            throw mistake("this is no value of a parameter list")
        }
        var isFloat = false
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            isFloat = true
            offset += 1
            guard countDigits() > 0 else { throw mistake("a number ends with its point") }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            isFloat = true
            offset += 1
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-")
            {
                offset += 1
            }
            guard countDigits() > 0 else { throw mistake("a number ends with its exponent") }
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if !isFloat, let value = Int(text) { return .integer(value) }
        guard isFloat, let value = Double(text), value.isFinite else {
            throw mistake("the number \(text.prefix(40)) is out of range")
        }
        return .float(value)
    }

    private mutating func countDigits() -> Int {
        let start = offset
        while offset < bytes.count, bytes[offset] >= UInt8(ascii: "0"), bytes[offset] <= UInt8(ascii: "9") {
            offset += 1
        }
        return offset - start
    }

    /// A string in which only quotes, backslashes and slashes are escaped, as in any string of parameters.
    private mutating func string() throws(AugmentationError) -> String {
        try expect("\"")
        var content: [UInt8] = []
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: content, as: UTF8.self) }
            if byte == UInt8(ascii: "\\"), offset < bytes.count {
                content.append(try unescaped())
                offset += 1
            } else {
                content.append(byte)
            }
        }
        throw mistake("a string does not end")
    }

    private func unescaped() throws(AugmentationError) -> UInt8 {
        switch bytes[offset] {
        case UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"): UInt8(ascii: " ")
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes[offset]
        // Nothing that parameters or their key are made of is written as \u; it only has to be passed over.
        case UInt8(ascii: "u"), UInt8(ascii: "b"), UInt8(ascii: "f"): UInt8(ascii: "?")
        default: throw mistake("an unknown escape in a string")
        }
    }

    /// Any JSON value that is not wanted.
    private mutating func passOver(depth: Int) throws(AugmentationError) {
        skipSpace()
        guard offset < bytes.count else { throw mistake("the text ends where a value should stand") }
        guard depth < 64 else { throw mistake("values nest deeper than 64") }
        switch bytes[offset] {
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "["), UInt8(ascii: "{"):
            let isObject = bytes[offset] == UInt8(ascii: "{")
            let end = isObject ? "}" : "]"
            offset += 1
            skipSpace()
            while !take(end) {
                if isObject {
                    _ = try string()
                    try expect(":")
                }
                try passOver(depth: depth + 1)
                skipSpace()
                if !take(",") {
                    try expect(end)
                    return
                }
                skipSpace()
            }
        default: _ = try value(depth: 0)
        }
    }

    private mutating func skipSpace() {
        while offset < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[offset]) { offset += 1 }
    }

    private mutating func take(_ text: StaticString) -> Bool { take(text.description) }

    private mutating func take(_ text: String) -> Bool {
        guard bytes[offset...].starts(with: text.utf8) else { return false }
        offset += text.utf8.count
        return true
    }

    private mutating func word(_ text: String) throws(AugmentationError) {
        guard take(text) else { throw mistake("this is no value of a parameter list") }
    }

    private mutating func expect(_ text: String) throws(AugmentationError) {
        skipSpace()
        guard take(text) else { throw mistake("expected \(text)") }
    }

    private mutating func expectEnd() throws(AugmentationError) {
        skipSpace()
        guard offset == bytes.count else { throw mistake("text follows the end of the value") }
    }

    private func mistake(_ message: String) -> AugmentationError {
        AugmentationError(.malformedParameters, "augmentation parameters, byte \(offset): \(message)")
    }
}
