/// What is done to a text before it is cut into tokens. All repair it (`TextRepair`), resolve character
/// references twice and strip it; OpenCLIP calls this its basic cleaning.
package enum TextCleaning: String, Sendable, CaseIterable {
    /// Runs of white space become one space, capitals small letters.
    case lower
    /// Runs of white space become one space.
    case whitespace
    /// SigLIP's: underscores become spaces, other punctuation of ASCII goes, then as `lower`.
    case canonicalize

    package func clean(_ text: String) -> String {
        String(scalars: clean(Array(text.unicodeScalars)))
    }

    func clean(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        let repaired = TextRepair.repair(text)
        let resolved = HTMLEntities.unescape(HTMLEntities.unescape(repaired))
        switch self {
        case .lower: return Self.lowercased(Self.collapsed(resolved))
        case .whitespace: return Self.collapsed(resolved)
        case .canonicalize: return Self.canonical(resolved)
        }
    }

    /// Python's `" ".join(text.split())`.
    private static func collapsed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var output: [Unicode.Scalar] = []
        output.reserveCapacity(text.count)
        var wantsSpace = false
        for scalar in text {
            if isSpace(scalar) {
                wantsSpace = !output.isEmpty
            } else {
                if wantsSpace { output.append(" ") }
                wantsSpace = false
                output.append(scalar)
            }
        }
        return output
    }

    /// OpenCLIP's `canonicalize_text`, which is big_vision's. A capital's small letters are found before
    /// white space is collapsed, because neither changes the other.
    private static func canonical(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var stripped = text[...]
        while let first = stripped.first, isSpace(first) { stripped.removeFirst() }
        while let last = stripped.last, isSpace(last) { stripped.removeLast() }
        let words = stripped.compactMap { scalar -> Unicode.Scalar? in
            if scalar == "_" { return " " }
            return scalar.isPunctuationOfASCII ? nil : scalar
        }
        return collapsed(lowercased(words))
    }

    /// What Python's `str.isspace` takes for white space.
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
            0x3000:
            true
        default: false
        }
    }

    /// Unicode's full lower-casing, with the final form of sigma (Unicode 3.13, Final_Sigma).
    private static func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var output: [Unicode.Scalar] = []
        output.reserveCapacity(text.count)
        for (position, scalar) in text.enumerated() {
            if scalar.isASCII {
                output.append(scalar.smallInASCII)
            } else if scalar == "\u{3A3}" {
                let isFinal =
                    reachesCased(text[..<position].reversed()) && !reachesCased(text[(position + 1)...])
                output.append(isFinal ? "\u{3C2}" : "\u{3C3}")
            } else {
                output.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return output
    }

    /// Whether the first scalar that is not ignorable for casing has a case.
    private static func reachesCased(_ scalars: some Sequence<Unicode.Scalar>) -> Bool {
        for scalar in scalars where !scalar.properties.isCaseIgnorable {
            return scalar.properties.isCased
        }
        return false
    }
}
