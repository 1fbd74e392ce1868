import BolsterDataset
import BolsterInference
import BolsterRecords

/// The ensemble's text stages: per sample the concatenated embeddings of its texts, [texts, D].
///
/// A source sample without a text has no rows and is not skipped: whether it may be in the dataset is for
/// the merge's layout to say.
struct TextComputation: StageComputation {
    struct Note: Sendable {
        let key: String
        let skip: Skip?
        let texts: Int
    }

    let batch: Int
    let rowWidths: [Int]
    let prepare: @Sendable (UnitSample) -> PreparedSample<Note>
    private let ensemble: TeacherEnsemble
    private let store: TensorType

    private var notes: [Note] = []
    private var embeddings: [Float] = []

    init(settings: Manifest.EnsembleSettings, ensemble: TeacherEnsemble) {
        let tokenizers = ensemble.tokenizers
        self.ensemble = ensemble
        self.batch = settings.batch
        self.rowWidths = ensemble.textRowWidths
        self.store = settings.store.tensorType
        self.prepare = { sample in
            let texts: [String]
            switch sample.content {
            case .files(let files): texts = files.texts
            case .texts(.success(let captions)): texts = captions
            case .texts(.failure(let skipped)): return Self.skipped(sample.key, skipped.skip)
            }
            let note = Note(key: sample.key, skip: nil, texts: texts.count)
            return PreparedSample(note, rows: texts.count) { text, row in
                for (model, tokenize) in tokenizers.enumerated() {
                    tokenize(texts[text]).withUnsafeBytes { row[model].copyMemory(from: $0) }
                }
            }
        }
    }

    static func skipped(_ key: String, _ skip: Skip) -> PreparedSample<Note> {
        PreparedSample(Note(key: key, skip: skip, texts: 0))
    }

    mutating func add(_ note: Note) { notes.append(note) }

    mutating func compute(_ batch: RowBatch) throws {
        embeddings.append(contentsOf: try ensemble.embedTexts(batch))
    }

    mutating func finish() throws -> ChunkRows {
        let (notes, embeddings, store, width) = (notes, embeddings, store, ensemble.width)
        self.notes = []
        self.embeddings = []
        var rows = ChunkRows()
        rows.keys = notes.map(\.key)
        rows.skips = notes.map(\.skip)
        rows.batchReducedTo = ensemble.takeReduction()
        rows.columns = {
            [
                RecordColumn(
                    name: "text_emb", rounding: embeddings, to: store, rows: notes.map(\.texts), width: width)
            ]
        }
        return rows
    }
}
