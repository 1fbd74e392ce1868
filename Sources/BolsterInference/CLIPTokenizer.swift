/// OpenCLIP's byte-pair tokenizer (its `SimpleTokenizer`), token for token.
///
/// A text is cleaned, cut into words (letters; one digit; other signs; English contractions; the two
/// special tokens), each word's UTF-8 bytes become symbols, the last one marked as a word's end, and
/// neighbouring symbols are merged.
package struct CLIPTokenizer: Sendable {
    static let startText = "<start_of_text>"
    static let endText = "<end_of_text>"

    package let start: Int
    private let frame: TextRow
    private let cleaning: TextCleaning
    /// Token of each byte inside a word, and of each byte that ends one.
    private let inner: [Int32]
    private let final: [Int32]
    private let merges: BytePairMerges
    /// Bytes of each token; the mark of a word's end as its four letters `</w>`.
    private let bytes: [[UInt8]]

    package var end: Int { frame.end }
    package var pad: Int { frame.pad }

    /// Reads the package's vocabulary and merge list.
    package init(_ package: ModelPackage) throws(InferenceError) {
        guard case .bytePairs(let vocabulary, let merges) = package.text.tokenizer else {
            throw InferenceError(
                .packageInvalid, "\(package.directory) has no CLIP vocabulary, which a captioner needs",
                file: package.directory)
        }
        let limit = 1 << 28
        let (words, pairs) = (package.path(vocabulary), package.path(merges))
        try self.init(
            text: package.text, vocabularyFile: words,
            vocabulary: try PackageFile.bytes(of: words, atMost: limit), mergesFile: pairs,
            merges: try PackageFile.bytes(of: pairs, atMost: limit))
    }

    init(
        text: ModelPackage.Text, vocabularyFile: String, vocabulary: [UInt8],
        mergesFile: String, merges mergesBytes: [UInt8]
    ) throws(InferenceError) {
        let keys = try JSONObject(file: vocabularyFile, bytes: vocabulary)
        var ids: [String: Int32] = [:]
        var bytes = [[UInt8]](repeating: [], count: text.vocabularySize)
        for token in keys.values.keys {
            let id = try keys.integer(token, in: 0...text.vocabularySize - 1)
            ids[token] = Int32(id)
            guard let spelt = ByteAlphabet.bytes(of: token) else {
                throw keys.wrong(token, "a token in CLIP's alphabet of bytes")
            }
            bytes[id] = spelt
        }
        func id(_ token: String) throws(InferenceError) -> Int32 {
            guard let id = ids[token] else { throw keys.wrong(token, "a token of every vocabulary") }
            return id
        }
        let startID = try id(Self.startText)
        let endID = try id(Self.endText)
        guard Int(startID) == text.row.start, Int(endID) == text.row.end else {
            let start = text.row.start.map(String.init) ?? "none"
            throw InferenceError(
                .packageInvalid,
                "\(vocabularyFile) has \(Self.startText) = \(startID) and \(Self.endText) = \(endID); "
                    + "model.json says \(start) and \(text.row.end)", file: vocabularyFile)
        }
        var inner: [Int32] = []
        var final: [Int32] = []
        for byte in UInt8.min...UInt8.max {
            let symbol = String(ByteAlphabet.scalar(of: byte))
            inner.append(try id(symbol))
            final.append(try id(symbol + "</w>"))
        }
        self.inner = inner
        self.final = final
        self.bytes = bytes
        merges = try BytePairMerges(mergesBytes, file: mergesFile, ids: ids)
        start = Int(startID)
        frame = text.row
        cleaning = text.cleaning
    }

    /// Tokens of a text, without start, end and padding.
    package func encode(_ text: String) -> [Int] {
        let scalars = cleaning.clean(Array(text.unicodeScalars))
        var tokens: [Int] = []
        for word in WordSplitter(scalars) {
            let spelt = Array(word)
            if spelt.first == "<", spelt.elementsEqual(Self.startText.unicodeScalars) {
                tokens.append(start)
            } else if spelt.first == "<", spelt.elementsEqual(Self.endText.unicodeScalars) {
                tokens.append(end)
            } else {
                append(word: spelt, to: &tokens)
            }
        }
        return tokens
    }

    /// The model's input row for a text; `contextLength` numbers.
    package func row(_ text: String) -> [Int64] { frame.filled(encode(text)) }

    /// The text of tokens: their bytes as UTF-8, damaged sequences as U+FFFD, a word's end as a space.
    package func decode(_ tokens: some Sequence<Int>) -> String {
        var joined: [UInt8] = []
        for token in tokens where bytes.indices.contains(token) { joined.append(contentsOf: bytes[token]) }
        var output: [UInt8] = []
        let mark = Array("</w>".utf8)
        var position = 0
        while position < joined.count {
            if joined[position] == mark[0], joined[position...].starts(with: mark) {
                output.append(UInt8(ascii: " "))
                position += mark.count
            } else {
                output.append(joined[position])
                position += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Whether the token's text holds a full stop.
    func holdsFullStop(_ token: Int) -> Bool { bytes[token].contains(UInt8(ascii: ".")) }

    private func append(word: [Unicode.Scalar], to tokens: inout [Int]) {
        var symbols: [Int32] = []
        var utf8: [UInt8] = []
        for scalar in word { utf8.append(contentsOf: UTF8.encode(scalar)!) }
        for byte in utf8.dropLast() { symbols.append(inner[Int(byte)]) }
        symbols.append(final[Int(utf8[utf8.count - 1])])
        tokens.append(contentsOf: merges.merged(symbols).map { Int($0) })
    }
}
