import BolsterDeterminism
import BolsterLeasing
import BolsterRecords

/// A record file that no row of the ledger names, read and found whole.
package struct FoundRecord: Sendable, Equatable {
    package let file: String
    package let epoch: Epoch
    package let result: ChunkResult
    /// Files that it was computed from, and the digest of each, as its header says.
    package let sources: [String: String]

    package init(file: String, epoch: Epoch, result: ChunkResult, sources: [String: String]) {
        self.file = file
        self.epoch = epoch
        self.result = result
        self.sources = sources
    }
}

/// Decides which of the record files found for one shard count. The rules are those for a merge without a
/// ledger: a file that one of a later stage was computed from, otherwise the lowest epoch; a file computed
/// from another than the one that counts is refused.
package struct RecoveredShard {
    /// What each stage has, in the plan's order: from the ledger, and what `choose` adds.
    package private(set) var chunks: [CommittedChunks]
    /// What `choose` has added, by stage.
    package private(set) var added: [[CommittedChunk]]
    /// Files that may not count although they are whole.
    private(set) var refused: [String] = []

    private let plan: LeaseLedger.Plan
    private let shard: String

    package init(plan: LeaseLedger.Plan, shard: String, known: [CommittedChunks]) {
        self.plan = plan
        self.shard = shard
        chunks = known
        added = [[CommittedChunk]](repeating: [], count: plan.stages.count)
    }

    /// - Parameter found: whole files by stage, in the plan's order, each of a chunk that is not known.
    package mutating func choose(_ found: [[FoundRecord]]) {
        for (stage, records) in found.enumerated() {
            let named = Set(
                found.indices.filter { plan.stages[$0].reads == plan.stages[stage].name }
                    .flatMap { found[$0] }.flatMap { $0.sources.map { "\($0) \($1)" } })
            let ranked = records.sorted { ($0.result.chunk, $0.epoch) < ($1.result.chunk, $1.epoch) }
            for wanted in [true, false] {
                for record in ranked where named.contains(Self.name(record)) == wanted { take(record, stage) }
            }
        }
    }

    private mutating func take(_ record: FoundRecord, _ stage: Int) {
        let isTaken = chunks[stage][record.result.chunk] != nil
        guard !isTaken, agrees(record, stage), !chunks[stage].contradicts(record.result) else {
            refused.append(record.file)
            return
        }
        let chunk = CommittedChunk(epoch: record.epoch, result: record.result)
        chunks[stage].insert(chunk)
        added[stage].append(chunk)
    }

    /// Whether it was computed from exactly the files that count.
    private func agrees(_ record: FoundRecord, _ stage: Int) -> Bool {
        guard let name = plan.stages[stage].reads,
            let source = plan.stages.firstIndex(where: { $0.name == name })
        else { return record.sources.isEmpty }
        guard let chunk = chunks[source][record.result.chunk] else { return false }
        let file = recordFileName(stage: name, shard: shard, chunk: chunk.result.chunk, epoch: chunk.epoch)
        return record.sources == [file: Hexadecimal.text(of: chunk.result.digest)]
    }

    private static func name(_ record: FoundRecord) -> String {
        "\(record.file) \(Hexadecimal.text(of: record.result.digest))"
    }
}
