/// At the tail, idle workers take second leases on slow units: from the middle of what is left, forwards,
/// while the first worker goes on from the front. Whoever commits a chunk first has made it; when all are
/// there the unit is done and the other is told.
///
///     committed   first lease ──►        second lease ──►        end
///     ░░░░░░░░░░░░▓▓▓▓ · · · · · · · · · ▓▓▓▓ · · · · · · · · · ·
///
/// Bounded: two leases a unit, only when nothing is ready, only on units held for `secondLeaseAfter`. How
/// many chunks a unit has and where they begin is known from another stage's unit on the same shard, which
/// has the same chunks; where none is done yet there is no second lease.
extension LeaseLedger {
    static let holdersMax = 2

    /// A unit to help with, and the chunk to begin at.
    mutating func chooseSlow(_ worker: WorkerID, now: Duration) -> (unit: Int, start: Int)? {
        guard ready.allSatisfy(\.isEmpty) else { return nil }
        if lastSlowSearch.map({ now - $0 >= .seconds(1) }) ?? true {
            lastSlowSearch = now
            findSlowUnits(now: now)
        }
        // The list may be a second old: each unit is looked at again.
        while let unit = slowUnits.popLast() {
            guard let start = secondStart(of: unit, now: now), mayHelp(worker, unit) else { continue }
            return (unit, start)
        }
        return nil
    }

    private mutating func findSlowUnits(now: Duration) {
        let slow = leases.values.compactMap { lease -> (unit: Int, left: Int)? in
            guard secondStart(of: lease.unit, now: now) != nil, let total = chunksInAll(lease.unit) else {
                return nil
            }
            return (lease.unit, total - open[lease.unit]!.chunks.chunks.count)
        }
        slowUnits = slow.sorted { ($0.left, $1.unit) < ($1.left, $0.unit) }.map(\.unit)
    }

    private func mayHelp(_ worker: WorkerID, _ unit: Int) -> Bool {
        mayDo(stage(of: unit), worker)
            && !open[unit]!.trouble.failedBy.contains(worker)
            && open[unit]!.holders.allSatisfy { leases[$0]?.record.worker != worker }
    }

    /// The middle one of the missing chunks beyond the holder's own; nil where no second lease is due.
    private func secondStart(of unit: Int, now: Duration) -> Int? {
        guard states[unit] == .held, let known = open[unit], known.holders.count < Self.holdersMax,
            !known.trouble.losses.contains(where: \.isIsolated),
            let first = known.holders.first.flatMap({ leases[$0] }),
            now - first.began >= plan.limits.secondLeaseAfter, let total = chunksInAll(unit),
            first.chunk + 1 < total
        else { return nil }
        let missing = (first.chunk + 1..<total).filter { known.chunks[$0] == nil }
        guard !missing.isEmpty else { return nil }
        let start = missing[missing.count / 2]
        return offset(of: start, in: unit) == nil ? nil : start
    }

    /// How many chunks the unit has, where that is known.
    private func chunksInAll(_ unit: Int) -> Int? {
        if let source = source(of: unit) { return chunks(ofFinished: source).chunks.count }
        return sibling(of: unit).map { chunks(ofFinished: $0).chunks.count }
    }

    /// Where `chunk` begins in the shard; 0 where the stage reads no shard, nil where that is not known.
    func offset(of chunk: Int, in unit: Int) -> Int64? {
        if chunk == 0 || readsStage[stage(of: unit)] != nil { return 0 }
        if let before = open[unit]?.chunks[chunk - 1] { return before.result.rangeEnd }
        return sibling(of: unit).flatMap { chunks(ofFinished: $0)[chunk - 1]?.result.rangeEnd }
    }

    /// Another stage's finished unit over the same shard, made from the shard itself.
    private func sibling(of unit: Int) -> Int? {
        for stage in plan.stages.indices where readsStage[stage] == nil {
            let other = self.unit(stage: stage, shard: shard(of: unit))
            if states[other] == .done { return other }
        }
        return nil
    }
}
