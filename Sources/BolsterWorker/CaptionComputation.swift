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
    private let captioner: LoadedCaptioner
    /// The chunk's captions in the making; nil before its first batch.
    private var run: CaptionRun?
    private let settings: Manifest.CaptionerSettings
    private let seed: UInt64

    private var notes: [Note] = []
    /// Positions in `notes` of the samples that get captions.
    private var waiting: [Int] = []
    /// How many of them are in the run.
    private var added = 0

    var batch: Int { settings.batch }

    init(settings: Manifest.CaptionerSettings, seed: UInt64, captioner: LoadedCaptioner) {
        let package = captioner.model.package
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
    }

    /// Adds a batch of images to the chunk's run: slots that are done take the next caption, over the borders
    /// of batches.
    mutating func compute(_ batch: RowBatch) throws {
        let keys = waiting.dropFirst(added).prefix(batch.count).map { notes[$0].key }
        let pixels = batch.values(0..<batch.count, of: 0, as: Float.self)
        do {
            try add(pixels, keys)
        } catch let error as InferenceError where error.code == .outOfMemory {
            try halve(error)
            // Images added before are lost with the run: the chunk is begun again, with the smaller batch.
            guard added == 0 else { throw Self.halved(captioner.limit.rows, settings, error) }
            return try compute(batch)
        }
        added += keys.count
    }

    private mutating func add(_ pixels: UnsafeBufferPointer<Float>, _ keys: [String]) throws {
        var run =
            try self.run
            ?? captioner.model.begin(
                captionsPerImage: settings.captions, seed: seed,
                decoding: settings.decoding.captionDecoding, keep: settings.keep.captionKeeping,
                batch: captioner.limit.rows)
        // Not kept in two places while it grows.
        self.run = nil
        try run.add(pixels: pixels, keys: keys)
        self.run = run
    }

    /// Gives the run up, and half of the slots.
    private mutating func halve(_ error: InferenceError) throws {
        run = nil
        guard captioner.limit.rows > 1 else { throw error }
        captioner.limit.halve(from: captioner.limit.rows)
    }

    private static func halved(
        _ rows: Int, _ settings: Manifest.CaptionerSettings, _ cause: any Error
    ) -> WorkerError {
        WorkerError(
            .batchHalved, "the chunk is begun again with \(rows) texts at once", evidence: settings.column,
            cause: cause)
    }

    /// The chunk's texts, all decoded.
    private mutating func decodeRest() throws -> [[String]] {
        guard var run else { return [] }
        self.run = nil
        do {
            return try run.finish()
        } catch {
            guard error.code == .outOfMemory else { throw error }
            try halve(error)
            throw Self.halved(captioner.limit.rows, settings, error)
        }
    }

    mutating func finish() throws -> ChunkRows {
        let texts = try decodeRest()
        guard texts.count == waiting.count, texts.allSatisfy({ $0.count == settings.captions }) else {
            throw WorkerError(
                .wrongResult,
                "captioner \"\(settings.name)\" gave another number of captions than "
                    + "\(settings.captions) an image",
                evidence: notes.first?.key)
        }
        var captions = [String](repeating: "", count: notes.count)
        for (position, list) in zip(waiting, texts) { captions[position] = PythonJSON.text(of: list) }
        var rows = ChunkRows()
        rows.keys = notes.map(\.key)
        rows.skips = notes.map(\.skip)
        rows.batchReducedTo = captioner.limit.takeReduction()
        rows.columns = { [captions] in [RecordColumn(name: "captions", content: .text(captions))] }
        run = nil
        notes = []
        waiting = []
        added = 0
        return rows
    }
}
