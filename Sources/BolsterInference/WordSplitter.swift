/// Cuts a cleaned text into the words that byte-pair merging works on. In order of preference: a special
/// token; one of 's 't 're 've 'm 'll 'd; a run of letters; one number sign; a run of anything else that
/// is not white space. Case is ignored; ſ (U+017F) counts as an s.
struct WordSplitter: Sequence, IteratorProtocol {
    private let text: [Unicode.Scalar]
    private var position = 0

    init(_ text: [Unicode.Scalar]) { self.text = text }

    private static let special = [
        Array(CLIPTokenizer.startText.unicodeScalars), Array(CLIPTokenizer.endText.unicodeScalars),
    ]
    static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map {
        Array($0.unicodeScalars)
    }

    mutating func next() -> ArraySlice<Unicode.Scalar>? {
        while position < text.count, Self.separates(text[position]) { position += 1 }
        guard position < text.count else { return nil }
        let start = position
        let fixed: [[Unicode.Scalar]]
        switch text[start] {
        case "<": fixed = Self.special
        case "'": fixed = Self.contractions
        default: fixed = []
        }
        if let word = fixed.first(where: { matches($0) }) {
            position += word.count
        } else if Self.isLetter(text[start]) {
            while position < text.count, Self.isLetter(text[position]) { position += 1 }
        } else if Self.isNumber(text[start]) {
            position += 1
        } else {
            while position < text.count, Self.isSign(text[position]) { position += 1 }
        }
        return text[start..<position]
    }

    private func matches(_ word: [Unicode.Scalar]) -> Bool {
        guard position + word.count <= text.count else { return false }
        return word.indices.allSatisfy { index in
            let scalar = text[position + index]
            return scalar == word[index] || Self.smallLetter(scalar) == word[index]
        }
    }

    private static func smallLetter(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        scalar == "\u{17F}" ? "s" : scalar.smallInASCII
    }

    static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return (0x61...0x7A).contains(scalar.value | 0x20) }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
        case .unassigned: return newLetters.contains { $0.contains(scalar.value) }
        default: return false
        }
    }

    /// Letters and numbers of Unicode 18, which the `regex` module of OpenCLIP's tokenizer knows and Swift's
    /// library does not yet.
    private static let newLetters: [ClosedRange<UInt32>] = [
        0x558...0x558, 0x58B...0x58C, 0x208F...0x208F, 0x209D...0x209F, 0xA7DD...0xA7DD, 0xA7E2...0xA7E2,
        0xAB6C...0xAB6D, 0x107BB...0x107BF, 0x10ED9...0x10EEE, 0x11B0A...0x11B0A, 0x11DF1...0x11DF1,
        0x18CD6...0x18CDA, 0x18D1F...0x18D20, 0x18E00...0x19191, 0x191A0...0x191D2, 0x1B123...0x1B128,
        0x1B168...0x1B168, 0x1D6A6...0x1D6A6, 0x1DF1F...0x1DF24, 0x1DF2B...0x1DF81, 0x1DF90...0x1DF96,
        0x1DFCD...0x1DFFF, 0x2B81E...0x2B81E, 0x3D000...0x3FC3F,
    ]
    private static let newNumbers: [ClosedRange<UInt32>] = [
        0x1246F...0x1246F, 0x12475...0x1247F, 0x12550...0x12686,
    ]

    static func isNumber(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return (0x30...0x39).contains(scalar.value) }
        switch scalar.properties.generalCategory {
        case .decimalNumber, .letterNumber, .otherNumber: return true
        case .unassigned: return newNumbers.contains { $0.contains(scalar.value) }
        default: return false
        }
    }

    private static func isSign(_ scalar: Unicode.Scalar) -> Bool {
        !separates(scalar) && !isLetter(scalar) && !isNumber(scalar)
    }

    /// White space by Unicode's property, and U+0345: a mark whose capital is a letter, so that an
    /// expression that ignores case counts it neither as a letter nor as anything else.
    private static func separates(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || scalar.value == 0x345
    }
}
