import Foundation

/// What BERT's tokenizers do to a text before they cut it into words. Controls, private characters and U+FFFD
/// go, and a space is set on either side of each ideograph.
///
/// Hugging Face's `tokenizers` sort characters by tables of Unicode 8; later ones have no category there, so
/// that a punctuation mark of 2016 is part of a word. Their capitals are those of Unicode 16.
package struct BERTNormalization: Sendable, Equatable {
    let lowercases: Bool
    let stripsAccents: Bool

    init(lowercases: Bool, stripsAccents: Bool) {
        self.lowercases = lowercases
        self.stripsAccents = stripsAccents
    }

    /// Reads `lowercase` and `strip_accents` of model.json.
    init(_ keys: JSONObject) throws(InferenceError) {
        lowercases = try keys.bool("lowercase")
        stripsAccents = try keys.bool("strip_accents")
    }

    func normalized(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        var kept: [Unicode.Scalar] = []
        kept.reserveCapacity(text.count)
        for scalar in text where !Self.isRemoved(scalar) {
            if Self.isIdeograph(scalar) {
                kept += [" ", scalar, " "]
            } else {
                kept.append(scalar)
            }
        }
        if stripsAccents { kept = Self.withoutAccents(kept) }
        return lowercases ? kept.flatMap(Self.smallLetters) : kept
    }

    static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x7F: scalar.isPunctuationOfASCII
        // Were punctuation in Unicode 8: one became a symbol, the other a mark.
        case 0x166D, 0x111C9: true
        default:
            switch category(scalar) {
            case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
                .initialPunctuation, .finalPunctuation, .otherPunctuation:
                true
            default: false
            }
        }
    }

    private static func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7F }
        if scalar == "\u{FFFD}" { return true }
        switch category(scalar) {
        case .control, .format, .privateUse: return true
        default: return false
        }
    }

    private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F,
            0x2B920...0x2CEAF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }

    private static func withoutAccents(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        if text.allSatisfy(\.isASCII) { return text }
        let decomposed = String(scalars: text).decomposedStringWithCanonicalMapping
        return decomposed.unicodeScalars.filter { !isMark($0) }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        // Were marks in Unicode 8, and became so later.
        case 0x1734, 0x1171E: true
        case 0x1885, 0x1886, 0xA9BD, 0x111C9: false
        default: category(scalar) == .nonspacingMark
        }
    }

    private static func smallLetters(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
        if scalar.isASCII { return [scalar.smallInASCII] }
        guard scalar.isOfUnicode(16) else { return [scalar] }
        return Array(scalar.properties.lowercaseMapping.unicodeScalars)
    }

    private static func category(_ scalar: Unicode.Scalar) -> Unicode.GeneralCategory {
        scalar.isOfUnicode(8) ? scalar.properties.generalCategory : .unassigned
    }
}
