extension LeaseLedger {
    package enum OnAsk: Equatable {
        /// Journal the lease, then send it.
        case grant(Grant, LedgerChange)
        /// The same Ask again: its lease is journalled already.
        case repeated(Grant)
        case wait(Duration)
        case finished(quarantined: Int, blocked: Int)
        case drain
        /// An Ask that a later one has overtaken.
        case ignore
        case refuse(Refusal)
    }

    /// A worker wants one lease. A stage whose model it holds comes first; then the stage with the fewest
    /// leases, so that several run at once. Within a stage, shards that its node has: those it names, then
    /// those that other workers of its host have named or were given; then shard order.
    package mutating func askReceived(_ ask: Ask, from sender: Sender, now: Duration) -> OnAsk {
        if let refusal = check(sender, now: now) { return .refuse(refusal) }
        let record = workers[sender.worker]!
        if ask.number < record.askNumber { return .ignore }
        if ask.number == record.askNumber, let epoch = record.askAnswer, let lease = leases[epoch] {
            return .repeated(grant(of: lease, ask: ask.number))
        }
        if let host = record.hello?.host {
            for shard in ask.cachedShards.prefix(Node.toldMax).reversed() {
                nodes[host, default: Node()].noted(shard)
            }
        }
        workers[sender.worker]!.askNumber = ask.number
        workers[sender.worker]!.askAnswer = nil
        if let outcome {
            guard case .withQuarantine(let quarantined, let blocked) = outcome else {
                return .finished(quarantined: 0, blocked: 0)
            }
            return .finished(quarantined: quarantined, blocked: blocked)
        }
        if isDraining { return .drain }
        if record.restUntil > now { return .wait(record.restUntil - now) }
        guard record.leases.count < LeaseProtocol.leasesPerWorkerMax else { return .wait(retryTime) }
        if let unit = choose(ask, sender.worker, now) {
            return begin(unit, from: nil, sender, ask: ask.number, now: now)
        }
        if let (unit, start) = chooseSlow(sender.worker, now: now) {
            return begin(unit, from: start, sender, ask: ask.number, now: now)
        }
        return .wait(retryTime)
    }

    /// Workers without work ask at most about a thousand times a second together.
    private var retryTime: Duration { .milliseconds(min(max(workers.count, 250), 10_000)) }

    private mutating func begin(
        _ unit: Int, from start: Int?, _ sender: Sender, ask: UInt64, now: Duration
    ) -> OnAsk {
        let record = GrantRecord(
            epoch: Epoch(generation: generation, grant: nextGrant), worker: sender.worker,
            incarnation: sender.incarnation, key: sender.key)
        nextGrant += 1
        let lease = hold(unit, record, from: start, now: now)
        if let host = workers[sender.worker]!.hello?.host, readsStage[stage(of: unit)] == nil {
            nodes[host, default: Node()].noted(shard(of: unit))
        }
        workers[sender.worker]!.askAnswer = record.epoch
        return .grant(grant(of: lease, ask: ask), .granted(unitID(unit), record))
    }

    /// Enters a lease everywhere; also when the journal is replayed.
    @discardableResult
    mutating func hold(_ unit: Int, _ record: GrantRecord, from start: Int? = nil, now: Duration) -> Lease {
        var known = open[unit] ?? OpenUnit()
        let lease = Lease(
            unit: unit, record: record, began: now, start: start, deadline: now + plan.limits.expires,
            advanced: now, chunk: start ?? known.chunks.firstMissing)
        known.grants.append(record)
        if known.grants.count > Self.grantsKeptMax { known.grants.removeFirst() }
        known.holders.append(record.epoch)
        open[unit] = known
        leases[record.epoch] = lease
        workers[
            record.worker,
            default: WorkerRecord(incarnation: record.incarnation, key: record.key, lastHeard: now)
        ].leases.append(record.epoch)
        deadlines.insert(.lease(record.epoch), due: lease.deadline)
        move(unit, to: .held)
        return lease
    }

    private func choose(_ ask: Ask, _ worker: WorkerID, _ now: Duration) -> Int? {
        for name in ask.loadedStages {
            guard let stage = stageIndex[name], mayDo(stage, worker) else { continue }
            if let unit = choose(stage, ask, worker, now) { return unit }
        }
        let others = plan.stages.indices.filter { !ready[$0].isEmpty && mayDo($0, worker) }
        for stage in others.sorted(by: { (counts[$0].open, $0) < (counts[$1].open, $1) }) {
            if let unit = choose(stage, ask, worker, now) { return unit }
        }
        return nil
    }

    /// A worker that has the stage's labels, and whose device has not shown that it computes it wrongly.
    func mayDo(_ stage: Int, _ worker: WorkerID) -> Bool {
        guard let record = workers[worker] else { return false }
        return plan.stages[stage].labels.isSubset(of: record.labels) && !record.refusedStages.contains(stage)
    }

    private func choose(_ stage: Int, _ ask: Ask, _ worker: WorkerID, _ now: Duration) -> Int? {
        guard !ready[stage].isEmpty else { return nil }
        let node = nodes[workers[worker]!.hello?.host ?? ""]?.shards ?? []
        for shards in [ask.cachedShards, node] {
            for shard in shards where ready[stage].contains(shard) {
                let unit = unit(stage: stage, shard: shard)
                if mayHave(unit, worker, now) { return unit }
            }
        }
        var shard = ready[stage].first()
        // Units that this worker failed at are few; the bound is for the case that they are not.
        for _ in 0..<64 {
            guard let candidate = shard else { return nil }
            let unit = unit(stage: stage, shard: candidate)
            if mayHave(unit, worker, now) { return unit }
            shard = ready[stage].first(from: candidate + 1)
        }
        return nil
    }

    /// Not a unit that it failed at, as long as another worker may come for it.
    private func mayHave(_ unit: Int, _ worker: WorkerID, _ now: Duration) -> Bool {
        guard let known = open[unit], known.avoidUntil > now else { return true }
        return !known.trouble.failedBy.contains(worker) || workers.count <= known.trouble.failedBy.count
    }

    func grant(of lease: Lease, ask: UInt64) -> Grant {
        let stage = plan.stages[stage(of: lease.unit)]
        let known = open[lease.unit]!
        // A repeated Grant may find that a second lease's place is no longer known.
        let start = lease.start.flatMap { offset(of: $0, in: lease.unit) == nil ? nil : $0 }
        let first = start ?? known.chunks.firstMissing
        let id = unitID(lease.unit)
        return Grant(
            ask: ask, unit: id, shard: plan.shards[id.shard], fingerprint: stage.fingerprint,
            epoch: lease.record.epoch, committed: known.chunks.ranges, firstChunk: first,
            offset: offset(of: first, in: lease.unit) ?? 0, firstSample: first * plan.chunkSize,
            reads: stage.reads,
            sources: sources(of: lease.unit),
            isolation: known.trouble.losses.filter(\.isIsolated).map {
                Grant.Isolation(chunk: $0.chunk, skip: $0.skip)
            })
    }

    private func sources(of unit: Int) -> [Grant.Source] {
        guard let source = source(of: unit) else { return [] }
        return chunks(ofFinished: source).chunks.map {
            Grant.Source(
                chunk: $0.result.chunk, epoch: $0.epoch, digest: $0.result.digest, samples: $0.result.samples)
        }
    }

    func chunks(ofFinished unit: Int) -> CommittedChunks {
        do {
            return try CommittedChunks(packed: finished[unit])
        } catch {
            fatalError("the ledger's own memory of \(unitID(unit)) cannot be read: \(error)")
        }
    }
}
