import BolsterLeasing

/// The disk under a coordinator's state folder: transactions that are durable, one that is being written,
/// and a lock that one process holds.
///
/// What SQLite promises is taken as given here (a transaction is there whole or not at all, and what was
/// synchronised stays); the process tests show it with real kills. What a crash does with the transaction
/// that was being synchronised is chance: it may have reached the disk, not at all, or in part, and a part
/// is discarded when the journal is read.
package struct StateDisk {
    package enum Crash: CaseIterable { case survives, lost, torn }

    package private(set) var rows = JournalRows()
    package private(set) var pending: [LedgerChange] = []
    /// The process that holds the folder's lock.
    package var holder: Int?
    package var isFull = false

    package init() {}

    /// A transaction goes to the disk; it counts once `synchronised`.
    package mutating func write(_ changes: [LedgerChange]) { pending = changes }

    package mutating func synchronised() throws(Violation) {
        for change in pending { try rows.apply(change) }
        pending = []
    }

    /// The process has died. Its lock is free, its unsynchronised transaction is anybody's guess.
    package mutating func crashed(_ crash: Crash) throws(Violation) {
        holder = nil
        switch crash {
        case .survives: try synchronised()
        case .lost, .torn: pending = []
        }
    }

    /// A start has made its ledger of a copy, of record files, or of nothing.
    package mutating func restore(_ copy: JournalRows) { rows = copy }

    package mutating func lose() {
        rows = JournalRows()
        pending = []
        holder = nil
        isFull = false
    }
}
