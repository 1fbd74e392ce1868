/// Tokenizers of Hugging Face's `tokenizers` that are no SentencePiece: BERT's WordPiece (CLIPA, OpenVision)
/// and byte-level byte pairs (RoBERTa), token for token.
///
///     "A [MASK] apple!" ─► cleaned ─► "A" │ [MASK] │ "apple!" ─► 1037 │ 103 │ 6207 999 ─► row
package struct WordTokenizer: Sendable {
    private enum Model: Sendable {
        case byteLevelPairs(ByteLevelPairs)
        case wordPiece(WordPiece)
    }

    private let model: Model
    private let special: SpecialTokens
    private let cleaning: TextCleaning
    private let frame: TextRow

    /// Reads the package's vocabulary.
    package init(_ package: ModelPackage) throws(InferenceError) {
        let text = package.text
        func bytes(_ file: String) throws(InferenceError) -> [UInt8] {
            try PackageFile.bytes(of: package.path(file), atMost: 1 << 28)
        }
        switch text.tokenizer {
        case .byteLevelPairs(let vocabulary, let merges, let special):
            self.special = special
            model = .byteLevelPairs(
                try ByteLevelPairs(
                    vocabularyFile: package.path(vocabulary), vocabulary: try bytes(vocabulary),
                    mergesFile: package.path(merges), merges: try bytes(merges), size: text.vocabularySize))
        case .wordPiece(let vocabulary, let unknown, let rules, let special):
            self.special = special
            model = .wordPiece(
                try WordPiece(
                    file: package.path(vocabulary), vocabulary: try bytes(vocabulary), unknown: unknown,
                    rules: rules, size: text.vocabularySize))
        case .bytePairs, .sentencePiece:
            throw InferenceError(
                .packageInvalid, "\(package.directory) has no vocabulary of words", file: package.directory)
        }
        cleaning = text.cleaning
        frame = text.row
    }

    /// Tokens of a text, without start, end and padding.
    func encode(_ text: String) -> [Int] {
        special.split(cleaning.clean(Array(text.unicodeScalars))).flatMap { piece in
            switch (piece, model) {
            case (.token(let id), _): [id]
            case (.words(let words), .byteLevelPairs(let pairs)): pairs.encode(words)
            case (.words(let words), .wordPiece(let pieces)): pieces.encode(words)
            }
        }
    }

    /// The model's input row for a text; `contextLength` numbers.
    package func row(_ text: String) -> [Int64] { frame.filled(encode(text)) }
}
