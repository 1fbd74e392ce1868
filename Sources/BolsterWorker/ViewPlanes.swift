import BolsterAugmentation
import BolsterDataset

/// How a view becomes the input of every teacher: augmented once to 8-bit pixels, then normalised, and
/// resized where a teacher's input is smaller, straight into the rows of a batch.
struct ViewPlanes: Sendable {
    struct Model: Sendable {
        /// Height and width of the teacher's input.
        let size: Int
        let normalizer: PixelNormalizer
    }

    /// Height and width of a view.
    let viewSize: AugmentationConfiguration.Size
    let models: [Model]

    /// Writes one view for every model. Throws what the augmentation throws.
    func write(
        _ parameters: AugmentationParameters, of image: borrowing DecodedImage,
        with augmentation: Augmentation, into row: RowBatch.Row
    ) throws(AugmentationError) {
        let bytes = viewSize.height * viewSize.width * 3
        let view = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
        defer { view.deallocate() }
        try augmentation.reapply(parameters, to: image, into: view)
        for (index, model) in models.enumerated() {
            guard let plane = row[index].bindMemory(to: Float.self).baseAddress else { continue }
            model.normalizer.tensor(
                fromView: UnsafeRawBufferPointer(view), height: viewSize.height, width: viewSize.width,
                resizedTo: model.size, into: plane)
        }
    }
}

extension EvaluationTransform {
    /// Writes an image as a captioner takes it: resized, cut and normalised, [3, imageSize, imageSize].
    func write(
        _ image: borrowing DecodedImage, with normalizer: PixelNormalizer,
        into row: UnsafeMutableRawBufferPointer
    ) {
        let view = UnsafeMutableRawBufferPointer.allocate(
            byteCount: imageSize * imageSize * 3, alignment: 64)
        defer { view.deallocate() }
        apply(to: image, into: view)
        guard let plane = row.bindMemory(to: Float.self).baseAddress else { return }
        normalizer.tensor(
            fromView: UnsafeRawBufferPointer(view), height: imageSize, width: imageSize, into: plane)
    }
}
