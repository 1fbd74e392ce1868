/// What an operator orders a running coordinator to do. It needs no Hello, only an allowed key; each order
/// may be said again without harm, and is answered with an `OperatorReply` once it is durable.
package enum OperatorRequest: Equatable, Sendable {
    case retry(RetryRequest)
    case invalidate(InvalidateRequest)
    case extend(ExtendRequest)
    /// No more leases; the run ends when those out are back. Holds for this start of the coordinator only,
    /// so nothing of it is journalled.
    case drain
}

/// Quarantined units get all their attempts anew, and what they block waits for them again.
package struct RetryRequest: Equatable, Sendable {
    /// Only units of these stages; empty: of any.
    package var stages: [String]
    /// Only these units; empty: all. A blocked one stands for the quarantined unit that it waits for.
    package var units: [UnitID]
    /// Only units of the shards of these names; empty: of any.
    package var shards: [String]

    package init(stages: [String] = [], units: [UnitID] = [], shards: [String] = []) {
        self.stages = stages
        self.units = units
        self.shards = shards
    }
}

/// What a worker committed since a moment is wrong: those chunks are made again, and what reads them.
package struct InvalidateRequest: Equatable, Sendable {
    package var worker: WorkerID
    /// Seconds since 1970; chunks committed at or after it are reopened.
    package var since: Int64
    /// Only chunks of this stage; nil: of any.
    package var stage: String?

    package init(worker: WorkerID, since: Int64, stage: String? = nil) {
        self.worker = worker
        self.since = since
        self.stage = stage
    }
}

/// More shards for a run. Those whose names it has already must be the same; the others are numbered on, in
/// the order given, whatever their `index` says.
package struct ExtendRequest: Equatable, Sendable {
    package var shards: [ShardReference]

    package init(shards: [ShardReference]) { self.shards = shards }
}

/// What came of an operator's order.
package struct OperatorReply: Hashable, Sendable {
    /// Why nothing was done; empty where it was.
    package var refusal = ""
    /// Units put back or reopened.
    package var units = 0
    /// Chunks reopened.
    package var chunks = 0
    /// Shards that the run has now.
    package var shards = 0

    package init(refusal: String = "", units: Int = 0, chunks: Int = 0, shards: Int = 0) {
        self.refusal = refusal
        self.units = units
        self.chunks = chunks
        self.shards = shards
    }
}
