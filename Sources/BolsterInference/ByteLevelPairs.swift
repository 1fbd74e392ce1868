/// GPT-2's tokenizer, which RoBERTa took over: a text is cut into words that keep the space before them, and
/// the UTF-8 bytes of each are merged.
struct ByteLevelPairs: Sendable {
    /// Token of each byte.
    private let ofByte: [Int32]
    private let merges: BytePairMerges

    /// Reads `vocab.json` and `merges.txt`.
    init(
        vocabularyFile: String, vocabulary: [UInt8], mergesFile: String, merges: [UInt8], size: Int
    ) throws(InferenceError) {
        let keys = try JSONObject(file: vocabularyFile, bytes: vocabulary)
        var ids: [String: Int32] = [:]
        for token in keys.values.keys { ids[token] = Int32(try keys.integer(token, in: 0...size - 1)) }
        var ofByte: [Int32] = []
        for byte in UInt8.min...UInt8.max {
            let symbol = String(ByteAlphabet.scalar(of: byte))
            guard let id = ids[symbol] else { throw keys.wrong(symbol, "a token of every vocabulary") }
            ofByte.append(id)
        }
        self.ofByte = ofByte
        self.merges = try BytePairMerges(merges, file: mergesFile, ids: ids)
    }

    /// Tokens of a cleaned text, whose only white space is single spaces.
    func encode(_ text: ArraySlice<Unicode.Scalar>) -> [Int] {
        var ids: [Int] = []
        var rest = text
        while !rest.isEmpty {
            let end = Self.endOfWord(rest)
            let symbols = rest[..<end].flatMap { scalar in UTF8.encode(scalar)!.map { ofByte[Int($0)] } }
            ids += merges.merged(symbols).map { Int($0) }
            rest = rest[end...]
        }
        return ids
    }

    /// Where the first word ends: a contraction in small letters; or a run of letters, of numbers or of
    /// other signs, with a space before it or not; or a space that nothing follows.
    private static func endOfWord(_ text: ArraySlice<Unicode.Scalar>) -> Int {
        if let contraction = WordSplitter.contractions.first(where: { text.starts(with: $0) }) {
            return text.startIndex + contraction.count
        }
        let start = text.startIndex + (text.first == " " ? 1 : 0)
        guard start < text.endIndex else { return start }
        let kind = kind(of: text[start])
        return text[start...].firstIndex { self.kind(of: $0) != kind } ?? text.endIndex
    }

    /// What a word is made of.
    enum Kind {
        case letter
        case number
        case space
        case sign
    }

    /// The expression's engine knows Unicode 16; later letters are signs to it.
    static func kind(of scalar: Unicode.Scalar) -> Kind {
        if scalar.properties.isWhitespace { return .space }
        guard scalar.isOfUnicode(16) else { return .sign }
        if WordSplitter.isLetter(scalar) { return .letter }
        return WordSplitter.isNumber(scalar) ? .number : .sign
    }
}
