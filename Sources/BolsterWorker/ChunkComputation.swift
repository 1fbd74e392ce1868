import BolsterDataset
import BolsterRecords

/// What a stage made of one chunk: a row per sample, in order, either skipped or in every column.
struct ChunkRows {
    var keys: [String] = []
    var skips: [Skip?] = []
    var columns: [RecordColumn] = []
}

/// One stage's computation on a chunk's samples. `prepare` runs ahead on several threads; `add` and
/// `finish` run on the thread that owns the models, in the samples' order.
protocol ChunkComputation: SendableMetatype {
    associatedtype Prepared: Sendable

    /// Everything that needs no model: decoding, augmentation, reading texts.
    var prepare: @Sendable (Sample) -> Prepared { get }

    /// The place of a sample that must not be touched.
    static func skipped(_ key: String, _ skip: Skip) -> Prepared

    /// Takes the next sample of the chunk; runs the models when a batch is full.
    mutating func add(_ prepared: Prepared) throws

    /// Runs what is left and gives the chunk's rows; the next `add` begins the next chunk.
    mutating func finish() throws -> ChunkRows
}
