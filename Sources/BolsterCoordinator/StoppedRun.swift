import BolsterDeterminism
import BolsterLeasing
import Foundation
import GRDB
import Logging

/// A run whose coordinator does not run: an operator's orders go to its ledger on disk.
package enum StoppedRun {
    /// Carries out an order; it is durable on return.
    ///
    /// - Throws: CoordinatorError, `inUse` while a coordinator runs on this state folder.
    package static func order(
        _ request: OperatorRequest, stateDirectory: String, log: Logger
    ) throws -> OperatorReply {
        guard FileManager.default.fileExists(atPath: StateDirectory.database(in: stateDirectory)) else {
            throw CoordinatorError(
                .ledger, "there is no ledger in this state folder: give the folder of the run's coordinator",
                evidence: [stateDirectory])
        }
        let directory = try StateDirectory(stateDirectory)
        let (journal, plan) = try LedgerJournal.asItWas(path: directory.database)
        // No grant is made, so no generation is claimed.
        var ledger = LeaseLedger(plan: plan, generation: try journal.generation() + 1)
        try journal.load(into: &ledger, now: .zero)
        let welcome = Welcome(
            manifest: "", manifestDirectory: "", output: "", run: "", stages: [], heartbeat: .seconds(1),
            expires: .seconds(1))
        var core = CoordinatorCore(ledger: ledger, welcome: welcome, log: log, now: .zero)
        var batch = CoordinatorCore.Batch()
        let reply = try core.ordered(request, isOver: false, into: &batch) { wrong in
            try journal.commits(of: wrong.worker, since: wrong.since, stage: wrong.stage)
        }
        try journal.write(batch.changes, time: Int64(Date().timeIntervalSince1970))
        return reply
    }
}

extension LedgerJournal {
    /// Opens a ledger without its manifest: stages and shards are those of the last start.
    static func asItWas(path: String) throws(CoordinatorError) -> (LedgerJournal, LeaseLedger.Plan) {
        let queue = try LedgerDatabase.open(path)
        do {
            return try queue.read { db in
                var stages: [StagePlan] = []
                var keys: [String: Int64] = [:]
                for pair in (try meta("stages", db) ?? "").split(separator: " ") {
                    let ids = pair.split(separator: ":").compactMap { Int64($0) }
                    guard ids.count == 2,
                        let row = try Row.fetchOne(
                            db, sql: "SELECT name, fingerprint FROM stage WHERE id = ?", arguments: [ids[0]]),
                        let fingerprint = SHA256Digest(hex: row[1] as String)
                    else { throw CoordinatorError(.corrupt, "the ledger's list of stages is damaged") }
                    let reads = keys.first { $0.value == ids[1] }?.key
                    stages.append(StagePlan(name: row[0], fingerprint: fingerprint, reads: reads))
                    keys[row[0]] = ids[0]
                }
                let shards = try frozenShards(db)
                let plan = LeaseLedger.Plan(
                    stages: stages, shards: shards, chunkSize: LeaseProtocol.chunksPerUnitMax,
                    limits: LeaseLimits())
                let journal = LedgerJournal(
                    queue: queue, path: path, keys: Keys(stages: keys), shards: shards)
                return (journal, plan)
            }
        } catch let error as CoordinatorError {
            throw error
        } catch {
            throw LedgerDatabase.explained(error, path)
        }
    }
}
