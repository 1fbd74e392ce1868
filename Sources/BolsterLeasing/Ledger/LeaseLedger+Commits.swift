extension LeaseLedger {
    package enum OnCommit: Equatable {
        /// Journal the change, then acknowledge.
        case journal(LedgerChange, unitDone: Bool)
        /// This very commit is journalled: acknowledge again.
        case acknowledge(unitDone: Bool)
        case refuse(CommitRefusal, String)
    }

    /// A chunk's record file is durable and asks to count. What decides is whether the epoch was granted
    /// to this worker's key, not whether its lease still lives: finished work is never thrown away.
    package mutating func commitReceived(_ commit: Commit, from sender: Sender, now: Duration) -> OnCommit {
        guard let unit = unit(commit.unit) else {
            return .refuse(.neverGranted, "this run has no unit \(commit.unit)")
        }
        if let refusal = contradiction(commit, unit) { return refusal }
        let result = commit.result
        if states[unit] == .done {
            guard let counted = chunks(ofFinished: unit)[result.chunk] else {
                return .refuse(.malformed, "\(commit.unit) is done and has no chunk \(result.chunk)")
            }
            return repetition(commit, of: counted, unitDone: true)
        }
        guard var known = open[unit],
            let record = known.grants.last(where: { $0.epoch == commit.epoch }),
            record.worker == sender.worker, record.key == sender.key
        else {
            return .refuse(
                .neverGranted, "epoch \(commit.epoch) of \(commit.unit) was not granted to this worker")
        }
        if let counted = known.chunks[result.chunk] {
            return repetition(commit, of: counted, unitDone: false)
        }
        guard !known.chunks.contradicts(result) else {
            return .refuse(
                .malformed, "chunk \(result.chunk) disagrees with others about which one is the last")
        }
        let chunk = CommittedChunk(epoch: commit.epoch, result: result)
        known.chunks.insert(chunk)
        known.trouble.losses.removeAll { $0.chunk == result.chunk }
        open[unit] = known
        advance(commit, sender, now: now)
        let stage = stage(of: unit)
        counts[stage].chunks += 1
        counts[stage].samples += result.samples
        counts[stage].skipped += result.skipped
        guard known.chunks.isComplete else {
            return .journal(.committed(commit.unit, chunk), unitDone: false)
        }
        finish(unit, known)
        return .journal(.finished(commit.unit, known.chunks), unitDone: true)
    }

    /// What a commit says that cannot be, whoever says it.
    private func contradiction(_ commit: Commit, _ unit: Int) -> OnCommit? {
        let result = commit.result
        let stage = plan.stages[stage(of: unit)]
        guard commit.fingerprint == stage.fingerprint else {
            return .refuse(
                .fingerprint,
                "\(commit.unit.stage) has fingerprint \(stage.fingerprint) now, not \(commit.fingerprint)")
        }
        guard result.chunk >= 0, result.chunk < LeaseProtocol.chunksPerUnitMax else {
            return .refuse(.malformed, "a unit has at most \(LeaseProtocol.chunksPerUnitMax) chunks")
        }
        let isWhole = result.isLast ? result.samples <= plan.chunkSize : result.samples == plan.chunkSize
        guard isWhole, result.samples >= 0, (0...result.samples).contains(result.skipped), result.bytes > 0
        else {
            return .refuse(
                .malformed,
                "\(result.samples) samples, \(result.skipped) skipped, \(result.bytes) bytes cannot be "
                    + "a chunk of \(plan.chunkSize)")
        }
        let file = recordFileName(
            stage: commit.unit.stage, shard: plan.shards[commit.unit.shard].name, chunk: result.chunk,
            epoch: commit.epoch)
        guard commit.file == file else {
            return .refuse(.malformed, "the record file must be called \(file), not \(commit.file)")
        }
        return nil
    }

    private func repetition(_ commit: Commit, of counted: CommittedChunk, unitDone: Bool) -> OnCommit {
        guard counted.epoch == commit.epoch, counted.result.digest == commit.result.digest else {
            return .refuse(
                .alreadyCommitted, "chunk \(commit.result.chunk) counts as made under epoch \(counted.epoch)")
        }
        return .acknowledge(unitDone: unitDone)
    }

    /// A commit is progress of its lease, if that still lives.
    private mutating func advance(_ commit: Commit, _ sender: Sender, now: Duration) {
        workers[sender.worker]?.failuresInARow = 0
        workers[sender.worker]?.advanced = now
        workers[sender.worker]?.lastHeard = now
        guard var lease = leases[commit.epoch] else { return }
        lease.advanced = now
        lease.deadline = now + plan.limits.expires
        lease.chunk = max(lease.chunk, commit.result.chunk + 1)
        lease.isLoading = false
        lease.announced = nil
        leases[commit.epoch] = lease
    }

    /// The last missing chunk is there. Also when the journal is replayed.
    mutating func finish(_ unit: Int, _ known: OpenUnit) {
        for epoch in known.holders { forget(epoch) }
        finished[unit] = known.chunks.packed()
        sizes.learned(shard: shard(of: unit), samples: known.chunks.samples)
        open[unit] = nil
        move(unit, to: .done)
        settleDependents(of: unit)
    }

    /// Removes a lease from all that lists it, but for the unit's holders.
    @discardableResult
    mutating func forget(_ epoch: Epoch) -> Lease? {
        guard let lease = leases.removeValue(forKey: epoch) else { return nil }
        workers[lease.record.worker]?.leases.removeAll { $0 == epoch }
        return lease
    }
}
