/// Resolution of HTML character references: as a browser does it (Python's `html.unescape`), and the
/// stricter way of `ftfy.fix_text`, which takes only references that end in a semicolon.
enum HTMLEntities {
    private struct Names: Sendable {
        /// By name without the semicolon.
        var known: [String: [Unicode.Scalar]] = [:]
        /// Names that also count without their semicolon.
        var bare: Set<String> = []
        /// Names in capitals whose small form is known and which mean nothing themselves.
        var capitals: [String: [Unicode.Scalar]] = [:]
    }

    private static let names = loadNames()

    /// What a browser makes of the references in a text, those without a semicolon included.
    static func unescape(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        guard text.contains("&") else { return text }
        var output: [Unicode.Scalar] = []
        output.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            if text[position] == "&", let (value, end) = reference(in: text, at: position, names: names) {
                output.append(contentsOf: value)
                position = end
            } else {
                output.append(text[position])
                position += 1
            }
        }
        return output
    }

    /// Only references of up to 24 letters or digits that end in a semicolon; names in capitals count
    /// where they are unambiguous.
    static func unescapeTerminated(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        guard text.contains("&") else { return text }
        var output: [Unicode.Scalar] = []
        var position = 0
        while position < text.count {
            guard text[position] == "&", let end = terminatedEnd(in: text, at: position) else {
                output.append(text[position])
                position += 1
                continue
            }
            let original = text[position..<end]
            output.append(contentsOf: terminatedValue(Array(original)) ?? Array(original))
            position = end
        }
        return output
    }

    private static func terminatedEnd(in text: [Unicode.Scalar], at start: Int) -> Int? {
        var position = start + 1
        if position < text.count, text[position] == "#" { position += 1 }
        let first = position
        while position < text.count, position - first < 24, isAlphanumeric(text[position]) { position += 1 }
        guard position > first, position < text.count, text[position] == ";" else { return nil }
        return position + 1
    }

    /// Nil where the reference is to stay as it is.
    private static func terminatedValue(_ reference: [Unicode.Scalar]) -> [Unicode.Scalar]? {
        if reference[1] == "#" {
            let value = unescape(reference)
            return value.contains(";") ? nil : value
        }
        let name = string(reference[1..<reference.count - 1])
        return names.known[name] ?? names.capitals[name]
    }

    /// The reference that starts at an ampersand: its value and the offset after it.
    private static func reference(
        in text: [Unicode.Scalar], at start: Int, names: Names
    ) -> ([Unicode.Scalar], Int)? {
        var position = start + 1
        guard position < text.count else { return nil }
        if text[position] == "#" { return number(in: text, at: position + 1) }
        while position < text.count, position - start <= 32, !endsName(text[position]) { position += 1 }
        guard position > start + 1 else { return nil }
        let name = text[start + 1..<position]
        if position < text.count, text[position] == ";", let value = names.known[string(name)] {
            return (value, position + 1)
        }
        for length in stride(from: name.count, to: 1, by: -1) {
            let candidate = string(name.prefix(length))
            if names.bare.contains(candidate), let value = names.known[candidate] {
                return (value, start + 1 + length)
            }
        }
        return nil
    }

    private static func number(in text: [Unicode.Scalar], at start: Int) -> ([Unicode.Scalar], Int)? {
        var position = start
        var radix: UInt32 = 10
        if position < text.count, text[position] == "x" || text[position] == "X" {
            radix = 16
            position += 1
        }
        let first = position
        var value: UInt32 = 0
        while position < text.count, let digit = digit(text[position], radix: radix) {
            value = min(value * radix + digit, 0x11_0000)
            position += 1
        }
        guard position > first else { return nil }
        if position < text.count, text[position] == ";" { position += 1 }
        return (scalars(forNumber: value), position)
    }

    /// HTML's treatment of numbers that name no character to be shown.
    private static func scalars(forNumber value: UInt32) -> [Unicode.Scalar] {
        switch value {
        case 0: return ["\u{FFFD}"]
        case 0x0D: return ["\r"]
        case 0x80...0x9F: return [Windows1252.scalar(forByte: UInt8(value))]
        case 0x1...0x8, 0xB, 0xE...0x1F, 0x7F, 0xFDD0...0xFDEF: return []
        default:
            guard let scalar = Unicode.Scalar(value) else { return ["\u{FFFD}"] }
            return value & 0xFFFE == 0xFFFE ? [] : [scalar]
        }
    }

    private static func loadNames() -> Names {
        var names = Names()
        for word in HTMLEntityTable.text.split(separator: " ") {
            let parts = word.split(separator: "=")
            let isBare = parts[1].hasSuffix("*")
            let name = String(parts[0])
            names.known[name] = (isBare ? parts[1].dropLast() : parts[1]).split(separator: ".").map {
                digits in
                guard let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value) else {
                    preconditionFailure("the entity table is damaged at \(word)")
                }
                return scalar
            }
            if isBare { names.bare.insert(name) }
        }
        for (name, value) in names.known where name == name.lowercased() {
            let capital = name.uppercased()
            let written = Array("&\(capital);".unicodeScalars)
            if reference(in: written, at: 0, names: names) == nil {
                names.capitals[capital] = value.flatMap {
                    Array($0.properties.uppercaseMapping.unicodeScalars)
                }
            }
        }
        return names
    }

    private static func endsName(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\t", "\n", "\u{C}", " ", "<", "&", "#", ";": true
        default: false
        }
    }

    private static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || digit(scalar, radix: 10) != nil)
    }

    private static func digit(_ scalar: Unicode.Scalar, radix: UInt32) -> UInt32? {
        let value: UInt32
        switch scalar {
        case "0"..."9": value = scalar.value - 48
        case "a"..."f": value = scalar.value - 87
        case "A"..."F": value = scalar.value - 55
        default: return nil
        }
        return value < radix ? value : nil
    }

    private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }
}

/// The part of Windows code page 1252 that differs from Latin-1. Bytes it leaves undefined are the C1
/// control of the same number.
enum Windows1252 {
    private static let upper: [UInt16] = [
        0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152,
        0x8D,
        0x17D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161,
        0x203A,
        0x153, 0x9D, 0x17E, 0x178,
    ]

    static func scalar(forByte byte: UInt8) -> Unicode.Scalar {
        guard (0x80...0x9F).contains(byte), let scalar = Unicode.Scalar(upper[Int(byte) - 0x80]) else {
            return Unicode.Scalar(byte)
        }
        return scalar
    }
}
