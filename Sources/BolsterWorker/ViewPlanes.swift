import BolsterAugmentation
import BolsterDataset

/// How a view becomes the input of every teacher: augmented once to 8-bit pixels, then normalised, and
/// resized where a teacher's input is smaller, straight into the rows of a batch.
struct ViewPlanes: Sendable {
    /// By teacher.
    let writers: [PlaneWriter]

    /// Bytes of a row of pixels, by teacher.
    var rowWidths: [Int] { writers.map(\.byteCount) }

    /// Writes one view for every teacher. Throws what the augmentation throws.
    func write(
        _ parameters: AugmentationParameters, of image: borrowing DecodedImage,
        with augmentation: Augmentation, into row: RowBatch.Row
    ) throws(AugmentationError) {
        try augmentation.withView(parameters, of: image) { view throws(AugmentationError) in
            for (teacher, writer) in writers.enumerated() { try writer.write(view, to: row[teacher]) }
        }
    }
}
