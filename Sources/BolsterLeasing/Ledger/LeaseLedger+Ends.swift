extension LeaseLedger {
    private static let loadingLossesForOne = 3

    package enum OnRelease: Equatable {
        case journal([LedgerChange])
        /// That lease is over already: say so again.
        case acknowledge
        case refuse(Refusal)
    }

    package enum OnFail: Equatable {
        case journal([LedgerChange], attempts: Int, quarantined: Bool)
        /// That lease is over already.
        case acknowledge(attempts: Int, quarantined: Bool)
        case refuse(Refusal)
    }

    /// A worker hands a lease back: drained, preempted or without chunks left to do. Burns nothing.
    package mutating func releaseReceived(_ epoch: Epoch, from sender: Sender, now: Duration) -> OnRelease {
        if let refusal = check(sender, now: now) { return .refuse(refusal) }
        guard leases[epoch]?.record.worker == sender.worker else { return .acknowledge }
        return .journal(giveBack(epoch))
    }

    /// A worker cannot do a unit. The last attempt quarantines it; before, it rests, twice as long each
    /// time, and goes to another worker if one comes.
    package mutating func failReceived(_ fail: Fail, from sender: Sender, now: Duration) -> OnFail {
        if let refusal = check(sender, now: now) { return .refuse(refusal) }
        guard let lease = leases[fail.epoch], lease.record.worker == sender.worker else {
            let trouble = unit(fail.unit).flatMap { open[$0]?.trouble }
            let isGivenUp = unit(fail.unit).map { states[$0] == .quarantined } ?? false
            return .acknowledge(attempts: trouble?.attempts ?? 0, quarantined: isGivenUp)
        }
        tire(sender.worker, fail.blame, now: now)
        var changes = end(fail.epoch, lease)
        if fail.blame == .device {
            // The device is at fault, not the unit: another worker goes on.
            workers[sender.worker]!.refusedStages.insert(stage(of: lease.unit))
            let attempts = open[lease.unit]!.trouble.attempts
            return .journal(changes, attempts: attempts, quarantined: false)
        }
        let unit = lease.unit
        var known = open[unit]!
        known.trouble.attempts += 1
        known.trouble.message = fail.sample.map { "sample \($0): \(fail.message)" } ?? fail.message
        known.trouble.blame = fail.blame
        if !known.trouble.failedBy.contains(sender.worker) { known.trouble.failedBy.append(sender.worker) }
        let attempts = known.trouble.attempts
        let pause = doubled(plan.limits.backoff, attempts - 1)
        known.avoidUntil = now + pause + .seconds(30)
        open[unit] = known
        guard attempts < plan.limits.attempts else {
            changes.append(quarantine(unit))
            return .journal(changes, attempts: attempts, quarantined: true)
        }
        if known.holders.isEmpty {
            move(unit, to: .resting)
            deadlines.insert(.rest(unit: unit), due: now + pause)
        }
        changes.append(.troubled(fail.unit, known.trouble))
        return .journal(changes, attempts: attempts, quarantined: false)
    }

    // MARK: Inside

    mutating func giveBack(_ epoch: Epoch) -> [LedgerChange] {
        leases[epoch].map { end(epoch, $0) } ?? []
    }

    /// Ends a lease without judging it.
    private mutating func end(_ epoch: Epoch, _ lease: Lease) -> [LedgerChange] {
        forget(epoch)
        open[lease.unit]?.holders.removeAll { $0 == epoch }
        if states[lease.unit] == .held, open[lease.unit]!.holders.isEmpty { makeReady(lease.unit) }
        return [.ended(unitID(lease.unit), epoch)]
    }

    /// A lease whose worker went silent, hung or started anew. If that was inside a chunk, the chunk
    /// remembers: lost often enough it is isolated, and in isolation the announced sample is blamed.
    mutating func lose(_ epoch: Epoch, now: Duration) -> [LedgerChange] {
        guard let lease = leases[epoch] else { return [] }
        var changes = end(epoch, lease)
        guard var known = open[lease.unit], states[lease.unit] != .quarantined else { return changes }
        // All isolated chunks are rehearsed before the first is computed: the sample says which it was.
        let inside = lease.announced.map { $0 / plan.chunkSize } ?? lease.chunk
        let chunk = known.chunks[inside] == nil ? inside : known.chunks.firstMissing
        let place = known.trouble.losses.firstIndex { $0.chunk == chunk } ?? known.trouble.losses.count
        if place == known.trouble.losses.count { known.trouble.losses.append(ChunkLoss(chunk: chunk)) }
        let isCounted = !lease.isLoading || countLoading(&known.trouble.losses[place])
        if !isCounted {
            // Remembered, and no more for now.
        } else if known.trouble.losses[place].isIsolated {
            known.trouble.losses[place].countInIsolation += 1
            if let sample = lease.announced, !known.trouble.losses[place].skip.contains(sample) {
                known.trouble.losses[place].deaths[sample, default: 0] += 1
                if known.trouble.losses[place].deaths[sample]! >= plan.limits.deathsBeforeSkip {
                    known.trouble.losses[place].skip.append(sample)
                    // A culprit was found: whatever else is in the chunk has its own chances.
                    known.trouble.losses[place].countInIsolation = 0
                }
            }
        } else {
            known.trouble.losses[place].count += 1
            let limit = plan.limits.lossesBeforeIsolation
            known.trouble.losses[place].isIsolated = known.trouble.losses[place].count >= limit
        }
        let isHopeless = known.trouble.losses[place].countInIsolation >= plan.limits.isolationLossesMax
        if isHopeless {
            known.trouble.message =
                "chunk \(chunk) was lost with its worker \(plan.limits.isolationLossesMax) times in isolation"
            known.trouble.blame = .worker
        }
        open[lease.unit] = known
        changes.append(isHopeless ? quarantine(lease.unit) : .troubled(unitID(lease.unit), known.trouble))
        return changes
    }

    /// A model that will not load is no fault of the chunk. But a worker that dies in the first instant of
    /// its work has only ever said that it loads: each third such loss counts, until the chunk is isolated,
    /// where every sample is announced before it is tried.
    private func countLoading(_ loss: inout ChunkLoss) -> Bool {
        let losses = (loss.whileLoading ?? 0) + 1
        loss.whileLoading = losses
        return !loss.isIsolated && losses % Self.loadingLossesForOne == 0
    }

    private mutating func quarantine(_ unit: Int) -> LedgerChange {
        for epoch in open[unit]!.holders { forget(epoch) }
        open[unit]!.holders = []
        move(unit, to: .quarantined)
        settleDependents(of: unit)
        return .quarantined(unitID(unit), open[unit]!.trouble)
    }

    /// A worker that fails again and again waits longer and longer, so that one broken node does not
    /// use up the attempts of a whole run.
    private mutating func tire(_ worker: WorkerID, _ blame: Fail.Class, now: Duration) {
        workers[worker]!.failuresInARow += 1
        let failures = workers[worker]!.failuresInARow
        let patience = blame == .shard ? 3 : 1
        guard failures > patience else { return }
        workers[worker]!.restUntil = now + doubled(plan.limits.backoff, failures - patience - 1)
    }

    private func doubled(_ time: Duration, _ times: Int) -> Duration {
        min(time * (1 << min(times, 16)), plan.limits.backoffMax)
    }
}
