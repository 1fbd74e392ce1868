import BolsterLeasing

/// What somebody who stands beside the run can see: messages as they leave and arrive, what is durable, and
/// what befalls processes. Never a ledger's opinion of itself.
package enum Observation {
    /// A coordinator begins, with these rows on its disk; `isTakeover` where it made them of a copy and of
    /// record files, because its own ledger was not the newest.
    case coordinatorStarted(generation: UInt64, rows: JournalRows, isTakeover: Bool)
    /// A transaction is durable; `rows` are those before it.
    case journalled(generation: UInt64, [LedgerChange], rows: JournalRows)
    /// An answer leaves; `rows` are durable at that moment.
    case answered(generation: UInt64, to: Int, CoordinatorMessage, rows: JournalRows)
    /// A coordinator takes a frame in.
    case arrived(generation: UInt64, from: Int, WorkerFrame, key: String?, rows: JournalRows)
    /// Once a second, from a coordinator that runs.
    case ticked(generation: UInt64, rows: JournalRows)
    /// A worker's session takes a frame in, and what it tells its driver to begin.
    case heard(process: Int, CoordinatorFrame, began: [Epoch])
    /// Work on a lease really gets on: a sample more, a chunk more, a rehearsal.
    case advanced(Epoch)
    /// A worker's process is gone; `computing` is the lease and poisonous sample that killed it.
    case died(process: Int, computing: (unit: UnitID, sample: Int)?)
    case stored(StoredRecord)
    /// Nobody gets anywhere for this long, for reasons outside: a frozen or missing coordinator.
    case interrupted(Duration)
    /// A coordinator's clock has jumped forwards: its machine slept.
    case clockJumped(Duration)
}

/// What a broken promise looks like: which one, and the evidence.
package struct Violation: Error, CustomStringConvertible {
    package let invariant: String
    package let evidence: String

    package init(_ invariant: String, _ evidence: String) {
        self.invariant = invariant
        self.evidence = evidence
    }

    package var description: String { "\(invariant): \(evidence)" }
}

/// What is on the disks when a run is over.
package struct EndOfRun {
    package let rows: JournalRows
    package let records: [String: StoredRecord]
}

/// A promise, checked from outside.
package protocol Invariant: AnyObject {
    func observe(_ observation: Observation, now: Duration) throws(Violation)
    func concluded(_ end: EndOfRun, now: Duration) throws(Violation)
}

extension Invariant {
    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) {}

    /// The promise's name: the type's, in words.
    package var name: String { Self.words("\(type(of: self))") }

    func broken(_ evidence: String) -> Violation { Violation(name, evidence) }

    private static func words(_ name: String) -> String {
        var text = ""
        for letter in name {
            if letter.isUppercase, !text.isEmpty { text += "-" }
            text += letter.lowercased()
        }
        return text
    }
}

/// All promises that a run is held to.
package func invariants(of scenario: Scenario) -> [any Invariant] {
    [
        ChunksCountOnce(scenario), NothingAcknowledgedIsLost(scenario), AnswersFollowTheJournal(),
        DependenciesHold(scenario), TextsBelongToTheMergedCaptions(scenario), MergedSetIsTheSame(scenario),
        OnlyFailuresBurnAttempts(), QuarantineExactlyAtTheLimit(scenario), PoisonIsIsolated(scenario),
        OldGenerationsAreNotHeard(), EpochsAreUnique(), HungDevicesLoseTheirLeases(scenario),
        LeasesLiveWhileFed(scenario), SecondLeasesAreBounded(scenario), RefusalsAreJust(scenario),
        ForgeriesNeverCount(), NobodyWaitsWhileWorkIsReady(scenario), EveryUnitIsSettled(scenario),
        HoldersAreTold(), LabelsAreHeeded(scenario), DrainIsHeeded(),
    ]
}
