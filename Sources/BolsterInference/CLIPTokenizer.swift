/// OpenCLIP's byte-pair tokenizer (its `SimpleTokenizer`), token for token.
///
/// A text is cleaned, cut into words (letters; one digit; other signs; English contractions; the two
/// special tokens), each word's UTF-8 bytes become symbols, the last one marked as a word's end, and
/// neighbouring symbols are merged in the order that the merge list was learnt (Sennrich, Haddow and Birch,
/// "Neural Machine Translation of Rare Words with Subword Units", ACL 2016).
package struct CLIPTokenizer: Sendable {
    static let startText = "<start_of_text>"
    static let endText = "<end_of_text>"

    private struct Merge: Sendable {
        let rank: Int32
        let symbol: Int32
    }

    package let start: Int
    package let end: Int
    package let pad: Int
    package let contextLength: Int
    private let cleaning: TextCleaning
    /// Token of each byte inside a word, and of each byte that ends one.
    private let inner: [Int32]
    private let final: [Int32]
    /// Keyed by left symbol << 32 | right symbol.
    private let merges: [UInt64: Merge]
    /// Bytes of each token; the mark of a word's end as its four letters `</w>`.
    private let bytes: [[UInt8]]

    /// Reads the package's vocabulary and merge list.
    package init(_ package: ModelPackage) throws(InferenceError) {
        guard case .bytePairs(let start, let vocabulary, let merges) = package.text.tokenizer else {
            throw InferenceError(
                .packageInvalid, "\(package.directory) has no CLIP vocabulary, which a captioner needs",
                file: package.directory)
        }
        let limit = 1 << 28
        let (words, pairs) = (package.path(vocabulary), package.path(merges))
        try self.init(
            text: package.text, start: start, vocabularyFile: words,
            vocabulary: try PackageFile.bytes(of: words, atMost: limit), mergesFile: pairs,
            merges: try PackageFile.bytes(of: pairs, atMost: limit))
    }

    init(
        text: ModelPackage.Text, start: Int, vocabularyFile: String, vocabulary: [UInt8],
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
        guard Int(startID) == start, Int(endID) == text.end else {
            throw InferenceError(
                .packageInvalid,
                "\(vocabularyFile) has \(Self.startText) = \(startID) and \(Self.endText) = \(endID); "
                    + "model.json says \(start) and \(text.end)", file: vocabularyFile)
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
        self.merges = try Self.merges(mergesBytes, file: mergesFile, ids: ids)
        self.start = start
        end = text.end
        pad = text.pad
        contextLength = text.contextLength
        cleaning = text.cleaning
    }

    private static func merges(
        _ bytes: [UInt8], file: String, ids: [String: Int32]
    ) throws(InferenceError) -> [UInt64: Merge] {
        var merges: [UInt64: Merge] = [:]
        var rank: Int32 = 0
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard parts.count == 2, let left = ids[parts[0]], let right = ids[parts[1]],
                let symbol = ids[parts[0] + parts[1]]
            else {
                throw InferenceError(
                    .packageInvalid,
                    "\(file), line \(rank + 1): \"\(String(decoding: line, as: UTF8.self))\"; expected two "
                        + "tokens of the vocabulary whose joined text is one too", file: file)
            }
            let key = pair(left, right)
            // Of equal lines the last one counts, as in a Python dictionary.
            merges[key] = Merge(rank: rank, symbol: symbol)
            rank += 1
        }
        return merges
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

    /// The model's input row for a text: start, tokens, end, padding; `contextLength` numbers. A text
    /// that is too long is cut, its end token kept.
    package func row(_ text: String) -> [Int64] {
        let tokens = encode(text)
        var row = [Int64](repeating: Int64(pad), count: contextLength)
        row[0] = Int64(start)
        let kept = min(tokens.count, contextLength - 2)
        for index in 0..<kept { row[index + 1] = Int64(tokens[index]) }
        row[kept + 1] = Int64(end)
        return row
    }

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
        while symbols.count > 1 {
            var best: (merge: Merge, left: Int32, right: Int32)?
            for index in 1..<symbols.count {
                guard let merge = merges[Self.pair(symbols[index - 1], symbols[index])] else { continue }
                if best == nil || merge.rank < best!.merge.rank {
                    best = (merge, symbols[index - 1], symbols[index])
                }
            }
            guard let best else { break }
            var write = 0
            var read = 0
            while read < symbols.count {
                if read + 1 < symbols.count, symbols[read] == best.left, symbols[read + 1] == best.right {
                    symbols[write] = best.merge.symbol
                    read += 2
                } else {
                    symbols[write] = symbols[read]
                    read += 1
                }
                write += 1
            }
            symbols.removeLast(symbols.count - write)
        }
        tokens.append(contentsOf: symbols.map { Int($0) })
    }

    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}

/// CLIP's (GPT-2's) writing of bytes as visible characters: bytes that are visible in Latin-1 stand for
/// themselves, the others for U+0100 onwards in their order.
enum ByteAlphabet {
    private static let scalars: [Unicode.Scalar] = {
        var next: UInt16 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { next += 1 }
                guard let scalar = Unicode.Scalar(next) else { preconditionFailure("U+\(next) is a letter") }
                return scalar
            }
        }
    }()

    private static let values: [Unicode.Scalar: UInt8] = {
        var values: [Unicode.Scalar: UInt8] = [:]
        for (value, scalar) in scalars.enumerated() { values[scalar] = UInt8(value) }
        return values
    }()

    static func scalar(of byte: UInt8) -> Unicode.Scalar { scalars[Int(byte)] }

    /// Nil where a character is none of the alphabet.
    static func bytes(of token: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        for scalar in token.unicodeScalars {
            guard let byte = values[scalar] else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
