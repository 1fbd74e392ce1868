import Foundation

/// One CLIP model: images and texts to embeddings of unit length.
///
/// Not Sendable: it belongs to the thread that made it.
package final class Teacher {
    package let package: ModelPackage
    private let tokenizer: TextTokenizer
    private var image: GraphSession
    private var text: GraphSession

    /// Loads both graphs and checks their inputs and outputs. Files are taken as they are: call
    /// `ModelPackage.verifyFiles()` before, and `runProbe()` after.
    ///
    /// - Parameter threads: threads inside one operator, 0 for one per core.
    package init(
        _ package: ModelPackage, runtime: InferenceRuntime, device: Device, threads: Int
    ) throws(InferenceError) {
        guard package.kind == .teacher else {
            throw InferenceError(
                .packageInvalid, "\(package.directory) holds a captioner; a teacher is needed here",
                file: package.directory)
        }
        self.package = package
        tokenizer = try TextTokenizer(package)
        let size = package.imageSize
        let embedding = TensorDeclaration(
            name: "embedding", element: TensorElement.float32.rawValue,
            dimensions: [-1, package.embeddingWidth])
        image = try GraphSession(
            "image.onnx", of: package, runtime: runtime, device: device, threads: threads)
        try image.require(
            inputs: [
                TensorDeclaration(
                    name: "pixels", element: package.precision.element.rawValue,
                    dimensions: [-1, 3, size, size])
            ], outputs: [embedding])
        text = try GraphSession(
            "text.onnx", of: package, runtime: runtime, device: device, threads: threads)
        try text.require(
            inputs: [
                TensorDeclaration(
                    name: "ids", element: TensorElement.int64.rawValue,
                    dimensions: [-1, package.contextLength])
            ], outputs: [embedding])
    }

    /// Embeds `count` images in one run.
    ///
    /// - Parameter pixels: normalised, [count, 3, S, S].
    /// - Returns: [count, D], each row of unit length.
    /// - Throws: `valueInvalid` where an embedding is not finite or has no length.
    package func embedImages(
        _ pixels: UnsafeBufferPointer<Float>, count: Int
    ) throws(InferenceError) -> [Float] {
        let size = package.imageSize
        precondition(
            pixels.count == count * 3 * size * size, "\(pixels.count) floats are not \(count) images")
        guard count > 0 else { return [] }
        if package.precision == .fp32 {
            return try embedImages(planes: UnsafeRawBufferPointer(pixels), count: count)
        }
        try image.bind("pixels", [count, 3, size, size])
        HalfFloats.round(pixels, into: image.bytes("pixels"), as: package.precision)
        return try runImages(count)
    }

    /// Embeds `count` images whose pixels are in the package's precision already, and are not copied.
    ///
    /// - Parameter planes: normalised, [count, 3, S, S] numbers of two bytes in half precision, of four in
    ///   fp32.
    /// - Returns: [count, D], each row of unit length.
    package func embedImages(
        planes: UnsafeRawBufferPointer, count: Int
    ) throws(InferenceError) -> [Float] {
        let size = package.imageSize
        precondition(
            planes.count == count * 3 * size * size * package.precision.element.byteCount,
            "\(planes.count) bytes are not \(count) images")
        guard count > 0 else { return [] }
        try image.bind("pixels", over: planes, [count, 3, size, size])
        return try runImages(count)
    }

    private func runImages(_ count: Int) throws(InferenceError) -> [Float] {
        try image.bind("embedding", [count, package.embeddingWidth])
        try image.run()
        return try unitRows(Array(image.floats("embedding")), of: "image")
    }

    /// Computes full batches of nothing, so that memory is taken, kernels are chosen and, on a GPU, compiled
    /// before the first lease counts its time.
    package func warmUp(images: Int, texts: Int) throws(InferenceError) {
        let size = package.imageSize
        try image.bind("pixels", [images, 3, size, size])
        try image.bind("embedding", [images, package.embeddingWidth])
        try image.run()
        try text.bind("ids", [texts, package.contextLength])
        try text.bind("embedding", [texts, package.embeddingWidth])
        try text.run()
    }

    /// Embeds texts, `batch` in one run.
    ///
    /// - Returns: [texts, D], each row of unit length.
    package func embedTexts(_ texts: [String], batch: Int = 64) throws(InferenceError) -> [Float] {
        try embed(rows: texts.map { tokenizer.row($0) }, batch: batch)
    }

    /// A text's token ids, `package.contextLength` of them: what `embedTokens` takes. Any thread may call it.
    package var tokenize: @Sendable (String) -> [Int64] {
        let tokenizer = tokenizer
        return { tokenizer.row($0) }
    }

    /// Embeds `count` tokenised texts in one run.
    ///
    /// - Parameter ids: [count, L], as `tokenize` gives them.
    /// - Returns: [count, D], each row of unit length.
    package func embedTokens(
        _ ids: UnsafeBufferPointer<Int64>, count: Int
    ) throws(InferenceError) -> [Float] {
        let length = package.contextLength
        precondition(ids.count == count * length, "\(ids.count) tokens are not \(count) texts")
        guard count > 0 else { return [] }
        try text.bind("ids", over: UnsafeRawBufferPointer(ids), [count, length])
        try text.bind("embedding", [count, package.embeddingWidth])
        try text.run()
        return try unitRows(Array(text.floats("embedding")), of: "text")
    }

    private func embed(rows: [[Int64]], batch: Int) throws(InferenceError) -> [Float] {
        precondition(batch > 0, "a batch of \(batch) texts")
        var embeddings: [Float] = []
        embeddings.reserveCapacity(rows.count * package.embeddingWidth)
        for start in stride(from: 0, to: rows.count, by: batch) {
            let count = min(batch, rows.count - start)
            let ids = Array(rows[start..<start + count].joined())
            let vectors = ids.withUnsafeBufferPointer { ids in
                Result { () throws(InferenceError) in try embedTokens(ids, count: count) }
            }
            embeddings.append(contentsOf: try vectors.get())
        }
        return embeddings
    }

    /// Computes the package's probe and compares with what PyTorch computed when it was made: token ids
    /// exactly, embeddings within `ModelProbe.tolerance`.
    package func runProbe() throws(InferenceError) {
        let probe = try TeacherProbe(package)
        let images = try probe.pixels.withUnsafeBufferPointer { (pixels) throws(InferenceError) in
            try embedImages(pixels, count: TeacherProbe.count)
        }
        try ModelProbe.compare(images, probe.imageEmbedding, "image_embedding", .embedding, package)
        for (index, string) in probe.texts.enumerated() {
            let expected = Array(
                probe.ids[index * package.contextLength..<(index + 1) * package.contextLength])
            guard tokenizer.row(string) == expected else {
                throw InferenceError(
                    .probeFailed,
                    "\(package.directory): the probe's text \(index) \"\(string)\" gives other tokens than "
                        + "it did in OpenCLIP", file: package.path(package.probe))
            }
        }
        let texts = try embedTexts(probe.texts, batch: TeacherProbe.count)
        try ModelProbe.compare(texts, probe.textEmbedding, "text_embedding", .embedding, package)
    }

    /// Divides each row by its length once more: the graph's own division leaves an error of 1e-7.
    private func unitRows(_ values: [Float], of kind: String) throws(InferenceError) -> [Float] {
        let width = package.embeddingWidth
        var rows = values
        for start in stride(from: 0, to: values.count, by: width) {
            var sum = 0.0
            for index in start..<start + width { sum += Double(values[index]) * Double(values[index]) }
            guard sum.isFinite, sum > 1e-12 else {
                throw InferenceError(
                    .valueInvalid,
                    "\(package.name): the \(kind) embedding in row \(start / width) of the batch has the "
                        + "squared length \(sum): the model or the device is broken")
            }
            let scale = 1 / sum.squareRoot()
            for index in start..<start + width { rows[index] = Float(Double(values[index]) * scale) }
        }
        return rows
    }
}
