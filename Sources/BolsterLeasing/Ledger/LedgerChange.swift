/// What must be durable before the answer leaves. Replayed in order, these make the ledger anew; the
/// journal may also keep them as rows (one for each finished unit, chunk rows for open ones only) and
/// replay the rows.
package enum LedgerChange: Hashable, Sendable, Codable {
    /// A lease began.
    case granted(UnitID, GrantRecord)
    /// A lease is over: released, failed, expired or taken back.
    case ended(UnitID, Epoch)
    /// One more chunk of an open unit counts.
    case committed(UnitID, CommittedChunk)
    /// All chunks count; takes the place of the unit's chunk and trouble rows, and ends its leases.
    case finished(UnitID, CommittedChunks)
    /// Failures and losses of a unit that is not finished; takes the place of what was there.
    case troubled(UnitID, Trouble)
    /// The unit is given up, what reads it is blocked.
    case quarantined(UnitID, Trouble)
    /// A quarantined unit has all its attempts anew.
    case retried(UnitID)
    /// Only these chunks of the unit count; it is open again if it was finished. Grants to that worker, or
    /// to all (nil), are void: no commit under them is taken.
    case reopened(UnitID, kept: CommittedChunks, void: WorkerID?)
    /// The run has more shards, after those it had.
    case extended([ShardReference])
}

/// To whom a unit was granted.
package struct GrantRecord: Hashable, Sendable, Codable {
    package let epoch: Epoch
    package let worker: WorkerID
    package let incarnation: UInt64
    /// The public key that the worker proved to own (Z85); nil on loopback without keys.
    package let key: String?

    package init(epoch: Epoch, worker: WorkerID, incarnation: UInt64, key: String?) {
        self.epoch = epoch
        self.worker = worker
        self.incarnation = incarnation
        self.key = key
    }
}

/// What went wrong with a unit so far.
package struct Trouble: Hashable, Sendable, Codable {
    /// Failures reported. Lost leases do not count here.
    package var attempts = 0
    package var message = ""
    package var blame = Fail.Class.shard
    /// Workers that reported one.
    package var failedBy: [WorkerID] = []
    /// Chunks that were lost with their workers.
    package var losses: [ChunkLoss] = []

    package init() {}

    package var isEmpty: Bool { attempts == 0 && losses.isEmpty }
}

/// A chunk whose workers vanished inside it.
package struct ChunkLoss: Hashable, Sendable, Codable {
    package let chunk: Int
    /// Leases lost inside this chunk while it was not isolated.
    package var count = 0
    /// Leases lost while their workers loaded; nil: none.
    package var whileLoading: Int?
    package var isIsolated = false
    package var countInIsolation = 0
    /// Deaths right after an announcement, by the sample's index in the shard.
    package var deaths: [Int: Int] = [:]
    /// Samples given up, reason `crashes_worker`.
    package var skip: [Int] = []

    package init(chunk: Int) { self.chunk = chunk }
}
