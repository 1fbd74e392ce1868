/// Undoes wrong decoding: text that was UTF-8 and was decoded with a single-byte code page, once or several
/// times, whole or in parts. The steps and their order are those of `ftfy.fix_encoding` 6.3 (Robyn Speer,
/// Apache License 2.0).
///
///     looks broken? ─► encode with each code page that has all its characters
///                      ─► put back bytes that were lost ─► decode as UTF-8 ─► again, until nothing changes
enum MojibakeRepair {
    static func repair(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var text = text
        while true {
            let fixed = step(text)
            if fixed == text { return text }
            text = fixed
        }
    }

    private static func step(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
        if text.allSatisfy(\.isASCII) || !MojibakeDetector.looksBroken(text) { return text }
        for page in CodePage.tried {
            guard var bytes = page.encode(text) else { continue }
            if page.kind != .macRoman, LossyUTF8.hasAlteredSpace(bytes) {
                bytes = LossyUTF8.restoringSpaces(bytes)
            }
            if page.kind == .sloppy { bytes = LossyUTF8.replacingLostBytes(bytes) }
            if let decoded = LossyUTF8.decode(bytes) { return decoded }
        }
        if let fixed = repairEmbedded(text), fixed != text { return fixed }
        if let latin = CodePage.tried[0].encode(text),
            latin.allSatisfy({ ![0x81, 0x8D, 0x8F, 0x90, 0x9D].contains($0) })
        {
            let fixed = latin.map { Windows1252.scalar(forByte: $0) }
            if fixed != text { return fixed }
        }
        // What remains of C1 controls is Windows-1252 in the middle of something else.
        return text.map { scalar in
            (0x80...0x9F).contains(scalar.value) ? Windows1252.scalar(forByte: UInt8(scalar.value)) : scalar
        }
    }

    private static let firstOfTwo = ScalarClass(ranges: MojibakeTables.utf8FirstOf2)
    private static let firstOfThree = ScalarClass(ranges: MojibakeTables.utf8FirstOf3)
    private static let firstOfFour = ScalarClass(ranges: MojibakeTables.utf8FirstOf4)
    private static let continuation = ScalarClass(ranges: MojibakeTables.utf8Continuation)
    private static let strictContinuation = ScalarClass(ranges: MojibakeTables.utf8ContinuationStrict)

    /// Repairs stretches that look like UTF-8 bytes inside text that is otherwise right; nil where there is
    /// none.
    private static func repairEmbedded(_ text: [Unicode.Scalar]) -> [Unicode.Scalar]? {
        var output: [Unicode.Scalar] = []
        var found = false
        var position = 0
        while position < text.count {
            let follows = position > 0 && strictContinuation.contains(text[position - 1])
            let end = follows ? position : endOfSequences(text, from: position)
            guard end > position else {
                output.append(text[position])
                position += 1
                continue
            }
            found = true
            let part = Array(text[position..<end])
            let isWhole = part.count == text.count
            output += !isWhole && MojibakeDetector.looksBroken(part) ? repair(part) : part
            position = end
        }
        return found ? output : nil
    }

    private static func endOfSequences(_ text: [Unicode.Scalar], from start: Int) -> Int {
        var position = start
        while position < text.count {
            let forms = [(firstOfTwo, 1), (firstOfThree, 2), (firstOfFour, 3)]
            let form = forms.first { first, count in
                first.contains(text[position]) && position + count < text.count
                    && text[position + 1...position + count].allSatisfy { continuation.contains($0) }
            }
            guard let form else { break }
            position += form.1 + 1
        }
        return position
    }
}

/// A single-byte code page, the way it is used to undo decoding with it.
struct CodePage: Sendable {
    enum Kind: Sendable {
        /// Byte 0x1A stands for U+FFFD, and bytes without a character for the control of their number.
        case sloppy
        case macRoman
        case other
    }

    let kind: Kind
    private let bytes: [UInt32: UInt8]

    /// In the order of ftfy: Latin-1, Windows 1252, 1251, 1250, 1253, 1254, 1257, ISO 8859-2, MacRoman, 437.
    static let tried: [CodePage] = MojibakeTables.codePages.enumerated().map { index, page in
        CodePage(page, kind: (1...6).contains(index) ? .sloppy : index == 8 ? .macRoman : .other)
    }

    private init(_ page: String, kind: Kind) {
        var bytes: [UInt32: UInt8] = [:]
        for (index, digits) in page.split(separator: " ").enumerated() {
            guard let number = UInt32(digits, radix: 16) else {
                preconditionFailure("the table of code pages is damaged at \(digits)")
            }
            bytes[number] = UInt8(0x80 + index)
        }
        for byte in UInt8(0)..<0x80 where byte != 0x1A || kind != .sloppy { bytes[UInt32(byte)] = byte }
        if kind == .sloppy { bytes[0xFFFD] = 0x1A }
        self.kind = kind
        self.bytes = bytes
    }

    /// Nil where the page lacks a character of the text.
    func encode(_ text: [Unicode.Scalar]) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        for scalar in text {
            guard let byte = bytes[scalar.value] else { return nil }
            output.append(byte)
        }
        return output
    }
}
