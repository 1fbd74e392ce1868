import BolsterDataset
import BolsterRecords
import BolsterStorage

/// Merges one shard: the source streams past once, each chunk meets its records, and what comes of it is
/// appended to the dataset's tar, which appears under its name when it is complete.
///
///     source ─► RangeHasher ─► (chunk's end) compare with the records' ranges
///        └────► SampleReader ─► SampleJoin ─► SampleEncoder ─► <dataset>/<shard>.tar
///                                 ▲
///         records of the chunk ───┘
///
/// Memory: one sample, one chunk of records and a few pieces of 1 MiB.
struct ShardMerge: ~Copyable {
    private static let pieceBytes = 1 << 20

    private let configuration: MergeConfiguration
    private let selection: RecordSelection
    private let join: SampleJoin
    private var coverage: Coverage.ShardCoverage

    private var source: ByteReader
    private var reader: SampleReader
    private var hasher = RangeHasher()
    private let piece = PieceBuffer(count: Self.pieceBytes)
    private var sourceEnded = false

    private var output: ShardOutput
    private var encoder: SampleEncoder

    private var records: ChunkRecords?
    /// Where in the chunk at hand the next sample belongs.
    private var index = 0
    /// Chunks whose records have been read.
    private var chunks = 0

    init(
        _ configuration: MergeConfiguration, shard: Shard, selection: RecordSelection, dataset: ObjectStore
    ) throws(MergerError) {
        let source = try Self.open(shard)
        let output = try ShardOutput(configuration.fileName(shard.name), in: dataset)
        self.source = source
        self.output = output
        self.configuration = configuration
        self.selection = selection
        join = SampleJoin(configuration)
        encoder = SampleEncoder(configuration.manifest.merge)
        coverage = Coverage.ShardCoverage(shard: shard.name)
        reader = SampleReader(shard: shard.location)
    }

    private static func open(_ shard: Shard) throws(MergerError) -> ByteReader {
        do throws(StorageError) {
            return try ByteReader(opening: shard.location)
        } catch {
            throw MergerError(
                .unreadableShard, "cannot open the source shard", evidence: [shard.name], cause: error)
        }
    }

    /// Merges to the end.
    ///
    /// - Returns: what became of each sample, and the size and hash of what was written.
    consuming func run(progress: (Int) -> Void) throws(MergerError) -> Coverage.ShardCoverage {
        while let sample = try nextSample() {
            if index == 0 { try beginChunk() }
            try merge(sample)
            index += 1
            if index == configuration.manifest.chunk { try endChunk(isDamaged: false) }
            progress(coverage.counts.input)
        }
        if index > 0 { try endChunk(isDamaged: coverage.damage != nil) }
        try finishChunks()
        guard coverage.counts.addUp else {
            throw MergerError(
                .unaccounted, "the classes of \(coverage.shard)'s samples do not add up: \(coverage.counts)")
        }
        encoder.finish(to: &output.pending)
        (coverage.bytes, coverage.xxh64) = try output.finish()
        return coverage
    }

    // MARK: The source

    /// The next sample, nil at the shard's end, and at its damage where a partial merge may go on without the
    /// rest.
    private mutating func nextSample() throws(MergerError) -> Sample? {
        while coverage.damage == nil {
            do throws(DatasetError) {
                if let sample = try reader.next() {
                    hasher.take(upTo: sample.end)
                    return sample
                }
            } catch {
                try damaged(error)
                return nil
            }
            guard try readPiece() else { return nil }
        }
        return nil
    }

    /// False once the end was reached before.
    private mutating func readPiece() throws(MergerError) -> Bool {
        if sourceEnded { return false }
        let count: Int
        do throws(StorageError) {
            count = try source.read(into: piece.bytes)
        } catch {
            try damaged(error)
            return true
        }
        if count == 0 {
            sourceEnded = true
            reader.finish()
            return true
        }
        let read = UnsafeRawBufferPointer(rebasing: piece.bytes[..<count])
        hasher.append(read)
        reader.append(read)
        return true
    }

    private mutating func damaged(_ error: any Error & Sendable) throws(MergerError) {
        guard configuration.partial else {
            throw MergerError(
                .unreadableShard,
                "the source shard \(coverage.shard) cannot be read to its end; put an intact one back, or "
                    + "merge with --partial to keep the samples before the damage", cause: error)
        }
        coverage.damage = "\(error)"
    }

    // MARK: Chunks

    private mutating func beginChunk() throws(MergerError) {
        records = try ChunkRecords(selection, chunk: chunks)
        for (id, stage) in records?.stages ?? [:] {
            let header = stage.file.header
            coverage.computeClasses[id.name, default: [:]][header.computeClass, default: 0] += 1
            if let usage = header.usage {
                var counts = ["prompt": usage.prompt, "completion": usage.completion]
                counts["cut"] = usage.cut
                coverage.tokens = coverage.tokens ?? [:]
                coverage.tokens?[id.name, default: [:]].merge(counts, uniquingKeysWith: +)
            }
        }
    }

    /// `index` samples of the chunk at hand have been seen, and no more will come.
    private mutating func endChunk(isDamaged: Bool) throws(MergerError) {
        guard let records else { return }
        let range = hasher.finishChunk()
        if let keys = records.keys {
            if isDamaged {
                // What the records know of and the source no longer has.
                coverage.counts.input += keys.count - index
                coverage.counts.missing += keys.count - index
            } else {
                guard keys.count == index else {
                    throw changed("chunk \(chunks) has \(index) samples, the records \(keys.count)", key: nil)
                }
                try records.check(range: range, shard: coverage.shard)
            }
        }
        self.records = nil
        index = 0
        chunks += 1
    }

    /// Meets the records of chunks that the source did not have: none, one of an empty shard, or those behind
    /// the damage.
    private mutating func finishChunks() throws(MergerError) {
        while chunks < selection.chunkCount {
            try beginChunk()
            if let keys = records?.keys, !keys.isEmpty, coverage.damage == nil {
                throw changed("it ends before chunk \(chunks), of which there are records", key: keys.first)
            }
            try endChunk(isDamaged: coverage.damage != nil)
        }
    }

    // MARK: Samples

    private mutating func merge(_ sample: Sample) throws(MergerError) {
        guard let records else { preconditionFailure("a sample outside every chunk") }
        coverage.counts.input += 1
        if let keys = records.keys {
            guard index < keys.count, keys[index] == sample.key else {
                throw changed(
                    "sample \(sample.index) is \(sample.key), the records have "
                        + (index < keys.count ? keys[index] : "no sample there"), key: sample.key)
            }
        }
        switch try join.outcome(sample, records, index: index) {
        case .merged(let merged):
            coverage.counts.merged += 1
            coverage.statistics.append(merged)
            encoder.append(merged, to: &output.pending)
            try output.flush()
        case .excluded(let reason):
            coverage.counts.excluded += 1
            coverage.exclusions[reason, default: 0] += 1
        case .skipped(let stage, let skip):
            coverage.counts.skipped += 1
            coverage.reasons[stage.name, default: [:]][skip.reason, default: 0] += 1
        case .missing:
            coverage.counts.missing += 1
        }
    }

    private func changed(_ what: String, key: String?) -> MergerError {
        MergerError(
            .changedShard,
            "the shard \(coverage.shard) is not the one that its records were made from: \(what); put the "
                + "old shard back",
            evidence: key.map { [$0] } ?? [])
    }
}

/// The memory that the source is read into.
private final class PieceBuffer {
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }

    deinit { bytes.deallocate() }
}
