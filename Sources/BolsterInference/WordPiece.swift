/// BERT's tokenizer: a text is normalized, cut at spaces and around signs, and each word is spelt with the
/// longest pieces of the vocabulary that fit, from the left; "##" marks pieces that begin no word (Devlin et
/// al., "BERT", NAACL 2019). A word that cannot be spelt, or has over 100 characters, is one unknown token.
struct WordPiece: Sendable {
    private static let charactersMax = 100

    private let unknown: Int
    private let rules: BERTNormalization
    /// Keyed by UTF-8: to Swift's strings a letter with an accent and the two characters that it is made of
    /// are the same.
    private let whole: [[UInt8]: Int]
    private let continued: [[UInt8]: Int]

    /// Reads `vocab.txt`, a token a line, the first one having the number 0.
    init(
        file: String, vocabulary: [UInt8], unknown: Int, rules: BERTNormalization, size: Int
    ) throws(InferenceError) {
        var lines = vocabulary.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        guard lines.count <= size, unknown < lines.count else {
            throw InferenceError(
                .packageInvalid,
                "\(file) has \(lines.count) tokens; model.json says \(size), \(unknown) being the unknown "
                    + "one", file: file)
        }
        var whole: [[UInt8]: Int] = [:]
        var continued: [[UInt8]: Int] = [:]
        for (id, line) in lines.enumerated() {
            whole[Array(line)] = id
            if line.starts(with: "##".utf8) { continued[Array(line.dropFirst(2))] = id }
        }
        self.whole = whole
        self.continued = continued
        self.unknown = unknown
        self.rules = rules
    }

    /// Tokens of a cleaned text, whose only white space is the space.
    func encode(_ text: ArraySlice<Unicode.Scalar>) -> [Int] {
        var ids: [Int] = []
        for word in rules.normalized(text).split(separator: " ") {
            var rest = word
            while let first = rest.first {
                let end =
                    BERTNormalization.isPunctuation(first)
                    ? rest.startIndex + 1
                    : rest.firstIndex(where: BERTNormalization.isPunctuation) ?? rest.endIndex
                append(rest[..<end], to: &ids)
                rest = rest[end...]
            }
        }
        return ids
    }

    private func append(_ word: ArraySlice<Unicode.Scalar>, to ids: inout [Int]) {
        let before = ids.count
        var rest = word.count <= Self.charactersMax ? word : []
        repeat {
            let pieces = rest.startIndex == word.startIndex ? whole : continued
            guard let (id, end) = longestPiece(rest, of: pieces) else {
                ids.removeLast(ids.count - before)
                return ids.append(unknown)
            }
            ids.append(id)
            rest = rest[end...]
        } while !rest.isEmpty
    }

    /// The longest piece that the characters begin with, and where it ends.
    private func longestPiece(
        _ characters: ArraySlice<Unicode.Scalar>, of pieces: [[UInt8]: Int]
    ) -> (id: Int, end: Int)? {
        var utf8: [UInt8] = []
        var ends: [Int] = []
        for character in characters {
            utf8.append(contentsOf: UTF8.encode(character)!)
            ends.append(utf8.count)
        }
        for (index, end) in ends.enumerated().reversed() {
            if let id = pieces[Array(utf8[..<end])] { return (id, characters.startIndex + index + 1) }
        }
        return nil
    }
}
