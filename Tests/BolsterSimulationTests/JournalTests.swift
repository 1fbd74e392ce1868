import Foundation
import GRDB
import Testing

@testable import BolsterCoordinator
@testable import BolsterLeasing
@testable import BolsterTestKit

/// The simulator keeps its journal as values (`JournalRows`), the coordinator in SQLite (`LedgerJournal`).
/// Here each transaction of simulated runs goes to both, and both must bring the same ledger back.
@Suite("The journal in SQLite and in the simulator") struct JournalTests {
    @Test("Whatever runs journal, a start finds it again in either") func sameLedger() throws {
        var starts = 0
        var transactions = 0
        var reopened = 0
        // Seeds whose ledger stays on one disk: no rival elsewhere, no disk lost.
        let scenarios = (UInt64(1)...300).map { Scenario(seed: $0) }.filter {
            $0.faults.rival == 0 && $0.faults.loseState == 0
        }
        let reopening = scenarios.filter { $0.faults.invalidate > 0 }.prefix(14)
        let others = scenarios.filter { $0.faults.retry + $0.faults.extend > 0 || !$0.failures.isEmpty }
        for scenario in reopening + others.prefix(10) {
            let mirror = try JournalMirror(scenario)
            try Simulation(scenario, watching: [mirror]).run()
            starts += mirror.starts
            transactions += mirror.transactions
            reopened += mirror.reopened
        }
        #expect(starts > 25)
        #expect(transactions > 500)
        #expect(reopened > 0)
    }
}

/// Writes what a simulated run journals into SQLite, and compares at each start of a coordinator.
private final class JournalMirror: Invariant {
    /// What a ledger knows of itself after a start.
    private struct Picture: Equatable {
        struct Unit: Equatable {
            let chunks: CommittedChunks
            let grants: [GrantRecord]
            let holders: [Epoch]
            let trouble: Trouble
        }

        let states: [LeaseLedger.UnitState]
        let finished: [[UInt8]]
        let counts: [StageStatus]
        let leases: Set<Epoch>
        let units: [Int: Unit]
        let shards: [ShardReference]

        init(_ ledger: borrowing LeaseLedger) {
            states = ledger.states
            finished = ledger.finished
            counts = ledger.stageCounts
            leases = Set(ledger.leases.keys)
            units = ledger.open.mapValues {
                Unit(chunks: $0.chunks, grants: $0.grants, holders: $0.holders, trouble: $0.trouble)
            }
            shards = ledger.plan.shards
        }
    }

    private let scenario: Scenario
    private let folder: URL
    private let journal: LedgerJournal
    private(set) var starts = 0
    private(set) var transactions = 0
    /// Finished units that were opened again.
    private(set) var reopened = 0

    init(_ scenario: Scenario) throws {
        self.scenario = scenario
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        journal = try LedgerJournal(
            path: folder.appendingPathComponent("ledger.sqlite").path, run: "run",
            stages: scenario.plan.stages,
            shards: Array(scenario.plan.shards.prefix(scenario.shardsAtStart)))
        // What is compared are rows, not what a power cut leaves of them.
        try journal.queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
    }

    deinit {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            print("left behind: \(folder.path): \(error)")
        }
    }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .coordinatorStarted(_, let rows, _):
            starts += 1
            try compare(rows)
        case .journalled(_, let changes, let rows):
            transactions += 1
            for case .reopened(let unit, _, _) in changes where rows.finished[unit] != nil { reopened += 1 }
            do {
                try journal.write(changes, time: 1)
            } catch {
                throw broken("SQLite refuses \(changes): \(error)")
            }
        default: break
        }
    }

    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) { try compare(end.rows) }

    private func compare(_ rows: JournalRows) throws(Violation) {
        do {
            var plan = scenario.plan
            plan.shards = try journal.queue.read { try LedgerJournal.frozenShards($0) }
            var stored = LeaseLedger(plan: plan, generation: rows.generation + 1)
            try journal.load(into: &stored, now: .zero)
            plan.shards = rows.shards
            var simulated = LeaseLedger(plan: plan, generation: rows.generation + 1)
            try rows.replay(into: &simulated, now: .zero)
            let (left, right) = (Picture(stored), Picture(simulated))
            guard left == right else { throw broken("SQLite gives \(left), the simulator \(right)") }
            for worker in Set(rows.leases.values.map(\.record.worker)) {
                let commits = try journal.commits(of: worker, since: 0, stage: nil)
                guard commits == rows.commits(of: worker, stage: nil) else {
                    throw broken("SQLite knows other commits of \(worker): \(commits)")
                }
            }
        } catch let violation as Violation {
            throw violation
        } catch {
            throw broken("\(error)")
        }
    }
}
