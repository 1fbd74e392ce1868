import BolsterAugmentation
import BolsterDataset
import BolsterInference
import BolsterRecords

/// A captioner's stage: per sample the list of its synthetic captions, as JSON.
struct CaptionComputation: ChunkComputation {
    struct Prepared: Sendable {
        let key: String
        /// size × size × 3, as the captioner's package wants an image before it is normalised.
        let pixels: Result<[UInt8], SkippedSample>
    }

    let prepare: @Sendable (Sample) -> Prepared
    private let captioner: Captioner
    private let normalizer: PixelNormalizer
    private let settings: Manifest.CaptionerSettings
    private let seed: UInt64
    private let size: Int

    private var rows = ChunkRows()
    private var captions: [String] = []
    private var waitingKeys: [String] = []
    private var waitingRows: [Int] = []
    private var pixels: [Float] = []

    init(settings: Manifest.CaptionerSettings, seed: UInt64, captioner: Captioner, package: ModelPackage) {
        let transform = package.evaluationTransform
        let size = package.imageSize
        self.captioner = captioner
        self.normalizer = PixelNormalizer(mean: package.mean, std: package.std)
        self.settings = settings
        self.seed = seed
        self.size = size
        self.prepare = { sample in
            switch SampleImage(of: sample) {
            case .skipped(let skip):
                return Prepared(key: sample.key, pixels: .failure(SkippedSample(skip: skip)))
            case .decoded(let image):
                var pixels = [UInt8](repeating: 0, count: size * size * 3)
                pixels.withUnsafeMutableBytes { transform.apply(to: image, into: $0) }
                return Prepared(key: sample.key, pixels: .success(pixels))
            }
        }
    }

    static func skipped(_ key: String, _ skip: Skip) -> Prepared {
        Prepared(key: key, pixels: .failure(SkippedSample(skip: skip)))
    }

    mutating func add(_ prepared: Prepared) throws {
        rows.keys.append(prepared.key)
        captions.append("")
        switch prepared.pixels {
        case .failure(let skipped):
            rows.skips.append(skipped.skip)
        case .success(let view):
            rows.skips.append(nil)
            waitingKeys.append(prepared.key)
            waitingRows.append(captions.count - 1)
            appendTensor(of: view)
            if waitingKeys.count == settings.batch { try captionWaiting() }
        }
    }

    mutating func finish() throws -> ChunkRows {
        try captionWaiting()
        rows.columns = [RecordColumn(name: "captions", content: .text(captions))]
        defer {
            rows = ChunkRows()
            captions.removeAll(keepingCapacity: true)
        }
        return rows
    }

    private mutating func appendTensor(of view: [UInt8]) {
        let count = 3 * size * size
        let start = pixels.count
        pixels.append(contentsOf: repeatElement(0, count: count))
        pixels.withUnsafeMutableBufferPointer { pixels in
            guard let base = pixels.baseAddress else { return }
            view.withUnsafeBytes {
                normalizer.tensor(fromView: $0, height: size, width: size, into: base + start)
            }
        }
    }

    private mutating func captionWaiting() throws {
        guard !waitingKeys.isEmpty else { return }
        let texts = try pixels.withUnsafeBufferPointer {
            try captioner.captions(
                pixels: $0, keys: waitingKeys, captionsPerImage: settings.captions, seed: seed,
                decoding: settings.decoding.captionDecoding, keep: settings.keep.captionKeeping,
                batch: settings.batch)
        }
        guard texts.count == waitingKeys.count, texts.allSatisfy({ $0.count == settings.captions }) else {
            throw WorkerError(
                .wrongResult,
                "captioner \"\(settings.name)\" gave another number of captions than "
                    + "\(settings.captions) an image",
                evidence: waitingKeys.first)
        }
        for (row, list) in zip(waitingRows, texts) { captions[row] = PythonJSON.text(of: list) }
        waitingKeys.removeAll(keepingCapacity: true)
        waitingRows.removeAll(keepingCapacity: true)
        pixels.removeAll(keepingCapacity: true)
    }
}
