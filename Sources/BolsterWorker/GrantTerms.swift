import BolsterDataset
import BolsterDeterminism
import BolsterLeasing
import BolsterRecords

// A lease's words in the words of the modules that carry it out.

extension Shard {
    init(_ reference: ShardReference) {
        self.init(
            index: reference.index, name: reference.name, location: reference.location,
            identity: ShardIdentity(size: reference.size, version: reference.version))
    }
}

extension Grant {
    /// Positions in the shard of the samples that have killed workers.
    var crashingSamples: Set<Int> { Set(isolation.flatMap(\.skip)) }
}

extension Skip {
    static let notSelected = Skip(reason: SampleSelection.reason, detail: "input.keep does not name its uid")
    static let crashesWorker = Skip(
        reason: "crashes_worker", detail: "workers died on this sample when it was tried alone")
}

extension RecordHeader {
    /// The header of a chunk that was read from the shard.
    init(run: String, stage: Stage, grant: Grant, range: ChunkRange, computeClass: String) {
        self.init(
            run: run, stage: stage.id.name, fingerprint: stage.fingerprint.hex, shard: grant.shard.name,
            shardIdentity: .init(size: grant.shard.size, version: grant.shard.version),
            range: .init(start: range.start, end: range.end, xxh64: Hexadecimal.text(of: range.hash)),
            chunk: range.chunk, isLast: range.isLast, samples: range.samples, firstSample: range.firstSample,
            epoch: grant.epoch.description, computeClass: computeClass)
    }

    /// The header of a chunk that was computed from a captions record file.
    init(stage: Stage, grant: Grant, source: Grant.Source, captions: RecordHeader, computeClass: String) {
        self = captions
        self.stage = stage.id.name
        fingerprint = stage.fingerprint.hex
        range = nil
        epoch = grant.epoch.description
        self.computeClass = computeClass
        sources = [grant.file(of: source): Hexadecimal.text(of: source.digest)]
        usage = nil
        batchReducedTo = nil
    }
}
