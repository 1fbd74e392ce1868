import BolsterDataset
import BolsterRecords

/// What a stage made of one chunk: a row per sample, in order, either skipped or in every column. The columns
/// are made from it when it is stored, so that no model waits for them.
struct ChunkRows {
    var keys: [String] = []
    var skips: [Skip?] = []
    var columns: @Sendable () -> [RecordColumn] = { [] }
    /// Tokens that an endpoint counted; nil where none was asked.
    var usage: TokenUsage?
    /// Where the device had no memory for a whole batch: the most rows that it computed at once instead.
    var batchReducedTo: Int?
}

/// One stage's computation. `prepare` runs ahead on several threads; the rest runs on the thread that owns
/// the models, in the samples' order.
protocol StageComputation: SendableMetatype {
    associatedtype Note: Sendable

    /// Rows that a model sees at once.
    var batch: Int { get }
    /// Bytes of a row, by model.
    var rowWidths: [Int] { get }
    /// Threads that prepare where that is not for the processors to say: requests that wait for an answer.
    var preparers: Int? { get }

    /// Everything that needs no model: decoding, augmentation, tokens.
    var prepare: @Sendable (UnitSample) -> PreparedSample<Note> { get }

    /// The place of a sample that must not be touched.
    static func skipped(_ key: String, _ skip: Skip) -> PreparedSample<Note>

    /// Takes the next sample of the chunk.
    mutating func add(_ note: Note) throws

    /// Runs the models over the next rows of the samples that were added.
    mutating func compute(_ batch: RowBatch) throws

    /// Gives the chunk's rows; the next `add` begins the next chunk.
    mutating func finish() throws -> ChunkRows

    /// Lets threads that wait inside `prepare` return at once: their results are no longer wanted.
    func stop()
}

extension StageComputation {
    var preparers: Int? { nil }
    func stop() {}
}
