import BolsterAugmentation
import BolsterDataset
import BolsterRecords

/// A sample's image, decoded, or the reason why there is none.
enum SampleImage {
    case decoded(DecodedImage)
    case skipped(Skip)

    init(of sample: UnitSample) {
        guard case .files(let files) = sample.content else {
            preconditionFailure("a stage of images reads the shard, not another stage's texts")
        }
        guard let member = files.image else {
            self = .skipped(Skip(reason: "no_image", detail: "the sample has no image file"))
            return
        }
        let decoded = member.bytes.withUnsafeBytes { bytes in
            Result { () throws(AugmentationError) in
                try DecodedImage(decoding: bytes, limits: DecodeLimits())
            }
        }
        switch decoded {
        case .success(let image): self = .decoded(image)
        case .failure(let error):
            self = .skipped(Skip(reason: error.skipReason, detail: "\(member.name): \(error.message)"))
        }
    }
}
