import BolsterAugmentation
import BolsterDataset
import BolsterInference
import BolsterRecords

/// A captioner's stage: per sample the list of its synthetic captions, as JSON.
struct CaptionComputation: StageComputation {
    struct Note: Sendable {
        let key: String
        let skip: Skip?
    }

    let rowWidths: [Int]
    let prepare: @Sendable (UnitSample) -> PreparedSample<Note>
    private let captioner: Captioner
    private let settings: Manifest.CaptionerSettings
    private let seed: UInt64

    private var notes: [Note] = []
    private var captions: [String] = []
    /// Positions in `notes` of the samples that wait for their captions.
    private var waiting: [Int] = []

    var batch: Int { settings.batch }

    init(settings: Manifest.CaptionerSettings, seed: UInt64, captioner: Captioner, package: ModelPackage) {
        let transform = package.evaluationTransform
        let size = AugmentationConfiguration.Size(height: package.imageSize, width: package.imageSize)
        let writer = PlaneWriter(
            mean: package.mean, std: package.std, viewSize: size, imageSize: package.imageSize,
            format: .float32)
        self.captioner = captioner
        self.settings = settings
        self.seed = seed
        self.rowWidths = [writer.byteCount]
        self.prepare = { sample in
            switch SampleImage(of: sample) {
            case .skipped(let skip): Self.skipped(sample.key, skip)
            case .decoded(let image):
                PreparedSample(Note(key: sample.key, skip: nil), rows: 1) { _, row in
                    do throws(AugmentationError) {
                        try transform.withView(of: image) { view throws(AugmentationError) in
                            try writer.write(view, to: row[0])
                        }
                    } catch {
                        // Only memory can be missing, and then nothing goes on.
                        fatalError("\(sample.key): \(error.message)")
                    }
                }
            }
        }
    }

    static func skipped(_ key: String, _ skip: Skip) -> PreparedSample<Note> {
        PreparedSample(Note(key: key, skip: skip))
    }

    mutating func add(_ note: Note) {
        if note.skip == nil { waiting.append(notes.count) }
        notes.append(note)
        captions.append("")
    }

    mutating func compute(_ batch: RowBatch) throws {
        let positions = waiting.prefix(batch.count)
        let keys = positions.map { notes[$0].key }
        let texts = try captioner.captions(
            pixels: batch.values(0..<batch.count, of: 0, as: Float.self), keys: keys,
            captionsPerImage: settings.captions, seed: seed, decoding: settings.decoding.captionDecoding,
            keep: settings.keep.captionKeeping, batch: settings.batch)
        guard texts.count == keys.count, texts.allSatisfy({ $0.count == settings.captions }) else {
            throw WorkerError(
                .wrongResult,
                "captioner \"\(settings.name)\" gave another number of captions than "
                    + "\(settings.captions) an image",
                evidence: keys.first)
        }
        for (position, list) in zip(positions, texts) { captions[position] = PythonJSON.text(of: list) }
        waiting.removeFirst(batch.count)
    }

    mutating func finish() throws -> ChunkRows {
        let captions = captions
        var rows = ChunkRows()
        rows.keys = notes.map(\.key)
        rows.skips = notes.map(\.skip)
        rows.columns = { [RecordColumn(name: "captions", content: .text(captions))] }
        notes = []
        self.captions = []
        return rows
    }
}
