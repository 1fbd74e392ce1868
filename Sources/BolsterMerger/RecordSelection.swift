import BolsterDataset
import BolsterRecords
import BolsterStorage

/// Tells which record file counts for each stage and chunk of one shard.
///
/// With a ledger, what it committed. Without one: the file that a downstream stage's counting file names in
/// its `sources`; otherwise the lowest epoch that can be read and has the stage's fingerprint.
struct RecordSelection {
    let configuration: MergeConfiguration
    let shard: Shard
    /// Chunk to path below the run's output, per stage.
    private(set) var paths: [StageID: [Int: String]] = [:]
    /// What downstream files say the file at a path hashes to.
    private(set) var expectedDigests: [String: String] = [:]

    init(_ configuration: MergeConfiguration, shard: Shard) throws(MergerError) {
        self.configuration = configuration
        self.shard = shard
        // From the last stage to the first, so that what reads comes before what is read.
        for stage in configuration.stages.reversed() {
            let candidates = try self.candidates(stage.id)
            if let committed = configuration.committed {
                paths[stage.id] = try self.committed(stage, candidates: candidates, committed)
            } else {
                paths[stage.id] = try chosen(stage, candidates: candidates)
            }
        }
    }

    /// One more than the last chunk that any stage has.
    var chunkCount: Int { (paths.values.flatMap(\.keys).max() ?? -1) + 1 }

    /// All counting files, in a fixed order.
    var sortedPaths: [String] { paths.values.flatMap(\.values).sorted() }

    private func candidates(_ stage: StageID) throws(MergerError) -> [Int: [RecordFileName]] {
        let folder = RecordFileName.folder(stage: stage.name, shard: shard.name)
        let names: [String]
        do {
            names = try configuration.records.list(prefix: folder + "/")
        } catch {
            throw MergerError(
                .storage, "cannot list the record files of \(stage) on \(shard.name)", cause: error)
        }
        let parsed = names.compactMap { RecordFileName(path: $0) }
        return Dictionary(grouping: parsed, by: \.chunk).mapValues { $0.sorted { $0.precedes($1) } }
    }

    private func committed(
        _ stage: Stage, candidates: [Int: [RecordFileName]], _ committed: MergeConfiguration.CommittedFile
    ) throws(MergerError) -> [Int: String] {
        var paths: [Int: String] = [:]
        let last = candidates.keys.max() ?? -1
        var chunk = 0
        while true {
            let path = committed(stage.id, shard.name, chunk)
            if path == nil && chunk > last { return paths }
            if let path {
                guard candidates[chunk, default: []].contains(where: { $0.path == path }) else {
                    throw MergerError(
                        .badRecords,
                        "the ledger has committed a record file that is not there; restore it from a copy",
                        evidence: [path])
                }
                paths[chunk] = path
            }
            chunk += 1
        }
    }

    private mutating func chosen(
        _ stage: Stage, candidates: [Int: [RecordFileName]]
    ) throws(MergerError) -> [Int: String] {
        var paths: [Int: String] = [:]
        for (chunk, names) in candidates.sorted(by: { $0.key < $1.key }) {
            let named = names.map(\.path).filter { expectedDigests[$0] != nil }
            guard named.count <= 1 else {
                throw MergerError(
                    .mixture,
                    "several record files of a chunk of \(stage.id) are named by what was computed from them",
                    evidence: named)
            }
            if let path = named.first {
                paths[chunk] = path
            } else if stage.reads != nil || names.count > 1 {
                paths[chunk] = try firstValid(names, stage: stage)
            } else {
                paths[chunk] = names[0].path
            }
        }
        return paths
    }

    /// Reads candidates from the lowest epoch on, until one is intact and of this stage.
    private mutating func firstValid(_ names: [RecordFileName], stage: Stage) throws(MergerError) -> String {
        var problems: [String] = []
        var isMixture = false
        for name in names {
            let bytes = try read(name.path)
            let header: RecordHeader
            do {
                header = try RecordFile.header(of: bytes, name: name.path)
            } catch {
                problems.append(error.message)
                continue
            }
            guard header.fingerprint == stage.fingerprint.hex else {
                isMixture = true
                problems.append(name.path)
                continue
            }
            expectedDigests.merge(header.sources) { first, _ in first }
            return name.path
        }
        throw MergerError(
            isMixture ? .mixture : .badRecords,
            isMixture
                ? "records of \(stage.id) have another fingerprint than the manifest's "
                    + "\(stage.fingerprint.hex): merge with the manifest that made them, or finish this run"
                : "no record file of \(stage.id) on \(shard.name) is intact; restore one from a copy",
            evidence: problems)
    }

    func read(_ path: String) throws(MergerError) -> [UInt8] {
        do {
            return try configuration.records.read(path)
        } catch {
            throw MergerError(.storage, "cannot read a record file", evidence: [path], cause: error)
        }
    }
}

extension RecordFileName {
    /// Whether this one's epoch is the lower.
    func precedes(_ other: RecordFileName) -> Bool {
        let left = epoch.split(separator: "-").map { UInt64($0) ?? .max }
        let right = other.epoch.split(separator: "-").map { UInt64($0) ?? .max }
        return left.lexicographicallyPrecedes(right)
    }
}
