/// What an operator may change in a run: give up giving up, distrust a worker, add shards.
extension LeaseLedger {
    package enum OnExtend: Equatable {
        /// Journal the change, then say how many shards there are.
        case journal(LedgerChange)
        /// The run has all of these shards.
        case acknowledge
        case refuse(String)
    }

    // MARK: Retry

    /// Puts quarantined units back; journal what is returned, one change for each.
    package mutating func retryRequested(_ request: RetryRequest) -> [LedgerChange] {
        let stages = Set(request.stages)
        let shards = Set(request.shards)
        var units = Set(request.units.compactMap { unit($0) }.compactMap { quarantinedRoot(of: $0) })
        if request.units.isEmpty { units = Set(open.keys.filter { states[$0] == .quarantined }) }
        let chosen = units.filter { unit in
            (stages.isEmpty || stages.contains(plan.stages[stage(of: unit)].name))
                && (shards.isEmpty || shards.contains(plan.shards[shard(of: unit)].name))
        }
        return chosen.sorted().map { unit in
            putBack(unit)
            return .retried(unitID(unit))
        }
    }

    /// The quarantined unit that `unit` is, or waits for; nil where there is none.
    private func quarantinedRoot(of unit: Int) -> Int? {
        var unit = unit
        while states[unit] == .blocked, let source = source(of: unit) { unit = source }
        return states[unit] == .quarantined ? unit : nil
    }

    /// A quarantined unit has all its attempts anew; also when the journal is replayed.
    mutating func putBack(_ unit: Int) {
        open[unit]?.trouble = Trouble()
        open[unit]?.avoidUntil = .zero
        makeReady(unit)
        settleDependents(of: unit)
    }

    // MARK: Invalidate

    /// Reopens chunks that `worker` made, with what was computed from them, and takes back all that it was
    /// granted in units of those stages: what it still has in hand or repeats is refused.
    ///
    /// - Parameters:
    ///   - chunks: its commits that no longer count, as the journal has them (it knows when they came).
    ///   - stage: only units of this stage; nil: of any.
    package mutating func invalidated(
        _ chunks: [UnitID: Set<Int>], by worker: WorkerID, stage name: String?
    ) -> [LedgerChange] {
        var wrong: [Int: Set<Int>] = [:]
        for (id, numbers) in chunks { if let unit = unit(id) { wrong[unit] = numbers } }
        for (unit, known) in open where name.map({ plan.stages[stage(of: unit)].name == $0 }) ?? true {
            if known.grants.contains(where: { $0.worker == worker }) {
                wrong[unit, default: []].formUnion([])
            }
        }
        var changes: [LedgerChange] = []
        for unit in wrong.keys.sorted() { changes += reopen(unit, without: wrong[unit]!, by: worker) }
        return changes
    }

    private mutating func reopen(_ unit: Int, without wrong: Set<Int>, by worker: WorkerID?) -> [LedgerChange]
    {
        let known = states[unit] == .done ? chunks(ofFinished: unit) : open[unit]?.chunks
        guard let known else { return [] }
        let kept = known.keeping { !wrong.contains($0) }
        guard kept != known || states[unit] != .done else { return [] }
        reopen(unit, kept: kept, void: worker)
        var changes: [LedgerChange] = [.reopened(unitID(unit), kept: kept, void: worker)]
        guard !wrong.isEmpty else { return changes }
        // Whoever computes from these chunks has the former ones: no lease of it may commit.
        for stage in dependents[stage(of: unit)] {
            changes += reopen(self.unit(stage: stage, shard: shard(of: unit)), without: wrong, by: nil)
        }
        return changes
    }

    /// A unit has only the `kept` chunks, and grants to `void` (nil: to anyone) are no longer known. Also
    /// when the journal is replayed.
    mutating func reopen(_ unit: Int, kept: CommittedChunks, void worker: WorkerID?) {
        let wasDone = states[unit] == .done
        var known = wasDone ? OpenUnit() : open[unit] ?? OpenUnit()
        if wasDone {
            known.chunks = chunks(ofFinished: unit)
            finished[unit] = []
        }
        tally(
            unit, kept.samples - known.chunks.samples, kept.skipped - known.chunks.skipped,
            chunks: kept.chunks.count - known.chunks.chunks.count)
        for grant in known.grants where worker == nil || grant.worker == worker {
            forget(grant.epoch)
            known.holders.removeAll { $0 == grant.epoch }
        }
        known.grants.removeAll { worker == nil || $0.worker == worker }
        known.chunks = kept
        open[unit] = known
        if wasDone || (states[unit] == .held && known.holders.isEmpty) { makeReady(unit) }
        if wasDone { settleDependents(of: unit) }
    }

    // MARK: Extend

    /// More shards. Those whose names the run has already must be as they were frozen.
    package mutating func extendRequested(_ shards: [ShardReference]) -> OnExtend {
        var known = Dictionary(plan.shards.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var new: [ShardReference] = []
        for shard in shards {
            if let old = known[shard.name] {
                guard old.size == shard.size, old.version == shard.version else {
                    return .refuse(
                        "shard \(shard.name) had \(old.size) bytes, version \(old.version), when it was "
                            + "frozen, and has \(shard.size), version \(shard.version), now")
                }
                continue
            }
            let numbered = ShardReference(
                index: plan.shards.count + new.count, name: shard.name, location: shard.location,
                size: shard.size, version: shard.version)
            known[shard.name] = numbered
            new.append(numbered)
        }
        guard !new.isEmpty else { return .acknowledge }
        append(new)
        return .journal(.extended(new))
    }

    /// Appends shards, each with an untouched unit of every stage; also when the journal is replayed.
    mutating func append(_ shards: [ShardReference]) {
        let first = states.count
        plan.shards += shards
        let units = shards.count * plan.stages.count
        states += [UnitState](repeating: .waiting, count: units)
        finished += [[UInt8]](repeating: [], count: units)
        for stage in plan.stages.indices {
            ready[stage].grow(to: plan.shards.count)
            counts[stage].units += shards.count
        }
        for unit in first..<states.count where readsStage[stage(of: unit)] == nil { move(unit, to: .ready) }
    }
}
