import BolsterCoordinator
import BolsterDataset
import BolsterDeterminism
import BolsterLeasing
import BolsterMessaging
import Foundation
import Logging

/// The run that the benchmark leases out: shards that nobody reads, four stages, one chunk a unit.
struct ScaleRun {
    static let chunk = 1_024
    let folder: String
    let shardCount: Int

    var state: String { "\(folder)/state" }
    var output: String { "\(folder)/out" }
    var allowList: String { "\(folder)/allowed" }
    func keyFile(_ name: String) -> String { "\(folder)/\(name).key" }

    private static func digest(_ text: String) -> SHA256Digest { SHA256Hasher.digest(of: text) }

    /// Captions of two captioners, the texts of one, and the views.
    var stages: [Stage] {
        let first = StageID.captions(column: "syn_text")
        return [
            Stage(
                id: first, kind: .captions(captioner: 0), fingerprint: Self.digest("captions a"), reads: nil),
            Stage(
                id: .captions(column: "syn_text_b"), kind: .captions(captioner: 1),
                fingerprint: Self.digest("captions b"), reads: nil),
            Stage(id: .views, kind: .views, fingerprint: Self.digest("views"), reads: nil),
            Stage(
                id: .texts(column: "syn_text"), kind: .captionTexts(captioner: 0),
                fingerprint: Self.digest("texts"), reads: first),
        ]
    }

    var shards: [Shard] {
        (0..<shardCount).map { index in
            let digits = String(index)
            let name = String(repeating: "0", count: 8 - digits.count) + digits
            return Shard(
                index: index, name: name, location: "/corpus/\(name).tar",
                identity: ShardIdentity(size: 1 << 30, version: "1"))
        }
    }

    func configuration(security: ServerSecurity?, log: Logger) -> CoordinatorConfiguration {
        var configuration = CoordinatorConfiguration(
            manifestText: "name: scale\n", manifestFile: "scale.yaml", manifestDirectory: folder,
            manifest: Manifest(
                name: "scale", chunk: Self.chunk, input: Manifest.Input(shards: ["/corpus"]), output: "out"),
            stages: stages, shards: shards, stateDirectory: state, output: output,
            listen: "tcp://127.0.0.1:*", security: security, log: log)
        configuration.backupEvery = .seconds(3_600)
        return configuration
    }

    /// Writes so many finished units into the ledger, as a run that has come that far would have.
    func prefill(_ units: Int) throws {
        let stages = stages
        let journal = try LedgerJournal(
            path: StateDirectory.database(in: state), run: "scale",
            stages: stages.map {
                StagePlan(name: $0.id.name, fingerprint: $0.fingerprint, reads: $0.reads?.name)
            },
            shards: shards.map {
                ShardReference(
                    index: $0.index, name: $0.name, location: $0.location, size: $0.identity.size,
                    version: $0.identity.version)
            })
        var changes: [LedgerChange] = []
        for number in 0..<units {
            let unit = UnitID(stage: stages[number % stages.count].id.name, shard: number / stages.count)
            var chunks = CommittedChunks()
            for chunk in 0..<Self.chunksOfPrefilled {
                chunks.insert(
                    CommittedChunk(
                        epoch: Epoch(generation: 1, grant: UInt64(number + 1)),
                        result: ChunkResult(
                            chunk: chunk, digest: UInt64(number) &* 0x9E37_79B9_7F4A_7C15, bytes: 3_000_000,
                            samples: Self.chunk, skipped: 1, isLast: chunk == Self.chunksOfPrefilled - 1,
                            rangeEnd: Int64(chunk + 1) << 26)))
            }
            changes.append(.finished(unit, chunks))
            if changes.count == 4_096 {
                try journal.write(changes, time: 1)
                changes = []
            }
        }
        try journal.write(changes, time: 1)
        try journal.close()
    }

    /// As many as a shard of 20,000 samples has.
    private static let chunksOfPrefilled = 20
}
