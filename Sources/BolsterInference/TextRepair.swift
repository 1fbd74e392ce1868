import Foundation

/// The repairs that OpenCLIP's tokenizers make before anything else, which are those of `ftfy.fix_text` 6.3
/// with its default settings: character references, wrong decoding (`MojibakeRepair`), C1 controls, Latin
/// ligatures, character width, curly quotes, line breaks, terminal escapes, control characters, NFC. They
/// repeat until nothing changes, line by line.
enum TextRepair {
    /// Longest stretch repaired at once, in scalars.
    private static let segmentMax = 1_000_000

    static func repair(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        if text.allSatisfy(isPlain) { return text }
        var output: [Unicode.Scalar] = []
        output.reserveCapacity(text.count)
        var resolvesReferences = true
        var position = 0
        while position < text.count {
            var end = text[position...].firstIndex(of: "\n").map { $0 + 1 } ?? text.count
            end = min(end, position + segmentMax)
            let segment = text[position..<end]
            // A "<" says that this is markup; references then stay, here and in all that follows.
            if segment.contains("<") { resolvesReferences = false }
            output.append(contentsOf: repair(segment: Array(segment), resolvesReferences: resolvesReferences))
            position = end
        }
        return output
    }

    private static func repair(segment: [Unicode.Scalar], resolvesReferences: Bool) -> [Unicode.Scalar] {
        var text = segment
        while true {
            let before = text
            if resolvesReferences { text = HTMLEntities.unescapeTerminated(text) }
            text = MojibakeRepair.repair(text)
            text = replaceCharacters(text)
            text = removeTerminalEscapes(text)
            text.removeAll(where: isUnwantedControl)
            text = composed(text)
            if text == before { return text }
        }
    }

    /// Text that no repair touches.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x26: false
        case 0x20...0x7E, 0x09, 0x0A: true
        default: false
        }
    }

    /// C1 controls, ligatures, width, quotes and line breaks, in this order for each character.
    private static func replaceCharacters(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var output: [Unicode.Scalar] = []
        output.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            var scalar = text[position]
            position += 1
            if (0x80...0x9F).contains(scalar.value) {
                scalar = Windows1252.scalar(forByte: UInt8(scalar.value))
            }
            switch scalar.value {
            case 0x0D:
                // A line feed after it belongs to the same line break.
                if position < text.count, text[position] == "\n" { position += 1 }
                output.append("\n")
            case 0x85, 0x2028, 0x2029: output.append("\n")
            case 0x2BC, 0x2018...0x201B: output.append("'")
            case 0x201C...0x201F: output.append("\"")
            case 0x149: output.append(contentsOf: ["'", "n"])
            case 0x132...0x133, 0x1C4...0x1CC, 0x1F1...0x1F3, 0xFB00...0xFB06:
                output.append(contentsOf: ligatures[scalar] ?? [scalar])
            case 0x3000, 0xFF01...0xFFEF: output.append(contentsOf: standardWidths[scalar] ?? [scalar])
            default: output.append(scalar)
            }
        }
        return output
    }

    private static let ligatures: [Unicode.Scalar: [Unicode.Scalar]] = [
        "\u{132}": ["I", "J"], "\u{133}": ["i", "j"],
        "\u{1F1}": ["D", "Z"], "\u{1F2}": ["D", "z"], "\u{1F3}": ["d", "z"],
        "\u{1C4}": ["D", "\u{17D}"], "\u{1C5}": ["D", "\u{17E}"], "\u{1C6}": ["d", "\u{17E}"],
        "\u{1C7}": ["L", "J"], "\u{1C8}": ["L", "j"], "\u{1C9}": ["l", "j"],
        "\u{1CA}": ["N", "J"], "\u{1CB}": ["N", "j"], "\u{1CC}": ["n", "j"],
        "\u{FB00}": ["f", "f"], "\u{FB01}": ["f", "i"], "\u{FB02}": ["f", "l"], "\u{FB03}": ["f", "f", "i"],
        "\u{FB04}": ["f", "f", "l"], "\u{FB05}": ["\u{17F}", "t"], "\u{FB06}": ["s", "t"],
    ]

    /// Half and full width forms with their ordinary ones, and the ideographic space.
    private static let standardWidths: [Unicode.Scalar: [Unicode.Scalar]] = {
        var widths: [Unicode.Scalar: [Unicode.Scalar]] = ["\u{3000}": [" "]]
        for value in UInt32(0xFF01)...0xFFEF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let ordinary = String(scalar).precomposedStringWithCompatibilityMapping
            let scalars = Array(ordinary.unicodeScalars)
            if scalars != [scalar] { widths[scalar] = scalars }
        }
        return widths
    }()

    /// ECMA-48 sequences that set colours: escape, bracket, digits and semicolons, one letter.
    private static func removeTerminalEscapes(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        guard text.contains("\u{1B}") else { return text }
        var output: [Unicode.Scalar] = []
        var position = 0
        while position < text.count {
            if text[position] == "\u{1B}", position + 1 < text.count, text[position + 1] == "[" {
                var end = position + 2
                while end < text.count, text[end] == ";" || isDigit(text[end]) { end += 1 }
                if end < text.count, text[end].isASCII, text[end].properties.isAlphabetic {
                    position = end + 1
                    continue
                }
            }
            output.append(text[position])
            position += 1
        }
        return output
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .decimalNumber
    }

    private static func isUnwantedControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFC: true
        default: false
        }
    }

    private static func composed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        // Nothing below U+0300 composes or is decomposed.
        if text.allSatisfy({ $0.value < 0x300 }) { return text }
        // Foundation leaves a Hangul syllable and the final consonant after it apart unless it takes the
        // syllable apart itself.
        let decomposed = String(scalars: text).decomposedStringWithCanonicalMapping
        // It composes what follows a starter above U+FFFF with that starter's lower 16 bits, so that U+E0067
        // and an acute accent become a ǵ: such starters are composed here, and nothing below U+10000
        // composes with them. And it takes some jamo that compose with nothing for neighbours that do.
        var output: [Unicode.Scalar] = []
        var part = String.UnicodeScalarView()
        var largeStarter: Int?
        var lastClass = -1
        for scalar in decomposed.unicodeScalars {
            let isLarge = scalar.value > 0xFFFF
            let kind = Int(scalar.properties.canonicalCombiningClass.rawValue)
            if let place = largeStarter {
                if isLarge, lastClass < kind, let pair = composition(output[place], scalar) {
                    output[place] = pair
                    continue
                }
                if kind > 0 {
                    output.append(scalar)
                    lastClass = kind
                    continue
                }
            }
            let standsAlone = isLoneJamo(scalar)
            if standsAlone || isLarge && kind == 0 {
                output += String(part).precomposedStringWithCanonicalMapping.unicodeScalars
                part = String.UnicodeScalarView()
                largeStarter = standsAlone ? nil : output.count
                lastClass = -1
                output.append(scalar)
            } else {
                if kind == 0 { largeStarter = nil }
                part.append(scalar)
            }
        }
        return output + String(part).precomposedStringWithCanonicalMapping.unicodeScalars
    }

    /// The one scalar that a starter above U+FFFF and another scalar are the decomposition of.
    private static func composition(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
        let composed = String(scalars: [first, second]).precomposedStringWithCanonicalMapping.unicodeScalars
        return composed.count == 1 ? composed.first : nil
    }

    /// A jamo other than those that syllables are composed of (Unicode 3.12).
    private static func isLoneJamo(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1161...0x1175, 0x11A8...0x11C2: false
        case 0x1113...0x11FF: true
        default: false
        }
    }
}
