import BolsterInference

/// What a model package says of itself, and which of its files are not what it names.
struct PackageListing {
    private let package: ModelPackage

    init(_ package: ModelPackage) { self.package = package }

    /// Prints it; `faulty` where a file is missing or another.
    func show() -> Outcome {
        print("model package \(package.name)")
        line("digest", package.digest.hex)
        line("kind", "\(package.kind.rawValue), computes in \(package.precision.rawValue)")
        showImage()
        showText()
        line("files", package.files.map(\.name).joined(separator: ", "))
        let faults = package.faults()
        for fault in faults { line("fault", fault.message) }
        if faults.isEmpty { line("", "all as model.json names them") }
        return faults.isEmpty ? .done : .faulty
    }

    private func line(_ name: String, _ value: String) { print("  \(padded(name, 9)) \(value)") }

    private func showImage() {
        let image = package.image
        line(
            "image",
            "\(image.size) × \(image.size) pixels, \(image.interpolation.rawValue), "
                + "\(image.resizeMode.rawValue); mean \(image.mean), deviation \(image.std)")
    }

    private func showText() {
        let text = package.text
        let tokenizer =
            switch text.tokenizer {
            case .bytePairs: "CLIP's byte pairs"
            case .byteLevelPairs: "RoBERTa's byte pairs"
            case .wordPiece: "WordPiece"
            case .sentencePiece: "SentencePiece"
            }
        line(
            "text",
            "\(tokenizer), \(text.vocabularySize) tokens, \(text.row.length) in a text, cleaning "
                + text.cleaning.rawValue)
        guard let shape = package.captioner else {
            return line("vectors", "\(package.embeddingWidth) numbers each")
        }
        line(
            "captions",
            "up to \(shape.maximumLength) tokens, by \(shape.decoding.method.rawValue); \(shape.layers) "
                + "layers and \(shape.crossLayers) across, \(shape.heads) heads of \(shape.headWidth), "
                + "\(shape.imageTokens) tokens of an image")
    }
}
