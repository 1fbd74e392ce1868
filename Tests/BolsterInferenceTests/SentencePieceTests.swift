import BolsterOracles
import Foundation
import Testing

@testable import BolsterInference

/// SentencePiece tokenizers against others', on the captions that tools/oracles/sentencepiece_rows.py
/// mutates. As many as BOLSTER_TOKENIZER_CASES says.
@Suite(.enabled(if: PythonOracle.hasSentencePiece)) struct SentencePieceTests {
    private struct Case: Decodable {
        let kind: String
        let text: String
        /// Of Python's sentencepiece over open_clip's cleaning.
        let pieces: [Int64]
        /// Of open_clip's HFTokenizer, whose tokenizer shares no code with SentencePiece.
        let row: [Int64]
    }

    private static func text(
        start: Int? = nil, end: Int = 1, pad: Int, cleaning: TextCleaning = .canonicalize
    ) -> ModelPackage.Text {
        ModelPackage.Text(
            row: TextRow(start: start, end: end, pad: pad, length: 64), vocabularySize: 1100,
            tokenizer: .sentencePiece(model: "spiece.model"), cleaning: cleaning)
    }

    private static let kinds: [String: ModelPackage.Text] = [
        "unigram": text(pad: 1), "bpe": text(pad: 0),
        "roberta": text(start: 0, end: 2, pad: 1, cleaning: .whitespace),
    ]

    @Test("Mutated captions give the rows of sentencepiece in Python, and nearly all of those of open_clip")
    func mutations() throws {
        let scratch = try ScratchFolder()
        defer { withExtendedLifetime(scratch) {} }
        let folder = scratch.url
        let count = ProcessInfo.processInfo.environment["BOLSTER_TOKENIZER_CASES"] ?? "2000"
        let script = Python.checkout.appendingPathComponent("tools/oracles/sentencepiece_rows.py")
        let output = try Python.run([script.path, folder.path, count])
        var tokenizers: [String: SentencePieceTokenizer] = [:]
        for (kind, text) in Self.kinds {
            let file = folder.appendingPathComponent("\(kind).model")
            tokenizers[kind] = try SentencePieceTokenizer(
                text: text, file: file.path, bytes: [UInt8](try Data(contentsOf: file)))
        }
        var seen: [String: Int] = [:]
        var otherThanOpenCLIP: [String: Int] = [:]
        for line in output.split(separator: UInt8(ascii: "\n")) {
            let example = try JSONDecoder().decode(Case.self, from: line)
            let row = try #require(tokenizers[example.kind]).row(example.text)
            seen[example.kind, default: 0] += 1
            #expect(row == example.pieces, "\(example.kind): \(example.text.debugDescription)")
            if row != example.row { otherThanOpenCLIP[example.kind, default: 0] += 1 }
        }
        for (kind, count) in seen.sorted(by: { $0.key < $1.key }) {
            let other = otherThanOpenCLIP[kind] ?? 0
            print("\(kind): \(count) captions, \(other) other than Hugging Face's")
            #expect(count > 0 && other * 20 < count)
        }
        #expect(seen.count == Self.kinds.count)
    }

    @Test("Bytes that are no SentencePiece model are refused with the library's words")
    func noModel() {
        for bytes in [[], Array("not a model".utf8), [UInt8](repeating: 0xFF, count: 100)] {
            let error = #expect(throws: InferenceError.self) {
                try SentencePieceTokenizer(text: Self.text(pad: 0), file: "spiece.model", bytes: bytes)
            }
            #expect(error?.code == .packageInvalid)
            #expect(error?.message.hasPrefix("spiece.model is no SentencePiece model: ") == true)
        }
    }
}
