import BolsterDataset
import BolsterDeterminism
import BolsterInference
import BolsterLeasing
import BolsterRecords
import BolsterStorage
import Logging

/// What a unit's work tells the session that holds its lease, and what it hears from it. Any thread may call.
protocol UnitControl: Sendable {
    /// False when the lease is gone or the worker must end: the chunk at hand is dropped.
    var mayContinue: Bool { get }
    /// False when no further chunk is to be begun: the unit stops at the boundary and its lease goes back.
    var mayBeginChunk: Bool { get }
    /// So many more samples are done; a lease lives on this.
    func advanced(chunk: Int, samples: Int)
    /// So many more tokens were used by an endpoint.
    func spent(_ usage: TokenUsage)
    /// The chunk's record file is durable and can be committed.
    func finished(_ result: ChunkResult)
    /// In isolation: returns when the coordinator knows which sample is tried next, false when it does not
    /// answer and the work is to stop.
    func announce(sample: Int, key: String) -> Bool
}

/// Runs granted units to their end: samples to models to durable record files.
///
///     [ reader ] ─► [ threads: decode, augment, normalise ] ─► batches ─► [ models ] ─► [ writer ] ─► commit
///
/// The thread that calls owns the models and does nothing else: what it takes is ready, what it leaves is
/// encoded and stored behind it (`BatchPipeline`, `RecordWriter`).
final class UnitRunner {
    private let manifest: Manifest
    /// Nil for all samples.
    private let selection: SampleSelection?
    private let models: ModelShelf
    private let output: ObjectStore
    private let node: NodeStorage
    private let threads: Int
    private let meter: StepMeter
    private let log: Logger
    private var hasBegun = false

    init(
        manifest: Manifest, selection: SampleSelection?, models: ModelShelf, output: ObjectStore,
        node: NodeStorage, threads: Int, meter: StepMeter, log: Logger
    ) {
        self.manifest = manifest
        self.selection = selection
        self.models = models
        self.output = output
        self.node = node
        self.threads = threads
        self.meter = meter
        self.log = log
    }

    /// Opens the models that the stage needs, so that loading can be told apart from computing.
    func load(_ stage: Stage) throws {
        switch stage.kind {
        case .captions(let index) where manifest.captioners[index].endpoint != nil:
            _ = try models.endpoint(index)
        case .captions(let index): _ = try models.captioner(index)
        case .views, .groundTruthTexts, .captionTexts: _ = try models.teachers(ensembleSettings())
        }
    }

    /// With a spool, the last chunks are reported as finished after this returns or throws.
    ///
    /// - Returns: whether the unit was worked on to its end, and not given up before.
    /// - Throws: DatasetError, StorageError, RecordsError, InferenceError or WorkerError. Chunks that were
    ///   reported as finished before stay so.
    func run(_ stage: Stage, _ grant: Grant, control: some UnitControl) throws -> Bool {
        meter.unitBegan()
        defer { meter.unitEnded() }
        switch stage.kind {
        case .captions(let index) where manifest.captioners[index].endpoint != nil:
            let (endpoint, settings) = try models.endpoint(index)
            let computation = EndpointComputation(
                settings: manifest.captioners[index], endpoint: settings, seed: manifest.seed,
                asking: endpoint)
            return try run(computation, stage, grant, control)
        case .captions(let index):
            let settings = manifest.captioners[index]
            let computation = CaptionComputation(
                settings: settings, seed: manifest.seed, captioner: try models.captioner(index))
            return try run(computation, stage, grant, control)
        case .views:
            let settings = try ensembleSettings()
            let computation = ViewComputation(
                settings: settings, seed: manifest.seed, ensemble: try models.teachers(settings))
            return try run(computation, stage, grant, control)
        case .groundTruthTexts, .captionTexts:
            let settings = try ensembleSettings()
            let computation = TextComputation(settings: settings, ensemble: try models.teachers(settings))
            return try run(computation, stage, grant, control)
        }
    }

    private func ensembleSettings() throws -> Manifest.EnsembleSettings {
        guard let settings = manifest.ensemble else {
            throw WorkerError(.mismatch, "an ensemble's stage was granted and the manifest has no ensemble")
        }
        return settings
    }

    /// - Parameter wanted: the chunks that are to be read.
    private func source(
        _ stage: Stage, _ grant: Grant, batch: Int, wanted: @escaping (Int) -> Bool
    ) throws -> any UnitSource {
        let computeClass = models.computeClass(of: stage, batch: batch)
        if case .captionTexts = stage.kind {
            return CaptionsUnitSource(grant.sources.filter { wanted($0.chunk) }, of: grant, from: output) {
                RecordHeader(
                    stage: stage, grant: grant, source: $0, captions: $1, computeClass: computeClass)
            }
        }
        let run = manifest.name
        let source = try ShardSource(
            shard: Shard(grant.shard), chunk: grant.firstChunk, chunkSize: manifest.chunk,
            offset: grant.offset, cache: node.shards, committed: { !wanted($0) })
        return ShardUnitSource(source) {
            RecordHeader(run: run, stage: stage, grant: grant, range: $0, computeClass: computeClass)
        }
    }

    private func run<Computation: StageComputation>(
        _ computation: Computation, _ stage: Stage, _ grant: Grant, _ control: some UnitControl
    ) throws -> Bool {
        guard try rehearse(computation, stage, grant, control) else { return false }
        let source = try source(stage, grant, batch: computation.batch, wanted: grant.wants)
        let prepare = computation.prepare
        let crashing = grant.crashingSamples
        let selection = selection
        let threads = computation.preparers ?? threads
        let pipeline = BatchPipeline<Computation.Note, RecordHeader>(
            name: "prepare",
            shape: .init(
                threads: threads, step: computation.preparers == nil ? .augmentation : .model,
                rows: computation.batch, widths: computation.rowWidths, window: 2 * threads + 2),
            meter: meter,
            source: {
                switch try source.next() {
                case .sample(let sample): .sample(sample)
                case .chunkEnded(let header): .mark(header)
                case nil: nil
                }
            },
            prepare: { sample in
                if crashing.contains(sample.index) { return Computation.skipped(sample.key, .crashesWorker) }
                guard sample.isSelected(by: selection) else {
                    return Computation.skipped(sample.key, .notSelected)
                }
                return prepare(sample)
            })
        defer {
            computation.stop()
            pipeline.cancel()
        }
        let writer = RecordWriter(name: "write", meter: meter)
        do {
            let isWhole = try consume(pipeline, computation, stage, grant, control, writer)
            try writer.finish()
            return isWhole
        } catch {
            // Chunks that were complete before are stored and committed all the same.
            do {
                try writer.finish()
            } catch let second {
                log.warning("a chunk before the failure is not stored", metadata: [LogKey.error: "\(second)"])
            }
            throw error
        }
    }

    /// Runs the models over what the pipeline prepares, until the unit's end or until the work is to stop.
    private func consume<Computation: StageComputation>(
        _ pipeline: BatchPipeline<Computation.Note, RecordHeader>, _ computation: Computation,
        _ stage: Stage, _ grant: Grant, _ control: some UnitControl, _ writer: RecordWriter
    ) throws -> Bool {
        var computation = computation
        var chunk = grant.firstChunk
        // Samples of the chunk whose rows are not yet computed.
        var waiting = 0
        while let event = try pipeline.next() {
            guard control.mayContinue else { return false }
            switch event {
            case .note(let note, let rows):
                try computation.add(note)
                if rows > 0 { waiting += 1 } else { control.advanced(chunk: chunk, samples: 1) }
            case .batch(let batch):
                noteFirst(of: stage)
                try meter.measure(.model) { try computation.compute(batch) }
                pipeline.recycle(batch)
                control.advanced(chunk: chunk, samples: waiting)
                waiting = 0
            case .mark(let header):
                let rows = try meter.measure(.model) {
                    let rows = try computation.finish()
                    try models.chunkComputed(of: stage)
                    return rows
                }
                if let usage = rows.usage { control.spent(usage) }
                try writer.append { [self] in try store(grant, header, rows, control) }
                chunk = header.chunk + 1
                // After the last chunk the lease may be gone already: the coordinator has all it wants.
                guard header.isLast || control.mayBeginChunk else { return false }
            }
        }
        return true
    }

    /// How long a user waited for work to begin; once in a worker's life.
    private func noteFirst(of stage: Stage) {
        guard !hasBegun else { return }
        hasBegun = true
        log.info(
            "first samples reach a model",
            metadata: [
                LogKey.stage: "\(stage.id.name)", LogKey.seconds: "\(meter.sinceStart / .seconds(1))",
            ])
    }

    /// Tries every sample of the isolated chunks alone, each announced first, so that the coordinator knows
    /// which one kills a worker.
    ///
    /// - Returns: false when the work is to stop.
    private func rehearse<Computation: StageComputation>(
        _ computation: Computation, _ stage: Stage, _ grant: Grant, _ control: some UnitControl
    ) throws -> Bool {
        let isolated = Set(grant.isolation.map(\.chunk))
        guard let last = isolated.max() else { return true }
        var computation = computation
        let crashing = grant.crashingSamples
        let batch = RowBatch(capacity: computation.batch, widths: computation.rowWidths)
        let source = try source(
            stage, grant, batch: computation.batch,
            wanted: { isolated.contains($0) && !grant.isCommitted($0) })
        while let event = try source.next() {
            switch event {
            case .sample(let sample):
                if crashing.contains(sample.index) || !sample.isSelected(by: selection) { continue }
                guard control.announce(sample: sample.index, key: sample.key) else { return false }
                try computation.computeAlone(sample, in: batch)
                control.advanced(chunk: sample.index / manifest.chunk, samples: 1)
                guard control.mayContinue else { return false }
            case .chunkEnded(let header):
                if header.chunk >= last { return true }
            }
        }
        return true
    }

    /// Makes a chunk's records durable, at once or behind the spool, and tells `control` when they are.
    private func store(
        _ grant: Grant, _ header: RecordHeader, _ rows: ChunkRows, _ control: some UnitControl
    ) throws {
        var header = header
        header.usage = rows.usage
        header.batchReducedTo = rows.batchReducedTo
        guard rows.keys.count == header.samples, rows.skips.count == header.samples else {
            throw WorkerError(
                .wrongResult,
                "chunk \(header.chunk) has \(header.samples) samples and \(rows.keys.count) results",
                evidence: grant.shard.name)
        }
        let file = RecordFile(header: header, keys: rows.keys, skips: rows.skips, columns: rows.columns())
        let bytes = try file.encode()
        let result = ChunkResult(
            chunk: header.chunk, digest: XXH64Hasher.hash(of: bytes), bytes: Int64(bytes.count),
            samples: header.samples, skipped: rows.skips.count { $0 != nil }, isLast: header.isLast,
            rangeEnd: header.range?.end ?? 0)
        let name = grant.file(chunk: header.chunk)
        do {
            if let spool = node.spool {
                try spool.put(name, bytes) { control.finished(result) }
            } else {
                try output.write(name, bytes)
                control.finished(result)
            }
        } catch {
            throw WorkerError(.unwritable, "a record file cannot be stored", evidence: name, cause: error)
        }
    }
}

extension StageComputation {
    /// Computes one sample by itself and forgets the result.
    fileprivate mutating func computeAlone(_ sample: UnitSample, in batch: RowBatch) throws {
        let prepared = prepare(sample)
        try add(prepared.note)
        for row in 0..<prepared.rows {
            prepared.fill(row, batch.row(batch.count))
            batch.count += 1
            if batch.count == batch.capacity || row == prepared.rows - 1 {
                try compute(batch)
                batch.count = 0
            }
        }
        _ = try finish()
    }
}
