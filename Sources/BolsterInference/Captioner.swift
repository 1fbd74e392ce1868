import BolsterDeterminism
import Foundation

/// One CoCa model: images to captions.
///
/// An image is encoded once. A text is decoded token by token against caches: the keys and values of the
/// image's tokens are computed once per image, those of the text grow by one row a token. Rows of
/// different age share a batch of fixed slots; a slot that is finished takes the next (image, caption).
///
///     image.onnx: pixels ─► cross keys, cross values ─┐ copied into a slot when a caption starts
///     step.onnx:  token, position, caches ─► logits, one new row of keys and values ─► next token
///
/// Not Sendable: it belongs to the thread that made it.
package final class Captioner {
    /// How full the batches were.
    package struct Usage: Sendable, Equatable {
        /// Runs of the step graph.
        package var steps = 0
        /// Rows that those runs computed.
        package var rows = 0
        /// Captions whose first token came from a row that another caption of the image had computed.
        package var sharedRows = 0
    }

    package let package: ModelPackage
    /// Bytes that slots and encoded images may take in all; nil for as many as `batch` needs.
    package let cacheMemory: Int?
    /// Counts since the model was loaded.
    package internal(set) var usage = Usage()
    let shape: ModelPackage.CaptionerShape
    let tokenizer: CLIPTokenizer
    /// Tokens whose text holds a full stop.
    let fullStops: Set<Int>
    /// Threads that draw tokens.
    let threads: Int
    var image: GraphSession
    var step: GraphSession
    var mover: RowMover

    /// Loads both graphs and checks their inputs and outputs. Files are taken as they are: call
    /// `ModelPackage.verifyFiles()` before, and `runProbe()` after.
    ///
    /// - Parameters:
    ///   - threads: threads inside one operator, 0 for one per core.
    ///   - cacheMemory: bytes that slots and encoded images may take; nil for no limit.
    package init(
        _ package: ModelPackage, runtime: InferenceRuntime, device: Device, threads: Int,
        cacheMemory: Int? = nil
    ) throws(InferenceError) {
        guard let shape = package.captioner else {
            throw InferenceError(
                .packageInvalid, "\(package.directory) holds a teacher; a captioner is needed here",
                file: package.directory)
        }
        self.package = package
        self.cacheMemory = cacheMemory
        self.shape = shape
        self.threads = threads > 0 ? threads : ProcessInfo.processInfo.activeProcessorCount
        tokenizer = try CLIPTokenizer(package)
        let words = tokenizer
        fullStops = Set((0..<package.text.vocabularySize).filter { words.holdsFullStop($0) })
        image = try GraphSession(
            "image.onnx", of: package, runtime: runtime, device: device, threads: threads,
            residents: Self.imageResidents)
        step = try GraphSession(
            "step.onnx", of: package, runtime: runtime, device: device, threads: threads,
            residents: Self.stepResidents)
        mover = try RowMover(
            width: shape.headWidth, element: package.precision.element, runtime: runtime, device: device)
        try Self.requireShapes(of: image, step, package, shape)
    }

    /// Captions images.
    ///
    /// - Parameters:
    ///   - pixels: normalised, [N, 3, S, S].
    ///   - keys: N sample keys, which with the caption's index choose its random numbers.
    ///   - batch: number of slots.
    /// - Returns: for each image, `captionsPerImage` texts in order. A text may be empty.
    package func captions(
        pixels: UnsafeBufferPointer<Float>, keys: [String], captionsPerImage: Int, seed: UInt64,
        decoding: CaptionDecoding, keep: CaptionKeeping, batch: Int
    ) throws(InferenceError) -> [[String]] {
        var run = try begin(
            captionsPerImage: captionsPerImage, seed: seed, decoding: decoding, keep: keep,
            batch: min(batch, max(1, keys.count * captionsPerImage)))
        if !keys.isEmpty { try run.add(pixels: pixels, keys: keys) }
        return try run.finish()
    }

    /// Begins the captions of images that are added one group after the other.
    ///
    /// - Parameters:
    ///   - seed: the manifest's.
    ///   - batch: number of slots; fewer where `cacheMemory` allows no more.
    package func begin(
        captionsPerImage: Int, seed: UInt64, decoding: CaptionDecoding, keep: CaptionKeeping, batch: Int
    ) throws(InferenceError) -> CaptionRun {
        precondition(batch > 0 && captionsPerImage > 0, "\(batch) slots, \(captionsPerImage) captions")
        try decoding.validate(maximumLength: shape.maximumLength)
        let queue = CaptionQueue(
            captionsPerImage: captionsPerImage, seed: seed, maxLength: decoding.maxLength,
            start: tokenizer.start, terminators: [tokenizer.end, tokenizer.pad],
            closers: keep == .firstSentence ? fullStops : [])
        let slots = try slots(batch: batch, maxLength: decoding.maxLength)
        return CaptionRun(
            self, queue: queue,
            lanes: TokenLanes(
                decoding, vocabularySize: package.text.vocabularySize, end: tokenizer.end, threads: threads),
            keep: keep, slots: slots, moves: CacheMoves(shape, capacity: decoding.maxLength - 2))
    }

    /// Computes one step of full slots with full caches, and a group of images, so that memory is taken and
    /// kernels are chosen before the first lease counts its time.
    ///
    /// - Parameters:
    ///   - slots: texts decoded side by side; fewer where `cacheMemory` allows no more.
    ///   - maxLength: tokens of the longest text; nil for the package's own limit.
    package func warmUp(slots: Int, maxLength: Int? = nil) throws(InferenceError) {
        let longest = min(maxLength ?? shape.decoding.maxLength, shape.maximumLength)
        let images = min(8, slots)
        let slots = try self.slots(batch: slots, maxLength: longest)
        let size = package.imageSize
        let pixels = [Float](repeating: 0, count: images * 3 * size * size)
        try pixels.withUnsafeBufferPointer { (pixels) throws(InferenceError) in
            try encode(pixels, count: images)
        }
        try bindStep(slots: slots, capacity: longest - 2)
        for slot in 0..<slots {
            step.integers("ids")[slot] = Int64(tokenizer.start)
            step.integers("positions")[slot] = 0
            step.integers("lengths")[slot] = 0
        }
        try step.run()
    }

    /// The caption of a row of tokens: with `.firstSentence` what comes before the first full stop; white
    /// space at the end is removed.
    func text(of tokens: [Int], keep: CaptionKeeping) -> String {
        let decoded = tokenizer.decode(tokens.dropFirst())
        var scalars = Array(decoded.unicodeScalars)
        if keep == .firstSentence, let stop = scalars.firstIndex(of: ".") {
            scalars.removeSubrange(stop...)
        }
        while let last = scalars.last, TextCleaning.isSpace(last) { scalars.removeLast() }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return String(text)
    }

    private static func requireShapes(
        of image: borrowing GraphSession, _ step: borrowing GraphSession, _ package: ModelPackage,
        _ shape: ModelPackage.CaptionerShape
    ) throws(InferenceError) {
        func floats(
            _ name: String, _ dimensions: [Int], _ element: TensorElement? = nil
        ) -> TensorDeclaration {
            let element = element ?? package.precision.element
            return TensorDeclaration(name: name, element: element.rawValue, dimensions: dimensions)
        }
        func integers(_ name: String) -> TensorDeclaration {
            TensorDeclaration(name: name, element: TensorElement.int64.rawValue, dimensions: [-1])
        }
        let size = package.imageSize
        let cross = [-1, shape.crossLayers, shape.heads, shape.imageTokens, shape.headWidth]
        let cache = [-1, shape.layers, shape.heads, -1, shape.headWidth]
        let added = [-1, shape.layers, shape.heads, 1, shape.headWidth]
        try image.require(
            inputs: [floats("pixels", [-1, 3, size, size])],
            outputs: [floats("cross_keys", cross), floats("cross_values", cross)])
        try step.require(
            inputs: [
                integers("ids"), integers("positions"), integers("lengths"), floats("cross_keys", cross),
                floats("cross_values", cross), floats("cache_keys", cache), floats("cache_values", cache),
            ],
            outputs: [
                floats("logits", [-1, package.text.vocabularySize], .float32), floats("new_keys", added),
                floats("new_values", added),
            ])
    }
}
