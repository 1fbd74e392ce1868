import BolsterDataset
import BolsterInference
import BolsterRecords

/// The ensemble's text stages: per sample the concatenated embeddings of its texts, [texts, D].
///
/// A source sample without a text has no rows and is not skipped: whether it may be in the dataset is for
/// the merge's layout to say.
struct TextComputation: ChunkComputation {
    struct Prepared: Sendable {
        let key: String
        let texts: Result<[String], SkippedSample>
    }

    let prepare: @Sendable (Sample) -> Prepared = { sample in
        Prepared(key: sample.key, texts: .success(sample.texts))
    }
    private let ensemble: TeacherEnsemble
    private let store: TensorType

    private var rows = ChunkRows()
    private var textsPerSample: [Int] = []
    private var waiting: [String] = []
    private var embeddings: [Float] = []

    init(settings: Manifest.EnsembleSettings, ensemble: TeacherEnsemble) {
        self.ensemble = ensemble
        self.store = settings.store.tensorType
    }

    static func skipped(_ key: String, _ skip: Skip) -> Prepared {
        Prepared(key: key, texts: .failure(SkippedSample(skip: skip)))
    }

    mutating func add(_ prepared: Prepared) throws {
        rows.keys.append(prepared.key)
        switch prepared.texts {
        case .failure(let skipped):
            rows.skips.append(skipped.skip)
            textsPerSample.append(0)
        case .success(let texts):
            rows.skips.append(nil)
            textsPerSample.append(texts.count)
            waiting.append(contentsOf: texts)
            while waiting.count >= ensemble.batch { try embed(ensemble.batch) }
        }
    }

    mutating func finish() throws -> ChunkRows {
        try embed(waiting.count)
        rows.columns = [
            RecordColumn(
                name: "text_emb", rounding: embeddings, to: store, rows: textsPerSample, width: ensemble.width
            )
        ]
        defer {
            rows = ChunkRows()
            textsPerSample.removeAll(keepingCapacity: true)
            embeddings.removeAll(keepingCapacity: true)
        }
        return rows
    }

    private mutating func embed(_ count: Int) throws {
        guard count > 0 else { return }
        let vectors = try ensemble.embed(texts: Array(waiting[..<count]))
        waiting.removeFirst(count)
        embeddings.append(contentsOf: vectors)
    }
}
