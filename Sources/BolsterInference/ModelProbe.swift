import Foundation

/// Comparison of a device's answers with those of PyTorch.
enum ModelProbe {
    /// Largest difference that fp32 arithmetic in another order explains. Embeddings are of unit length,
    /// so it is absolute there; logits are compared relative to the largest expected one.
    static let tolerance: Float = 1e-4

    /// - Throws: `probeFailed` with the largest difference and where it is.
    static func compare(
        _ found: [Float], _ expected: [Float], _ name: String, _ package: ModelPackage, scale: Float = 1
    ) throws(InferenceError) {
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

    init(_ package: ModelPackage, shape: ModelPackage.CaptionerShape) throws(InferenceError) {
        let file = package.path(package.probe)
        let archive = try NumPyArchive(file: file, bytes: try PackageFile.bytes(of: file, atMost: 1 << 28))
        let (n, size) = (Self.count, package.imageSize)
        pixels = try archive.array("pixels", type: "<f4", shape: [n, 3, size, size]).floats
        greedyIDs = try archive.array("greedy_ids", type: "<i8", shape: [n, shape.maximumLength]).integers
        firstLogits = try archive.array("first_logits", type: "<f4", shape: [n, package.text.vocabularySize])
            .floats
    }
}
