import BolsterDeterminism
import BolsterLeasing
import BolsterRecords
import BolsterStorage
import Foundation
import GRDB
import Logging
import Synchronization

/// What a recovery found, and what it could not bring back.
package struct RecoveryReport: Sendable {
    /// The copy of the ledger that was taken; nil: there was none, or the ledger was there.
    package var backup: String?
    /// Chunks taken from record files that the ledger did not know.
    package var chunks = 0
    /// Units that are done with them.
    package var units = 0
    /// Files that are damaged, or made for another manifest, shard or release.
    package var unusable = 0
    /// Whole files that may not count: computed from a file that does not, or a second one of a chunk.
    package var surplus = 0
    /// Files of leases that an operator has taken back.
    package var void = 0

    /// For a person: what is known again, and what nobody knows any more.
    package var lines: [String] {
        var lines = [
            backup.map { "ledger restored from \($0)" } ?? "no copy of the ledger was taken",
            "\(chunks) chunks found in record files, \(units) units are done with them",
        ]
        if unusable > 0 {
            lines.append("\(unusable) record files are damaged or of another manifest or shard")
        }
        if surplus > 0 {
            lines.append("\(surplus) record files are second ones, or made from one that does not count")
        }
        if void > 0 { lines.append("\(void) record files belong to leases that were taken back") }
        lines.append(
            "not restored: failures, quarantines, retries and invalidations since that copy; who committed "
                + "the chunks found, and when")
        return lines
    }
}

/// Brings a ledger up to what lies in the output: record files that are durable under their final names and
/// that no row names, because the coordinator's disk was lost after its last copy.
struct Recovery {
    /// Files read at a time.
    private static let batch = 64

    let journal: LedgerJournal
    let plan: LeaseLedger.Plan
    let run: String
    let output: ObjectStore
    let log: Logger

    /// The journal has the chunks found when this returns.
    func recover() throws -> RecoveryReport {
        var report = RecoveryReport()
        let candidates = try candidates(&report)
        var shards: [Int] = []
        var files = 0
        for shard in candidates.keys.sorted() {
            shards.append(shard)
            files += candidates[shard]!.count
            if files >= Self.batch {
                try recover(shards, candidates, &report)
                (shards, files) = ([], 0)
            }
        }
        try recover(shards, candidates, &report)
        return report
    }

    /// Files of chunks that are not known, by shard.
    private func candidates(_ report: inout RecoveryReport) throws -> [Int: [RecordFileName]] {
        let numbers = Dictionary(
            plan.shards.map { ($0.name, $0.index) }, uniquingKeysWith: { first, _ in first })
        var found: [Int: [RecordFileName]] = [:]
        for stage in plan.stages {
            let known = try journal.known(stage: stage.name)
            for path in try output.list(prefix: "records/\(stage.name)/") {
                guard let name = RecordFileName(path: path), let shard = numbers[name.shard],
                    !known.finished.contains(shard), known.open[shard]?.contains(name.chunk) != true
                else { continue }
                if known.void.contains(name.epoch) {
                    report.void += 1
                } else {
                    found[shard, default: []].append(name)
                }
            }
        }
        return found
    }

    private func recover(
        _ shards: [Int], _ candidates: [Int: [RecordFileName]], _ report: inout RecoveryReport
    ) throws {
        let names = shards.flatMap { shard in candidates[shard]!.map { (shard, $0) } }
        guard !names.isEmpty else { return }
        let read = try readAll(names)
        report.unusable += read.count { $0 == nil }
        var changes: [LedgerChange] = []
        for shard in shards {
            var known: [CommittedChunks] = []
            for stage in plan.stages { known.append(try journal.chunks(stage: stage.name, shard: shard)) }
            var recovered = RecoveredShard(plan: plan, shard: plan.shards[shard].name, known: known)
            let found = zip(names, read).filter { $0.0.0 == shard }
            recovered.choose(
                plan.stages.map { stage in
                    found.filter { $0.0.1.stage == stage.name }.compactMap(\.1)
                })
            report.surplus += recovered.refused.count
            for (index, stage) in plan.stages.enumerated() where !recovered.added[index].isEmpty {
                let unit = UnitID(stage: stage.name, shard: shard)
                report.chunks += recovered.added[index].count
                if recovered.chunks[index].isComplete {
                    report.units += 1
                    changes.append(.finished(unit, recovered.chunks[index]))
                } else {
                    changes += recovered.added[index].map { .committed(unit, $0) }
                }
            }
        }
        try journal.write(changes, time: 0)
        log.info("record files were read", metadata: [LogKey.count: "\(names.count)"])
    }

    /// Reads files on all cores; nil for one that is not what the name and the run want.
    private func readAll(_ names: [(Int, RecordFileName)]) throws -> [FoundRecord?] {
        let results = Mutex([Result<FoundRecord?, any Error>](repeating: .success(nil), count: names.count))
        DispatchQueue.concurrentPerform(iterations: names.count) { index in
            let result = Result { try read(names[index].1, shard: names[index].0) }
            results.withLock { $0[index] = result }
        }
        return try results.withLock { try $0.map { try $0.get() } }
    }

    private func read(_ name: RecordFileName, shard: Int) throws -> FoundRecord? {
        let bytes = try output.read(name.path)
        let file: RecordFile
        do throws(RecordsError) {
            file = try RecordFile(decoding: bytes, name: name.path)
        } catch {
            log.warning(
                "a record file cannot be used",
                metadata: [LogKey.reason: "\(error)", LogKey.shard: "\(name)"])
            return nil
        }
        guard let epoch = Epoch(name.epoch), isOurs(file.header, name, plan.shards[shard]) else { return nil }
        return FoundRecord(
            file: name.path, epoch: epoch,
            result: ChunkResult(
                chunk: name.chunk, digest: XXH64Hasher.hash(of: bytes), bytes: Int64(bytes.count),
                samples: file.header.samples, skipped: file.skips.count { $0 != nil },
                isLast: file.header.isLast, rangeEnd: file.header.range?.end ?? 0),
            sources: file.header.sources)
    }

    /// Whether the header tells of this run's stage and shard as they are now.
    private func isOurs(_ header: RecordHeader, _ name: RecordFileName, _ shard: ShardReference) -> Bool {
        let stage = plan.stages.first { $0.name == name.stage }
        let isWhole =
            header.isLast ? header.samples <= plan.chunkSize : header.samples == plan.chunkSize
        return header.run == run && header.stage == name.stage && header.shard == name.shard
            && header.chunk == name.chunk && header.epoch == name.epoch && isWhole
            && header.fingerprint == stage?.fingerprint.hex && header.shardIdentity.size == shard.size
            && header.shardIdentity.version == shard.version
    }
}

extension LedgerJournal {
    /// What a stage's rows name already.
    struct Known {
        var finished: Set<Int> = []
        /// Chunks of open units, by shard.
        var open: [Int: Set<Int>] = [:]
        /// Epochs that an operator took back, as record files spell them.
        var void: Set<String> = []
    }

    func known(stage: String) throws(CoordinatorError) -> Known {
        guard let id = keys.stages[stage] else { preconditionFailure("\(stage) is no stage of this run") }
        do {
            return try queue.read { db in
                var known = Known()
                known.finished = try Set(
                    Int.fetchAll(db, sql: "SELECT shard FROM finished WHERE stage = ?", arguments: [id]))
                let chunks = try Row.fetchCursor(
                    db, sql: "SELECT shard, chunk FROM chunk WHERE stage = ?", arguments: [id])
                while let row = try chunks.next() { known.open[row[0], default: []].insert(row[1]) }
                // A finished unit's leases have the state 0 too, but its files are not looked at.
                let void = try Row.fetchCursor(
                    db, sql: "SELECT generation, number, shard FROM lease WHERE stage = ? AND state = 0",
                    arguments: [id])
                while let row = try void.next() {
                    guard !known.finished.contains(row[2]) else { continue }
                    known.void.insert("\(row[0] as Int64)-\(row[1] as Int64)")
                }
                return known
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }

    /// The chunks that count of one unit, finished or not.
    func chunks(stage: String, shard: Int) throws(CoordinatorError) -> CommittedChunks {
        do {
            return try queue.read { db in
                var chunks = CommittedChunks()
                for commit in try commits(
                    stage: self.stage(UnitID(stage: stage, shard: shard)), shard: shard, db)
                {
                    chunks.insert(commit.chunk)
                }
                return chunks
            }
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }
}
