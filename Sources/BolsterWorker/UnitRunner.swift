import BolsterDataset
import BolsterDeterminism
import BolsterInference
import BolsterLeasing
import BolsterRecords
import BolsterStorage
import Logging

/// What a unit's work tells the session that holds its lease, and what it hears from it.
protocol UnitControl: Sendable {
    /// False when the lease is gone or the worker must end: the chunk at hand is dropped.
    var mayContinue: Bool { get }
    /// False when no further chunk is to be begun: the unit stops at the boundary and its lease goes back.
    var mayBeginChunk: Bool { get }
    /// One more sample is done; a lease lives on this.
    func advanced(chunk: Int)
    /// The chunk's record file is durable and can be committed.
    func finished(_ result: ChunkResult)
    /// In isolation: returns when the coordinator knows which sample is tried next, false when it does not
    /// answer and the work is to stop.
    func announce(sample: Int, key: String) -> Bool
}

/// Runs granted units to their end: samples to models to durable record files.
final class UnitRunner {
    private let manifest: Manifest
    private let models: ModelShelf
    private let output: ObjectStore
    private let threads: Int
    private let log: Logger

    init(manifest: Manifest, models: ModelShelf, output: ObjectStore, threads: Int, log: Logger) {
        self.manifest = manifest
        self.models = models
        self.output = output
        self.threads = threads
        self.log = log
    }

    /// Opens the models that the stage needs, so that loading can be told apart from computing.
    func load(_ stage: Stage) throws {
        switch stage.kind {
        case .captions(let index): _ = try models.captioner(index)
        case .views, .groundTruthTexts, .captionTexts: _ = try models.teachers(ensembleSettings())
        }
    }

    /// - Throws: DatasetError, StorageError, RecordsError, InferenceError or WorkerError. Chunks that were
    ///   reported as finished before stay so.
    func run(_ stage: Stage, _ grant: Grant, control: some UnitControl) throws {
        guard grant.fingerprint == stage.fingerprint else {
            throw WorkerError(
                .mismatch,
                "this worker's manifest and models give the stage another fingerprint than the lease",
                evidence: stage.id.name)
        }
        switch stage.kind {
        case .captions(let index):
            let settings = manifest.captioners[index]
            let (captioner, package) = try models.captioner(index)
            let computation = CaptionComputation(
                settings: settings, seed: manifest.seed, captioner: captioner, package: package)
            try runOverShard(stage, grant, control, batch: settings.batch, computation)
        case .views:
            let settings = try ensembleSettings()
            let computation = ViewComputation(
                settings: settings, seed: manifest.seed, ensemble: try models.teachers(settings))
            try runOverShard(stage, grant, control, batch: settings.batch, computation)
        case .groundTruthTexts:
            let settings = try ensembleSettings()
            let computation = TextComputation(settings: settings, ensemble: try models.teachers(settings))
            try runOverShard(stage, grant, control, batch: settings.batch, computation)
        case .captionTexts:
            let settings = try ensembleSettings()
            let computation = TextComputation(settings: settings, ensemble: try models.teachers(settings))
            try runOverCaptions(stage, grant, control, batch: settings.batch, computation)
        }
    }

    private func ensembleSettings() throws -> Manifest.EnsembleSettings {
        guard let settings = manifest.ensemble else {
            throw WorkerError(.mismatch, "an ensemble's stage was granted and the manifest has no ensemble")
        }
        return settings
    }

    // MARK: Stages that read the shard

    /// What goes from the threads that prepare to the one that owns the models.
    private enum PreparedEvent<Prepared: Sendable>: Sendable {
        case sample(Prepared)
        case chunkEnded(ChunkRange)
    }

    private func runOverShard<Computation: ChunkComputation>(
        _ stage: Stage, _ grant: Grant, _ control: some UnitControl, batch: Int, _ computation: Computation
    ) throws {
        let shard = Shard(grant.shard)
        guard try rehearse(shard, grant, control, computation) else { return }
        var computation = computation
        let source = try ShardSource(
            shard: shard, chunk: grant.firstChunk, chunkSize: manifest.chunk, offset: grant.offset,
            committed: grant.isCommitted)
        let prepare = computation.prepare
        let crashing = grant.crashingSamples
        let pipeline = OrderedPipeline<ShardEvent, PreparedEvent<Computation.Prepared>>(
            name: "prepare", threads: threads, window: 2 * batch + threads, source: { try source.next() },
            prepare: { event in
                switch event {
                case .sample(let sample) where crashing.contains(sample.index):
                    .sample(Computation.skipped(sample.key, .crashesWorker))
                case .sample(let sample): .sample(prepare(sample))
                case .chunkEnded(let range): .chunkEnded(range)
                }
            })
        defer { pipeline.cancel() }
        var chunk = grant.firstChunk
        while let event = try pipeline.next() {
            guard control.mayContinue else { return }
            switch event {
            case .sample(let prepared):
                try computation.add(prepared)
                control.advanced(chunk: chunk)
            case .chunkEnded(let range):
                chunk = range.chunk + 1
                let header = RecordHeader(
                    run: manifest.name, stage: stage, grant: grant, range: range,
                    computeClass: models.computeClass(batch: batch))
                control.finished(try write(grant, header, try computation.finish()))
                guard control.mayBeginChunk else { return }
            }
        }
        log.debug("shard read", metadata: [LogKey.waited: "\(pipeline.consumerWaited)"])
    }

    /// Tries every sample of the isolated chunks alone, each announced first, so that the coordinator knows
    /// which one kills a worker.
    ///
    /// - Returns: false when the work is to stop.
    private func rehearse<Computation: ChunkComputation>(
        _ shard: Shard, _ grant: Grant, _ control: some UnitControl, _ computation: Computation
    ) throws -> Bool {
        guard let last = grant.isolation.map(\.chunk).max() else { return true }
        var computation = computation
        let isolated = Set(grant.isolation.map(\.chunk))
        let crashing = grant.crashingSamples
        let source = try ShardSource(
            shard: shard, chunk: grant.firstChunk, chunkSize: manifest.chunk, offset: grant.offset,
            committed: { !isolated.contains($0) || grant.isCommitted($0) })
        while let event = try source.next() {
            switch event {
            case .sample(let sample):
                if crashing.contains(sample.index) { continue }
                guard control.announce(sample: sample.index, key: sample.key) else { return false }
                try computation.add(computation.prepare(sample))
                _ = try computation.finish()
                control.advanced(chunk: sample.index / manifest.chunk)
            case .chunkEnded(let range):
                if range.chunk >= last { return true }
            }
        }
        return true
    }

    // MARK: Stages that read another stage's records

    private func runOverCaptions(
        _ stage: Stage, _ grant: Grant, _ control: some UnitControl, batch: Int,
        _ computation: TextComputation
    ) throws {
        var computation = computation
        let isolated = Set(grant.isolation.map(\.chunk))
        let crashing = grant.crashingSamples
        for source in grant.sources where !grant.isCommitted(source.chunk) {
            guard control.mayContinue, control.mayBeginChunk else { return }
            let captions = try CaptionTexts(reading: source, of: grant, from: output)
            for rehearsing in isolated.contains(source.chunk) ? [true, false] : [false] {
                for index in captions.file.keys.indices {
                    let sample = captions.file.header.firstSample + index
                    let key = captions.file.keys[index]
                    if rehearsing {
                        if crashing.contains(sample) { continue }
                        guard control.announce(sample: sample, key: key) else { return }
                    }
                    try computation.add(
                        crashing.contains(sample)
                            ? TextComputation.skipped(key, .crashesWorker) : captions.prepared(index))
                    if rehearsing { _ = try computation.finish() }
                    control.advanced(chunk: source.chunk)
                    guard control.mayContinue else { return }
                }
            }
            let header = RecordHeader(
                stage: stage, grant: grant, source: source, captions: captions.file.header,
                computeClass: models.computeClass(batch: batch))
            control.finished(try write(grant, header, try computation.finish()))
        }
    }

    private func write(_ grant: Grant, _ header: RecordHeader, _ rows: ChunkRows) throws -> ChunkResult {
        guard rows.keys.count == header.samples, rows.skips.count == header.samples else {
            throw WorkerError(
                .wrongResult,
                "chunk \(header.chunk) has \(header.samples) samples and \(rows.keys.count) results",
                evidence: grant.shard.name)
        }
        let file = RecordFile(header: header, keys: rows.keys, skips: rows.skips, columns: rows.columns)
        let bytes = try file.encode()
        let name = grant.file(chunk: header.chunk)
        do {
            try output.write(name, bytes)
        } catch {
            throw WorkerError(.unwritable, "a record file cannot be stored", evidence: name, cause: error)
        }
        return ChunkResult(
            chunk: header.chunk, digest: XXH64Hasher.hash(of: bytes), bytes: Int64(bytes.count),
            samples: header.samples, skipped: rows.skips.count { $0 != nil }, isLast: header.isLast,
            rangeEnd: header.range?.end ?? 0)
    }
}
