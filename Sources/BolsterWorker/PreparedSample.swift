import BolsterDataset
import BolsterRecords

/// One sample of a unit, as a stage's preparation takes it.
struct UnitSample: Sendable {
    enum Content: Sendable {
        /// The sample's files, from the shard.
        case files(Sample)
        /// Its texts, from another stage's records.
        case texts(Result<[String], SkippedSample>)
    }

    /// Its position in the shard.
    let index: Int
    let key: String
    let content: Content
}

extension UnitSample {
    /// A stage that reads another's records takes that one's word for it.
    func isSelected(by selection: SampleSelection?) -> Bool {
        guard let selection, case .files(let sample) = content else { return true }
        return selection.takes(sample)
    }
}

/// A skip as a value that `Result` can carry.
struct SkippedSample: Error {
    let skip: Skip
}

/// What a stage's preparation makes of a sample: what goes into the record without a model, and the rows that
/// the models are to see.
struct PreparedSample<Note: Sendable>: Sendable {
    let note: Note
    let rows: Int
    /// Writes one of the rows, from 0; called once for each, from several threads.
    let fill: @Sendable (_ row: Int, _ target: RowBatch.Row) -> Void

    init(_ note: Note, rows: Int, fill: @escaping @Sendable (Int, RowBatch.Row) -> Void) {
        self.note = note
        self.rows = rows
        self.fill = fill
    }

    /// A sample of which no model sees anything.
    init(_ note: Note) {
        self.init(note, rows: 0) { _, _ in }
    }
}
