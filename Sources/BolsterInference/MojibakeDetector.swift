/// Tells whether a text looks as if UTF-8 had been decoded as something else: the heuristic of ftfy 6.3
/// (Robyn Speer, Apache License 2.0, `ftfy.badness`). It looks for short sequences of characters that are
/// far more likely as wrongly decoded bytes than as text, such as a small accented letter before a currency
/// sign.
enum MojibakeDetector {
    private enum Place: Sendable {
        case among(ScalarClass)
        /// A letter, digit or underscore of any script.
        case word
        case noASCIILetter
        case noNewline
    }

    /// One suspicious sequence. The first place is a class, by which the rule is found.
    private struct Rule: Sendable {
        let first: ScalarClass
        let rest: [Place]
        /// Counts only at the beginning of the text.
        var isAnchored = false
    }

    static func looksBroken(_ text: [Unicode.Scalar]) -> Bool {
        for position in text.indices {
            guard let candidates = rulesByFirst[text[position].value] else { continue }
            if candidates.contains(where: { matches(rules[$0], text, at: position) }) { return true }
        }
        return false
    }

    private static func matches(_ rule: Rule, _ text: [Unicode.Scalar], at position: Int) -> Bool {
        guard position + rule.rest.count < text.count, !rule.isAnchored || position == 0 else { return false }
        return rule.rest.indices.allSatisfy { index in
            let scalar = text[position + 1 + index]
            switch rule.rest[index] {
            case .among(let members): return members.contains(scalar)
            case .word: return isWord(scalar)
            case .noASCIILetter: return !(scalar.isASCII && scalar.properties.isAlphabetic)
            case .noNewline: return scalar != "\n"
            }
        }
    }

    /// Python's `\w`.
    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            .decimalNumber,
            .letterNumber, .otherNumber:
            true
        default: scalar == "_"
        }
    }

    private static let rulesByFirst: [UInt32: [Int]] = {
        var table: [UInt32: [Int]] = [:]
        for (index, rule) in rules.enumerated() {
            for member in rule.first.members { table[member, default: []].append(index) }
        }
        return table
    }()

    private static let common = ScalarClass(ranges: MojibakeTables.common)
    private static let c1 = ScalarClass(ranges: MojibakeTables.c1)
    private static let bad = ScalarClass(ranges: MojibakeTables.bad)
    private static let law = ScalarClass(ranges: MojibakeTables.law)
    private static let currency = ScalarClass(ranges: MojibakeTables.currency)
    private static let opening = ScalarClass(ranges: MojibakeTables.startPunctuation)
    private static let closing = ScalarClass(ranges: MojibakeTables.endPunctuation)
    private static let numeric = ScalarClass(ranges: MojibakeTables.numeric)
    private static let kaomoji = ScalarClass(ranges: MojibakeTables.kaomoji)
    private static let upperAccented = ScalarClass(ranges: MojibakeTables.upperAccented)
    private static let lowerAccented = ScalarClass(ranges: MojibakeTables.lowerAccented)
    private static let upperCommon = ScalarClass(ranges: MojibakeTables.upperCommon)
    private static let lowerCommon = ScalarClass(ranges: MojibakeTables.lowerCommon)
    private static let box = ScalarClass(ranges: MojibakeTables.box)
    private static let small = ScalarClass(ranges: "61-7a")
    private static let latin = ScalarClass(ranges: "41-5a 61-7a")
    private static let space = ScalarClass(
        ranges: "9-d 1c-20 85 a0 1680 2000-200a 2028-2029 202f 205f 3000")

    private static let rules = generalRules + codePageRules

    private static func sequence(_ first: ScalarClass, _ rest: ScalarClass...) -> Rule {
        Rule(first: first, rest: rest.map { .among($0) })
    }

    private static func literal(_ text: String) -> Rule {
        let classes = text.unicodeScalars.map { ScalarClass(String($0)) }
        return Rule(first: classes[0], rest: classes.dropFirst().map { .among($0) })
    }

    /// Sequences of classes, whatever the code page was.
    private static let generalRules: [Rule] = {
        let accented = lowerAccented + upperAccented
        let signs = accented + box + opening + closing + currency + numeric + law
        return [
            sequence(c1),
            sequence(signs + bad, bad),
            sequence(bad, signs),
            sequence(latin, lowerCommon + upperCommon, bad),
            sequence(lowerAccented + lowerCommon + box + closing + currency + numeric, upperAccented),
            sequence(box + closing + currency + numeric, lowerAccented),
            sequence(lowerAccented + box + closing, currency),
            sequence(space, upperAccented, currency),
            sequence(upperAccented + box, numeric + law),
            sequence(accented + box + currency + closing, opening, numeric),
            sequence(accented + currency + numeric + box + law, closing, opening),
            sequence(currency + numeric + box, opening),
            sequence(small, upperAccented, opening + currency),
            sequence(box, kaomoji),
            sequence(accented + currency + numeric + opening + closing + law, box),
            sequence(box, closing),
            Rule(first: accented, rest: [.among(opening + closing), .word]),
            Rule(first: ScalarClass("Œœ"), rest: [.noASCIILetter]),
            sequence(upperAccented, ScalarClass("°")),
        ]
    }()

    /// Sequences that single code pages make of UTF-8.
    private static let codePageRules: [Rule] = {
        let western = ScalarClass("ÂÃÎÐ")
        let westernSecond =
            ScalarClass("€œŠš¢£Ÿž\u{A0}\u{AD}®©°·»–—´") + opening + closing
        let arabic = ScalarClass("ØÙ")
        let arabicSecond = common + currency + bad + numeric + opening + ScalarClass("ŸŠ®°µ»")
        let cyrillic = ScalarClass("ВГРС")
        let greek = ScalarClass("ΒΓΞΟ")
        let singleByte = c1 + bad + opening + closing + currency + ScalarClass("°")
        let tilde = ScalarClass("ÃÂ")
        let blank = ScalarClass(" ")
        var nested = literal("ГўВЂВ").rest
        nested += [.noNewline, .among(latin + blank)]
        return [
            sequence(western, westernSecond),
            sequence(ScalarClass("×"), ScalarClass("²³")),
            sequence(arabic, arabicSecond, arabic, arabicSecond),
            sequence(ScalarClass("à"), ScalarClass("²µ¹¼½¾")),
            sequence(ScalarClass("√"), ScalarClass("±∂†≠®™´≤≥¥µø")),
            sequence(ScalarClass("≈"), ScalarClass("°¢")),
            sequence(ScalarClass("‚"), ScalarClass("Ä"), ScalarClass("ìîïòôúùû†°¢π")),
            sequence(ScalarClass("‚"), ScalarClass("âó"), ScalarClass("àä°ê")),
            literal("вЂ"),
            sequence(cyrillic, singleByte + ScalarClass("µ"), cyrillic),
            Rule(first: ScalarClass("Г"), rest: nested),
            sequence(ScalarClass("Ã"), ScalarClass("\u{A0}¡")),
            sequence(small, tilde, blank),
            sequence(small, space, tilde, blank),
            Rule(first: tilde, rest: [.among(blank)], isAnchored: true),
            sequence(small + closing + ScalarClass(".,?!"), ScalarClass("Â"), blank + opening + closing),
            sequence(ScalarClass("β"), ScalarClass("€"), ScalarClass("™\u{A0}Ά\u{AD}®°")),
            sequence(greek, singleByte, greek),
            literal("ā€"),
        ]
    }()
}
