import CSentencePiece

/// SigLIP's and multilingual models' tokenizer: a SentencePiece model (Kudo and Richardson, "SentencePiece: A
/// simple and language independent subword tokenizer", EMNLP 2018) through libsentencepiece, between
/// OpenCLIP's cleaning and its rules about length: the end token always there, the rest padding. SigLIP has
/// no start token; XLM-RoBERTa's relatives have one.
///
///     "A red  apple!" ─► cleaned "a red apple" ─► pieces ─► 262 1250 8741 │ 1 │ 1 1 1 …
package final class SentencePieceTokenizer: Sendable {
    private let frame: TextRow
    private let cleaning: TextCleaning
    private let file: String
    /// Only read after `init`; the library allows that from several threads.
    nonisolated(unsafe) private let model: OpaquePointer

    /// Opens the package's model file.
    package convenience init(_ package: ModelPackage) throws(InferenceError) {
        guard case .sentencePiece(let name) = package.text.tokenizer else {
            throw InferenceError(
                .packageInvalid, "\(package.directory) has no SentencePiece model", file: package.directory)
        }
        let file = package.path(name)
        try self.init(
            text: package.text, file: file,
            bytes: try PackageFile.bytes(of: file, atMost: 1 << 28))
    }

    init(text: ModelPackage.Text, file: String, bytes: [UInt8]) throws(InferenceError) {
        var detail = [CChar](repeating: 0, count: 512)
        let opened = bytes.withUnsafeBytes {
            piece_model_open($0.baseAddress, $0.count, &detail, detail.count)
        }
        guard let opened else {
            throw InferenceError(
                .packageInvalid, "\(file) is no SentencePiece model: \(Self.words(detail))", file: file)
        }
        model = opened
        self.file = file
        frame = text.row
        cleaning = text.cleaning
        let size = Int(piece_model_size(opened))
        guard size <= text.vocabularySize, frame.end < size else {
            throw InferenceError(
                .packageInvalid,
                "\(file) has \(size) pieces; model.json says \(text.vocabularySize), \(frame.end) being the "
                    + "end", file: file)
        }
    }

    deinit { piece_model_close(model) }

    /// The model's input row for a text; `contextLength` numbers.
    package func row(_ text: String) -> [Int64] {
        let cleaned = Array(cleaning.clean(text).utf8)
        var ids = [Int32](repeating: 0, count: frame.room)
        var detail = [CChar](repeating: 0, count: 512)
        let count = cleaned.withUnsafeBufferPointer { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { letters in
                piece_model_encode(
                    model, letters.baseAddress, letters.count, &ids, ids.count, &detail, detail.count)
            }
        }
        // The library encodes any text; what it can refuse is a model that was never loaded.
        precondition(count >= 0, "\(file): \(Self.words(detail))")
        return frame.filled(ids.prefix(Int(count)).map { Int($0) })
    }

    private static func words(_ detail: [CChar]) -> String {
        String(decoding: detail.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
