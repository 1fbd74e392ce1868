extension LeaseLedger {
    /// Enters what a journal tells, in its order, before the first event.
    package mutating func replayed(_ change: LedgerChange, now: Duration) throws(LeasingError) {
        switch change {
        case .granted(let id, let record):
            let unit = try known(id)
            guard states[unit] != .done, leases[record.epoch] == nil, record.epoch.generation < generation
            else {
                throw impossible(
                    "a lease of a finished unit, or twice the same", "\(id) epoch \(record.epoch)")
            }
            if states[unit] == .quarantined {
                open[unit, default: OpenUnit()].grants.append(record)
            } else {
                hold(unit, record, now: now)
            }
        case .ended(let id, let epoch):
            let unit = try known(id)
            forget(epoch)
            open[unit]?.holders.removeAll { $0 == epoch }
            if states[unit] == .held, open[unit]!.holders.isEmpty { makeReady(unit) }
        case .committed(let id, let chunk):
            let unit = try known(id)
            var state = open[unit] ?? OpenUnit()
            guard states[unit] != .done, state.chunks[chunk.result.chunk] == nil,
                !state.chunks.contradicts(chunk.result)
            else {
                throw impossible("a chunk committed twice, or after the last", "\(id) \(chunk.result.chunk)")
            }
            state.chunks.insert(chunk)
            state.trouble.losses.removeAll { $0.chunk == chunk.result.chunk }
            open[unit] = state
            tally(unit, chunk.result.samples, chunk.result.skipped, chunks: 1)
        case .finished(let id, let chunks):
            try replayFinished(id, chunks)
        case .troubled(let id, let trouble):
            enter(trouble, try known(id))
        case .quarantined(let id, let trouble):
            let unit = try known(id)
            guard states[unit] != .done else { throw impossible("a finished unit given up", "\(id)") }
            enter(trouble, unit)
            for epoch in open[unit]!.holders { forget(epoch) }
            open[unit]!.holders = []
            move(unit, to: .quarantined)
            settleDependents(of: unit)
        case .retried(let id):
            let unit = try known(id)
            guard states[unit] == .quarantined else {
                throw impossible("a retry of a unit that was not given up", "\(id)")
            }
            putBack(unit)
        case .reopened(let id, let kept, let worker):
            reopen(try known(id), kept: kept, void: worker)
        case .extended(let shards):
            guard shards.first?.index == plan.shards.count else {
                throw impossible("shards that do not follow the others", "\(shards.first?.index ?? -1)")
            }
            append(shards)
        }
    }

    /// A finished unit, straight from its row: the fast way for hundreds of thousands of them.
    package mutating func replayedFinished(
        _ id: UnitID, packed: [UInt8], chunks: Int, samples: Int, skipped: Int
    ) throws(LeasingError) {
        let unit = try known(id)
        guard states[unit] != .done, open[unit] == nil else {
            throw impossible("a unit finished twice", "\(id)")
        }
        let summary = try CommittedChunks.summary(ofPacked: packed)
        guard summary == (chunks, samples, skipped) else {
            throw impossible("a finished unit whose chunks do not add up", "\(id): \(summary)")
        }
        finished[unit] = packed
        sizes.learned(shard: id.shard, samples: samples)
        move(unit, to: .done)
        tally(unit, samples, skipped, chunks: chunks)
        settleDependents(of: unit)
    }

    /// A grant that is over, of a unit that is still open: commits under it may come late.
    package mutating func replayedFormerGrant(_ id: UnitID, _ record: GrantRecord) throws(LeasingError) {
        open[try known(id), default: OpenUnit()].grants.append(record)
    }

    private mutating func replayFinished(_ id: UnitID, _ chunks: CommittedChunks) throws(LeasingError) {
        let unit = try known(id)
        guard states[unit] != .done, chunks.isComplete else {
            throw impossible("a unit finished twice", "\(id)")
        }
        var state = open[unit] ?? OpenUnit()
        let before = state.chunks
        tally(
            unit, chunks.samples - before.samples, chunks.skipped - before.skipped,
            chunks: chunks.chunks.count - before.chunks.count)
        state.chunks = chunks
        finish(unit, state)
    }

    /// A journal's rows tell chunks before troubles: what was lost of a chunk is over once that counts.
    private mutating func enter(_ trouble: Trouble, _ unit: Int) {
        var state = open[unit] ?? OpenUnit()
        state.trouble = trouble
        state.trouble.losses.removeAll { state.chunks[$0.chunk] != nil }
        open[unit] = state
    }

    mutating func tally(_ unit: Int, _ samples: Int, _ skipped: Int, chunks: Int) {
        let stage = stage(of: unit)
        counts[stage].chunks += chunks
        counts[stage].samples += samples
        counts[stage].skipped += skipped
    }

    private func known(_ id: UnitID) throws(LeasingError) -> Int {
        guard let unit = unit(id) else { throw impossible("a unit that the run has not", "\(id)") }
        return unit
    }

    private func impossible(_ what: String, _ evidence: String) -> LeasingError {
        LeasingError(
            .impossibleHistory, "the ledger tells of \(what): restore it from a backup", evidence: evidence)
    }
}
