import BolsterAugmentation
import BolsterDataset
import BolsterInference
import BolsterRecords

/// The ensemble's image stage: per sample the parameters of its views and the concatenated embeddings of
/// all teachers, [views, D] in the manifest's order.
///
/// A view is augmented once to 8-bit pixels; each teacher normalises them as its own package says. Batches
/// are filled view after view, sample after sample, and end with the chunk, so that what shares a batch
/// follows from the chunk and the batch size alone.
struct ViewComputation: ChunkComputation {
    /// The views of one image.
    struct Views: Sendable {
        /// The list of `param_aug`, as JSON.
        let parameters: String
        /// views × height × width × 3.
        let pixels: [UInt8]
    }

    struct Prepared: Sendable {
        let key: String
        let views: Result<Views, SkippedSample>
    }

    let prepare: @Sendable (Sample) -> Prepared
    private let ensemble: TeacherEnsemble
    private let viewCount: Int
    private let viewBytes: Int
    private let store: TensorType

    private var rows = ChunkRows()
    private var parameters: [String] = []
    private var viewsPerSample: [Int] = []
    private var waiting: [UInt8] = []
    private var embeddings: [Float] = []

    init(settings: Manifest.EnsembleSettings, seed: UInt64, ensemble: TeacherEnsemble) {
        let size = ensemble.viewSize
        let views = settings.views
        let augmentation = Augmentation(settings.augmentation)
        let bytes = size.height * size.width * 3
        self.ensemble = ensemble
        self.viewCount = views
        self.viewBytes = bytes
        self.store = settings.store.tensorType
        self.prepare = { sample in
            Prepared(
                key: sample.key,
                views: Self.views(of: sample, augmentation, seed: seed, count: views, bytes: bytes))
        }
    }

    private static func views(
        of sample: Sample, _ augmentation: Augmentation, seed: UInt64, count: Int, bytes: Int
    ) -> Result<Views, SkippedSample> {
        let image: DecodedImage
        switch SampleImage(of: sample) {
        case .skipped(let skip): return .failure(SkippedSample(skip: skip))
        case .decoded(let decoded): image = decoded
        }
        var pixels = [UInt8](repeating: 0, count: count * bytes)
        let parameters = pixels.withUnsafeMutableBytes { pixels in
            Result { () throws(AugmentationError) in
                var parameters: [AugmentationParameters] = []
                for view in 0..<count {
                    let drawn = augmentation.sample(
                        width: image.width, height: image.height, seed: seed, key: sample.key, view: view)
                    let target = UnsafeMutableRawBufferPointer(
                        rebasing: pixels[view * bytes..<(view + 1) * bytes])
                    try augmentation.reapply(drawn, to: image, into: target)
                    parameters.append(drawn)
                }
                return parameters
            }
        }
        switch parameters {
        case .success(let parameters):
            return .success(Views(parameters: encodeParamAug(parameters), pixels: pixels))
        case .failure(let error):
            return .failure(SkippedSample(skip: Skip(reason: error.skipReason, detail: error.message)))
        }
    }

    static func skipped(_ key: String, _ skip: Skip) -> Prepared {
        Prepared(key: key, views: .failure(SkippedSample(skip: skip)))
    }

    mutating func add(_ prepared: Prepared) throws {
        rows.keys.append(prepared.key)
        switch prepared.views {
        case .failure(let skipped):
            rows.skips.append(skipped.skip)
            parameters.append("")
            viewsPerSample.append(0)
        case .success(let views):
            rows.skips.append(nil)
            parameters.append(views.parameters)
            viewsPerSample.append(viewCount)
            waiting.append(contentsOf: views.pixels)
            try embedFullBatches()
        }
    }

    mutating func finish() throws -> ChunkRows {
        try embed(waiting.count / viewBytes)
        rows.columns = [
            RecordColumn(name: "param_aug", content: .text(parameters)),
            RecordColumn(
                name: "image_emb", rounding: embeddings, to: store, rows: viewsPerSample,
                width: ensemble.width),
        ]
        defer {
            rows = ChunkRows()
            parameters.removeAll(keepingCapacity: true)
            viewsPerSample.removeAll(keepingCapacity: true)
            embeddings.removeAll(keepingCapacity: true)
        }
        return rows
    }

    private mutating func embedFullBatches() throws {
        while waiting.count >= ensemble.batch * viewBytes { try embed(ensemble.batch) }
    }

    private mutating func embed(_ count: Int) throws {
        guard count > 0 else { return }
        let vectors = try waiting.withUnsafeBytes {
            try ensemble.embed(
                views: UnsafeRawBufferPointer(rebasing: $0[..<(count * viewBytes)]), count: count)
        }
        waiting.removeFirst(count * viewBytes)
        embeddings.append(contentsOf: vectors)
    }
}

/// A skip as a value that `Result` can carry.
struct SkippedSample: Error {
    let skip: Skip
}
