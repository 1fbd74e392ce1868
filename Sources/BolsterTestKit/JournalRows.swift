import BolsterLeasing

/// The tables of a ledger's journal as values: what `LedgerJournal` keeps in SQLite, row for row, and the
/// order in which a start reads them back. Copying it is a backup.
package struct JournalRows: Sendable {
    package enum LeaseState: Sendable {
        case living
        /// Over; its unit is open, so a commit under it may come late.
        case over
        /// Its unit is finished.
        case settled
    }

    package struct LeaseRow: Sendable {
        package let unit: UnitID
        package let record: GrantRecord
        package var state: LeaseState
    }

    package struct TroubleRow: Sendable {
        package var trouble: Trouble
        package var isQuarantined: Bool
    }

    package private(set) var finished: [UnitID: CommittedChunks] = [:]
    package private(set) var chunks: [UnitID: [Int: CommittedChunk]] = [:]
    package private(set) var troubles: [UnitID: TroubleRow] = [:]
    package private(set) var leases: [Epoch: LeaseRow] = [:]
    /// The run's shards; an operator may add some.
    package private(set) var shards: [ShardReference] = []
    /// The greatest generation that this ledger was used under.
    package var generation: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { generation == 0 }

    /// The first start freezes the run's shards.
    package mutating func freeze(_ shards: [ShardReference]) { self.shards = shards }

    /// What counts as a worker's, as `LedgerJournal.commits` finds it.
    package func commits(of worker: WorkerID, stage: String?) -> [UnitID: Set<Int>] {
        let epochs = Set(leases.values.filter { $0.record.worker == worker }.map(\.record.epoch))
        var found: [UnitID: Set<Int>] = [:]
        for (unit, chunk) in allCounted
        where epochs.contains(chunk.epoch) && (stage ?? unit.stage) == unit.stage {
            found[unit, default: []].insert(chunk.result.chunk)
        }
        return found
    }

    private var allCounted: [(UnitID, CommittedChunk)] {
        finished.flatMap { unit, all in all.chunks.map { (unit, $0) } }
            + chunks.flatMap { unit, rows in rows.values.map { (unit, $0) } }
    }

    /// Enters one change as the journal's tables take it.
    ///
    /// - Throws: Violation where SQLite would refuse the row.
    package mutating func apply(_ change: LedgerChange) throws(Violation) {
        switch change {
        case .granted(let unit, let record):
            guard leases[record.epoch] == nil else {
                throw Violation("journal", "epoch \(record.epoch) is granted twice")
            }
            leases[record.epoch] = LeaseRow(unit: unit, record: record, state: .living)
        case .ended(_, let epoch):
            if leases[epoch]?.state == .living { leases[epoch]!.state = .over }
        case .committed(let unit, let chunk):
            guard chunks[unit]?[chunk.result.chunk] == nil else {
                throw Violation("journal", "chunk \(chunk.result.chunk) of \(unit) is entered twice")
            }
            chunks[unit, default: [:]][chunk.result.chunk] = chunk
        case .finished(let unit, let all):
            guard finished[unit] == nil else { throw Violation("journal", "\(unit) is finished twice") }
            finished[unit] = all
            chunks[unit] = nil
            troubles[unit] = nil
            setLeases(of: unit, .settled) { _ in true }
        case .troubled(let unit, let trouble):
            troubles[unit] = TroubleRow(trouble: trouble, isQuarantined: false)
        case .quarantined(let unit, let trouble):
            troubles[unit] = TroubleRow(trouble: trouble, isQuarantined: true)
            setLeases(of: unit, .over) { $0.state == .living }
        case .retried(let unit): troubles[unit] = nil
        case .reopened(let unit, let kept, let worker):
            finished[unit] = nil
            chunks[unit] = Dictionary(uniqueKeysWithValues: kept.chunks.map { ($0.result.chunk, $0) })
            setLeases(of: unit, .settled) { worker == nil || $0.record.worker == worker }
        case .extended(let new): shards += new
        }
    }

    private mutating func setLeases(of unit: UnitID, _ state: LeaseState, where isMeant: (LeaseRow) -> Bool) {
        for (epoch, row) in leases where row.unit == unit && isMeant(row) { leases[epoch]!.state = state }
    }

    /// Makes a ledger of the rows, in the order that `LedgerJournal.load` has.
    package func replay(into ledger: inout LeaseLedger, now: Duration) throws {
        for (unit, chunks) in finished.sorted(by: { $0.key.order < $1.key.order }) {
            try ledger.replayedFinished(
                unit, packed: chunks.packed(), chunks: chunks.chunks.count, samples: chunks.samples,
                skipped: chunks.skipped)
        }
        let leases = self.leases.values.sorted { $0.record.epoch < $1.record.epoch }
        for row in leases where row.state == .over { try ledger.replayedFormerGrant(row.unit, row.record) }
        for (unit, rows) in chunks.sorted(by: { $0.key.order < $1.key.order }) {
            for (_, chunk) in rows.sorted(by: { $0.key < $1.key }) {
                try ledger.replayed(.committed(unit, chunk), now: now)
            }
        }
        for (unit, row) in troubles.sorted(by: { $0.key.order < $1.key.order }) {
            let change: LedgerChange =
                row.isQuarantined ? .quarantined(unit, row.trouble) : .troubled(unit, row.trouble)
            try ledger.replayed(change, now: now)
        }
        for row in leases where row.state == .living {
            try ledger.replayed(.granted(row.unit, row.record), now: now)
        }
    }

    /// All chunks of a unit that count.
    package func allChunks(_ unit: UnitID) -> CommittedChunks {
        if let finished = finished[unit] { return finished }
        var chunks = CommittedChunks()
        for chunk in self.chunks[unit, default: [:]].values { chunks.insert(chunk) }
        return chunks
    }

    /// The chunk of a unit that counts, finished or not.
    package func counted(_ unit: UnitID, _ chunk: Int) -> CommittedChunk? {
        chunks[unit]?[chunk] ?? finished[unit]?[chunk]
    }

    /// For the canary that forgets them.
    package var withoutOpenChunks: JournalRows {
        var rows = self
        rows.chunks = [:]
        return rows
    }
}

extension UnitID {
    /// Something to sort by: dictionaries have no order of their own.
    package var order: String { "\(stage)/\(1_000 + shard)" }
}
