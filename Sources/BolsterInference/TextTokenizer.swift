/// What turns a text into a teacher's input row.
enum TextTokenizer: Sendable {
    case bytePairs(CLIPTokenizer)
    case sentencePiece(SentencePieceTokenizer)
    case words(WordTokenizer)

    init(_ package: ModelPackage) throws(InferenceError) {
        switch package.text.tokenizer {
        case .bytePairs: self = .bytePairs(try CLIPTokenizer(package))
        case .sentencePiece: self = .sentencePiece(try SentencePieceTokenizer(package))
        case .byteLevelPairs, .wordPiece: self = .words(try WordTokenizer(package))
        }
    }

    /// `contextLength` token numbers.
    func row(_ text: String) -> [Int64] {
        switch self {
        case .bytePairs(let tokenizer): tokenizer.row(text)
        case .sentencePiece(let tokenizer): tokenizer.row(text)
        case .words(let tokenizer): tokenizer.row(text)
        }
    }
}
