import BolsterAugmentation
import BolsterDataset
import BolsterInference
import BolsterRecords
import Synchronization

/// The ensemble's image stage: per sample the parameters of its views and the concatenated embeddings of
/// all teachers, [views, D] in the manifest's order.
///
/// A view is augmented once to 8-bit pixels; each teacher normalises them as its own package says. Batches
/// are filled view after view, sample after sample, and end with the chunk, so that what shares a batch
/// follows from the chunk and the batch size alone. A sample that cannot be decoded has no place in them; one
/// whose view cannot be made keeps its places, which hold zeros and are dropped.
struct ViewComputation: StageComputation {
    struct Note: Sendable {
        let key: String
        let skip: Skip?
        /// The list of `param_aug`, as JSON.
        var parameters = ""
        /// Why a view of this sample could not be made, if so; complete when all its rows are computed.
        var failure = ViewFailure()
    }

    let batch: Int
    let rowWidths: [Int]
    let prepare: @Sendable (UnitSample) -> PreparedSample<Note>
    private let ensemble: TeacherEnsemble
    private let viewCount: Int
    private let store: TensorType

    private var notes: [Note] = []
    private var embeddings: [Float] = []

    init(settings: Manifest.EnsembleSettings, seed: UInt64, ensemble: TeacherEnsemble) {
        let augmentation = Augmentation(settings.augmentation)
        let planes = ensemble.viewPlanes
        let views = settings.views
        self.ensemble = ensemble
        self.batch = settings.batch
        self.rowWidths = planes.rowWidths
        self.viewCount = views
        self.store = settings.store.tensorType
        self.prepare = { sample in
            switch SampleImage(of: sample) {
            case .skipped(let skip): return Self.skipped(sample.key, skip)
            case .decoded(let image):
                let drawn = (0..<views).map { view in
                    augmentation.sample(
                        width: image.width, height: image.height, seed: seed, key: sample.key, view: view)
                }
                let note = Note(key: sample.key, skip: nil, parameters: encodeParamAug(drawn))
                return PreparedSample(note, rows: views) { view, row in
                    do throws(AugmentationError) {
                        try planes.write(drawn[view], of: image, with: augmentation, into: row)
                    } catch {
                        row.clear()
                        note.failure.record(Skip(reason: error.skipReason, detail: error.message))
                    }
                }
            }
        }
    }

    static func skipped(_ key: String, _ skip: Skip) -> PreparedSample<Note> {
        PreparedSample(Note(key: key, skip: skip))
    }

    mutating func add(_ note: Note) { notes.append(note) }

    mutating func compute(_ batch: RowBatch) throws {
        embeddings.append(contentsOf: try ensemble.embedImages(batch))
    }

    mutating func finish() throws -> ChunkRows {
        dropFailedRows()
        let (notes, embeddings) = (notes, embeddings)
        let (store, width, viewCount) = (store, ensemble.width, viewCount)
        self.notes = []
        self.embeddings = []
        var rows = ChunkRows()
        rows.keys = notes.map(\.key)
        rows.skips = notes.map { $0.skip ?? $0.failure.skip }
        let viewsPerSample = rows.skips.map { $0 == nil ? viewCount : 0 }
        let parameters = zip(notes, rows.skips).map { $1 == nil ? $0.parameters : "" }
        rows.batchReducedTo = ensemble.takeReduction()
        rows.columns = {
            [
                RecordColumn(name: "param_aug", content: .text(parameters)),
                RecordColumn(
                    name: "image_emb", rounding: embeddings, to: store, rows: viewsPerSample, width: width),
            ]
        }
        return rows
    }

    private mutating func dropFailedRows() {
        guard notes.contains(where: { $0.failure.skip != nil }) else { return }
        let length = viewCount * ensemble.width
        var kept: [Float] = []
        var start = 0
        for note in notes where note.skip == nil {
            if note.failure.skip == nil { kept += embeddings[start..<start + length] }
            start += length
        }
        embeddings = kept
    }
}

/// Why the views of a sample cannot be made, told by the threads that make them.
final class ViewFailure: Sendable {
    private let first = Mutex<Skip?>(nil)

    var skip: Skip? { first.withLock { $0 } }

    func record(_ skip: Skip) {
        first.withLock { first in
            if first == nil { first = skip }
        }
    }
}
