import Foundation

/// Comparison of a device's answers with those of PyTorch.
enum ModelProbe {
    /// What is compared.
    enum Quantity {
        /// Of unit length, so that differences are absolute.
        case embedding
        /// Relative to the largest expected one, or to 1.
        case logits
    }

    /// Largest difference from PyTorch in fp32 that arithmetic of a precision, in any order, explains.
    static func tolerance(_ quantity: Quantity, _ precision: ModelPackage.Precision) -> Float {
        switch (precision, quantity) {
        case (.fp32, _): 1e-4
        case (.fp16, .embedding): 2e-3
        case (.fp16, .logits): 1e-2
        case (.bf16, .embedding): 1.5e-2
        case (.bf16, .logits): 8e-2
        }
    }

    /// - Throws: `probeFailed` with the largest difference and where it is.
    static func compare(
        _ found: [Float], _ expected: [Float], _ name: String, _ quantity: Quantity, _ package: ModelPackage
    ) throws(InferenceError) {
        let scale = quantity == .logits ? expected.reduce(Float(1)) { max($0, abs($1)) } : 1
        let tolerance = tolerance(quantity, package.precision)
        precondition(found.count == expected.count, "\(found.count) values against \(expected.count)")
        var worst: (difference: Float, index: Int) = (0, 0)
        for index in found.indices {
            let difference = abs(found[index] - expected[index])
            // A difference that is not a number is the worst of all.
            if !(difference <= worst.difference) { worst = (difference, index) }
            if difference.isNaN { break }
        }
        guard worst.difference <= tolerance * scale else {
            throw InferenceError(
                .probeFailed,
                "\(package.directory): \(name) differs from PyTorch's by \(worst.difference) at value "
                    + "\(worst.index), more than \(tolerance * scale): this device or build computes "
                    + "wrongly, or the graphs are not the probe's", file: package.path(package.probe))
        }
    }
}

/// Sixteen images and texts with the embeddings that PyTorch gave.
struct TeacherProbe {
    static let count = 16

    let pixels: [Float]
    let imageEmbedding: [Float]
    let texts: [String]
    let ids: [Int64]
    let textEmbedding: [Float]

    init(_ package: ModelPackage) throws(InferenceError) {
        let file = package.path(package.probe)
        let archive = try NumPyArchive(file: file, bytes: try PackageFile.bytes(of: file, atMost: 1 << 28))
        let (n, size) = (Self.count, package.imageSize)
        pixels = try archive.array("pixels", type: "<f4", shape: [n, 3, size, size]).floats
        imageEmbedding = try archive.array(
            "image_embedding", type: "<f4", shape: [n, package.embeddingWidth]
        )
        .floats
        ids = try archive.array("ids", type: "<i8", shape: [n, package.contextLength]).integers
        textEmbedding = try archive.array("text_embedding", type: "<f4", shape: [n, package.embeddingWidth])
            .floats
        let json = try archive.array("texts", type: "|u1", shape: [-1]).bytes
        do {
            texts = try JSONDecoder().decode([String].self, from: Data(json))
        } catch {
            throw InferenceError(
                .packageInvalid, "\(file): texts is no JSON list of strings: \(error)", file: file,
                cause: error)
        }
        guard texts.count == n else {
            throw InferenceError(
                .packageInvalid, "\(file): texts holds \(texts.count) strings; expected \(n)", file: file)
        }
    }
}

/// Sixteen images with the captions that OpenCLIP decodes greedily and the logits of their first token.
struct CaptionerProbe {
    static let count = 16

    let pixels: [Float]
    /// [16, length]: start, tokens, end, padding.
    let greedyIDs: [Int64]
    /// [16, V]
    let firstLogits: [Float]
    /// [16, V]: after the first `forcedTokens` of each greedy text, or as many as it has. A package in fp32
    /// need not have them, since its texts are compared token by token.
    let forcedLogits: [Float]?
    static let forcedTokens = 8

    init(_ package: ModelPackage, shape: ModelPackage.CaptionerShape) throws(InferenceError) {
        let file = package.path(package.probe)
        let archive = try NumPyArchive(file: file, bytes: try PackageFile.bytes(of: file, atMost: 1 << 28))
        let (n, size) = (Self.count, package.imageSize)
        pixels = try archive.array("pixels", type: "<f4", shape: [n, 3, size, size]).floats
        greedyIDs = try archive.array("greedy_ids", type: "<i8", shape: [n, shape.maximumLength]).integers
        firstLogits = try archive.array("first_logits", type: "<f4", shape: [n, package.text.vocabularySize])
            .floats
        forcedLogits =
            package.precision == .fp32
            ? nil
            : try archive.array("forced_logits", type: "<f4", shape: [n, package.text.vocabularySize]).floats
    }

    /// The tokens of a greedy text before its end, the start token first.
    func greedyText(_ index: Int, _ text: ModelPackage.Text) -> [Int] {
        let length = greedyIDs.count / Self.count
        return greedyIDs[index * length..<(index + 1) * length].map { Int($0) }
            .prefix { $0 != text.row.end && $0 != text.row.pad }
    }
}
