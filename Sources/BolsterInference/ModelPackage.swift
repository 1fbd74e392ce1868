import BolsterDeterminism

/// A model as Bolster takes it: a directory with graphs, tokenizer, probe and `model.json`, which names
/// every other file with its SHA-256. Specified in `ModelPackage.md`.
///
///     model.json ── kind, sizes, preprocessing, digests
///     image.onnx    text.onnx | step.onnx    vocab.json, merges.txt | spiece.model    probe.npz
///
/// Reading it reads `model.json` alone; `verifyFiles()` reads the rest.
package struct ModelPackage: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case teacher
        case captioner
    }

    /// How an image is brought to the model's size where no augmentation does.
    package enum Interpolation: String, Sendable, CaseIterable {
        case bicubic
        case bilinear
    }

    /// `shortest`: the shorter side is resized, then the centre is cut; `squash`: both sides are resized.
    package enum ResizeMode: String, Sendable, CaseIterable {
        case shortest
        case squash
    }

    /// Number format of the graphs' pixels, caches and arithmetic. Embeddings and logits are always fp32.
    package enum Precision: String, Sendable, CaseIterable {
        case fp32
        /// IEEE 754 binary16.
        case fp16
        /// The upper half of fp32.
        case bf16

        var element: TensorElement {
            switch self {
            case .fp32: .float32
            case .fp16: .float16
            case .bf16: .bfloat16
            }
        }
    }

    package struct Image: Sendable, Equatable {
        /// Side of the square input, in pixels.
        package let size: Int
        /// Per channel, of values in 0...1.
        package let mean: [Double]
        package let std: [Double]
        package let interpolation: Interpolation
        package let resizeMode: ResizeMode
    }

    /// How a text becomes tokens; the values are file names inside the package.
    package enum Tokenizer: Sendable, Equatable {
        /// CLIP's byte pairs, which mark a word's end.
        case bytePairs(vocabulary: String, merges: String)
        /// GPT-2's and RoBERTa's byte pairs, which keep the space before a word.
        case byteLevelPairs(vocabulary: String, merges: String, special: SpecialTokens)
        /// BERT's words in pieces.
        case wordPiece(vocabulary: String, unknown: Int, rules: BERTNormalization, special: SpecialTokens)
        case sentencePiece(model: String)

        var files: [String] {
            switch self {
            case .bytePairs(let vocabulary, let merges), .byteLevelPairs(let vocabulary, let merges, _):
                [vocabulary, merges]
            case .wordPiece(let vocabulary, _, _, _): [vocabulary]
            case .sentencePiece(let model): [model]
            }
        }
    }

    package struct Text: Sendable, Equatable {
        package let row: TextRow
        package let vocabularySize: Int
        package let tokenizer: Tokenizer
        package let cleaning: TextCleaning
    }

    /// The shapes of a captioner's caches and what it decodes like unless told otherwise.
    package struct CaptionerShape: Sendable, Equatable {
        /// Self-attention layers of both decoders together.
        package let layers: Int
        package let heads: Int
        package let headWidth: Int
        package let crossLayers: Int
        package let imageTokens: Int
        /// Longest text in tokens, start and end included.
        package let maximumLength: Int
        package let decoding: CaptionDecoding
    }

    package let directory: String
    package let name: String
    package let kind: Kind
    package let precision: Precision
    /// SHA-256 of `model.json`, and through it of every file.
    package let digest: SHA256Digest
    /// Width of an embedding; 0 for a captioner.
    package let embeddingWidth: Int
    package let image: Image
    package let text: Text
    package let captioner: CaptionerShape?
    /// Name and digest of every file but `model.json`, sorted by name.
    package let files: [(name: String, digest: SHA256Digest)]
    /// Name of the probe's file.
    package let probe: String

    package var imageSize: Int { image.size }
    package var mean: [Double] { image.mean }
    package var std: [Double] { image.std }
    package var interpolation: Interpolation { image.interpolation }
    package var resizeMode: ResizeMode { image.resizeMode }
    package var contextLength: Int { text.row.length }

    /// Path of a file of the package.
    package func path(_ file: String) -> String { directory + "/" + file }

    /// Bytes that a `model.json` may have.
    package static let descriptionBytesMax = 1 << 24

    /// Reads `model.json` of a directory.
    ///
    /// - Throws: `packageInvalid` that names the file, the key, what is there and what was expected.
    package init(directory: String) throws(InferenceError) {
        let bytes = try PackageFile.bytes(of: directory + "/model.json", atMost: Self.descriptionBytesMax)
        try self.init(directory: directory, description: bytes)
    }

    /// A package whose `model.json` has been read; `directory` may be a URL whose other files are not here.
    package init(directory: String, description bytes: [UInt8]) throws(InferenceError) {
        let file = directory + "/model.json"
        let root = try JSONObject(file: file, bytes: bytes)
        guard try root.integer("format", in: 0...Int.max) == 1 else {
            throw root.wrong("format", "1, the only format this version reads")
        }
        self.directory = directory
        digest = SHA256Hasher.digest(of: bytes)
        name = try root.text("name")
        kind = try root.choice("kind", Kind.self)
        precision = try root.choice("precision", Precision.self)
        image = try Self.image(try root.object("image"))
        text = try Self.text(try root.object("text"))
        switch kind {
        case .teacher:
            embeddingWidth = try root.integer("embedding_width", in: 1...65_536)
            captioner = nil
        case .captioner:
            embeddingWidth = 0
            captioner = try Self.captioner(try root.object("captioner"))
        }
        files = try Self.files(try root.object("files"))
        probe = try root.text("probe")
        let needed =
            ["image.onnx", kind == .teacher ? "text.onnx" : "step.onnx"] + text.tokenizer.files + [probe]
        for name in needed where !files.contains(where: { $0.name == name }) {
            throw InferenceError(
                .packageInvalid, "\(file): files names no \"\(name)\", which a \(kind.rawValue) needs",
                file: file)
        }
    }

    /// Reads every file and compares its SHA-256 with the one in `model.json`.
    ///
    /// - Throws: `packageDamaged` that names the first file that is missing or another.
    package func verifyFiles() throws(InferenceError) {
        for file in files {
            if let fault = fault(of: file) { throw fault }
        }
    }

    /// What is wrong with each file that is missing or another than `model.json` names.
    package func faults() -> [InferenceError] { files.compactMap { fault(of: $0) } }

    private func fault(of file: (name: String, digest: SHA256Digest)) -> InferenceError? {
        let found: SHA256Digest
        do {
            found = try PackageFile.digest(of: path(file.name))
        } catch {
            return error
        }
        if found == file.digest { return nil }
        return InferenceError(
            .packageDamaged,
            "\(path(file.name)) has SHA-256 \(found), but model.json names \(file.digest): fetch the package "
                + "again, or name what sha256sum prints if you changed the file", file: path(file.name))
    }
}

extension ModelPackage {
    private static func image(_ keys: JSONObject) throws(InferenceError) -> Image {
        let std = try keys.numbers("std", count: 3)
        guard std.allSatisfy({ $0 > 0 }) else { throw keys.wrong("std", "three numbers above 0") }
        return Image(
            size: try keys.integer("size", in: 1...4096), mean: try keys.numbers("mean", count: 3), std: std,
            interpolation: try keys.choice("interpolation", Interpolation.self),
            resizeMode: try keys.choice("resize_mode", ResizeMode.self))
    }

    private static func text(_ keys: JSONObject) throws(InferenceError) -> Text {
        let kind = try keys.choice("tokenizer", TokenizerKind.self)
        let size = try keys.integer("vocab_size", in: kind.smallestVocabulary...4_000_000)
        func number(_ key: String) throws(InferenceError) -> Int { try keys.integer(key, in: 0...size - 1) }
        let tokenizer: Tokenizer =
            switch kind {
            case .clipBPE:
                .bytePairs(vocabulary: try keys.text("vocabulary"), merges: try keys.text("merges"))
            case .byteLevelBPE:
                .byteLevelPairs(
                    vocabulary: try keys.text("vocabulary"), merges: try keys.text("merges"),
                    special: try SpecialTokens(keys, vocabularySize: size))
            case .wordPiece:
                .wordPiece(
                    vocabulary: try keys.text("vocabulary"), unknown: try number("unknown"),
                    rules: try BERTNormalization(keys),
                    special: try SpecialTokens(keys, vocabularySize: size))
            case .sentencePiece:
                .sentencePiece(model: try keys.text("model"))
            }
        let row = TextRow(
            start: kind == .clipBPE || keys.has("start") ? try number("start") : nil,
            end: try number("end"), pad: try number("pad"),
            last: keys.has("last") ? try number("last") : nil,
            length: try keys.integer("context_length", in: 3...4096))
        return Text(
            row: row, vocabularySize: size, tokenizer: tokenizer,
            cleaning: try keys.choice("clean", TextCleaning.self))
    }

    private enum TokenizerKind: String, CaseIterable {
        case clipBPE = "clip_bpe"
        case byteLevelBPE = "byte_level_bpe"
        case wordPiece = "wordpiece"
        case sentencePiece = "sentencepiece"

        var smallestVocabulary: Int {
            switch self {
            // Every byte inside a word, every byte that ends one, start and end.
            case .clipBPE: 514
            case .byteLevelBPE: 258
            case .wordPiece, .sentencePiece: 3
            }
        }
    }

    private static func captioner(_ keys: JSONObject) throws(InferenceError) -> CaptionerShape {
        let maximumLength = try keys.integer("max_length", in: 3...4096)
        let decoding = try CaptionDecoding(keys: try keys.object("decoding"))
        try decoding.validate(maximumLength: maximumLength)
        return CaptionerShape(
            layers: try keys.integer("layers", in: 1...1024), heads: try keys.integer("heads", in: 1...1024),
            headWidth: try keys.integer("head_width", in: 1...4096),
            crossLayers: try keys.integer("cross_layers", in: 1...1024),
            imageTokens: try keys.integer("image_tokens", in: 1...65_536), maximumLength: maximumLength,
            decoding: decoding)
    }

    private static func files(
        _ keys: JSONObject
    ) throws(InferenceError) -> [(name: String, digest: SHA256Digest)] {
        var files: [(name: String, digest: SHA256Digest)] = []
        for name in keys.values.keys.sorted() {
            guard let digest = SHA256Digest(hex: try keys.text(name)) else {
                throw keys.wrong(name, "64 hexadecimal digits")
            }
            guard !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
                throw keys.wrong(name, "a file name inside the package")
            }
            files.append((name, digest))
        }
        return files
    }
}
