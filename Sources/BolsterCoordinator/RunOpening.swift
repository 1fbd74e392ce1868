import BolsterLeasing
import BolsterStorage
import Foundation
import GRDB
import Logging

/// From a state folder, empty or not, to a ledger that may rule.
///
///     ledger there ─────────────────────────────────────────────► open, claim the next generation
///     ledger there, and the output knows later generations ─────► claim, wait, read newer record files, open
///     empty, first start ───────────────────────────────────────► make, claim
///     empty, and the output knows earlier generations ──► restore beside its final name: newest good copy,
///         claim, wait until an earlier coordinator must have noticed, read newer record files ──► rename
///
/// A restored ledger gets its name only when it is complete, so a start that is killed begins anew.
struct RunOpening {
    let journal: LedgerJournal
    let plan: LeaseLedger.Plan
    let generation: UInt64
    /// Nil where there was nothing to restore.
    let report: RecoveryReport?

    /// - Parameter isAsked: read record files though the ledger is there (`bolster recover`).
    init(
        _ configuration: CoordinatorConfiguration, database: String, output: ObjectStore,
        recovering isAsked: Bool = false
    ) throws {
        let newest = try Generation.newest(in: output)
        let isEmpty = !FileManager.default.fileExists(atPath: database)
        let place = isEmpty && newest > 0 ? database + ".restoring" : database
        var backup: String?
        if place != database {
            for ending in ["", "-wal", "-shm", "-journal"] { unlink(place + ending) }
            backup = try LedgerBackup.restore(to: place, from: output, configuration.log)
        }
        var (journal, plan) = try Self.journal(configuration, place)
        // The output knows of starts that the ledger does not: the state folder was empty, or one elsewhere
        // has ruled since. (A start that was killed as it claimed looks the same, and loses a little time.)
        let isBehind = try journal.generation() < newest
        generation = try Generation.claim(after: journal.generation(), in: output)
        guard isBehind || isAsked || place != database else {
            try journal.note(generation: generation)
            (self.journal, self.plan, report) = (journal, plan, nil)
            return
        }
        // An earlier coordinator stops, or stops acknowledging, when it cannot see that it still rules.
        if newest > 0, try !output.exists(RunEnd.name(generation: newest)) {
            Thread.sleep(forTimeInterval: configuration.takeoverWait / .seconds(1))
        }
        var report = try Recovery(
            journal: journal, plan: plan, run: configuration.manifest.name, output: output,
            log: configuration.log
        ).recover()
        report.backup = backup
        // Not before: a start that is killed while it reads is still behind.
        try journal.note(generation: generation)
        if place != database {
            try journal.close()
            guard rename(place, database) == 0 else {
                throw CoordinatorError(
                    .unsuitableState,
                    "the restored ledger cannot be named: \(String(cString: strerror(errno)))",
                    evidence: [database])
            }
            (journal, plan) = try Self.journal(configuration, database)
        }
        for line in report.lines { configuration.log.notice("recovery", metadata: [LogKey.found: "\(line)"]) }
        (self.journal, self.plan, self.report) = (journal, plan, report)
    }

    private static func journal(
        _ configuration: CoordinatorConfiguration, _ path: String
    ) throws(CoordinatorError) -> (LedgerJournal, LeaseLedger.Plan) {
        var plan = configuration.plan
        let journal = try LedgerJournal(
            path: path, run: configuration.manifest.name, stages: plan.stages, shards: plan.shards)
        plan.shards = journal.shards
        return (journal, plan)
    }
}

extension StoppedRun {
    /// Restores a ledger from its newest copy and the record files after it, or adds record files to the one
    /// that is there. No coordinator may run on the state folder; one that runs elsewhere on this output
    /// loses the run.
    package static func recover(_ configuration: CoordinatorConfiguration) throws -> RecoveryReport {
        let directory = try StateDirectory(configuration.stateDirectory)
        let opening = try RunOpening(
            configuration, database: directory.database, output: ObjectStore(root: configuration.output),
            recovering: true)
        return opening.report ?? RecoveryReport()
    }
}
