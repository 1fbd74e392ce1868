import BolsterDeterminism

/// A lease as the worker sees it.
struct HeldLease {
    enum Work: Equatable {
        case working
        /// Computed; record files are still on their way into the output, and their commits follow.
        case storing
        /// No chunk is left; waits for the commits' answers.
        case complete
        /// Handed back once the commits are answered.
        case stopped
        case failed(Fail)
    }

    let grant: Grant
    var work = Work.working
    /// The coordinator holds this lease to be over, or the unit to be done.
    var isAnswered = false
    var phase = LeaseReport.Phase.queued
    var chunk: Int
    var samplesDone = 0
    /// When Release or Fail was last said; nil: not yet.
    var said: Duration?
    var announcement: Announcement?

    var isWorking: Bool { work == .working }
    /// Nothing of it may be said to be over yet.
    var isOpen: Bool { work == .working || work == .storing }

    /// What ends this lease, if it has been said and is not answered.
    var closingMessage: WorkerMessage? {
        guard said != nil, !isAnswered else { return nil }
        switch work {
        case .working, .storing: return nil
        case .complete, .stopped: return .release(grant.unit, grant.epoch)
        case .failed(let failure): return .fail(failure)
        }
    }
}

struct UnansweredCommit {
    let commit: Commit
    var said: Duration
}

extension WorkerSession {
    // MARK: Events of the compute thread

    /// How far the work on a lease is; told with the next heartbeat. `samplesDone` counts since the
    /// grant. An epoch that is not held is passed over: the lease may just have gone.
    package mutating func progressed(_ epoch: Epoch, phase: LeaseReport.Phase, chunk: Int, samplesDone: Int) {
        guard let index = index(of: epoch) else { return }
        // The coordinator learns at once where a lease is: what it did last decides what its loss means.
        if leases[index].phase != phase { nextHeartbeat = .zero }
        leases[index].phase = phase
        leases[index].chunk = chunk
        leases[index].samplesDone = max(leases[index].samplesDone, samplesDone)
    }

    /// Samples per second over the last seconds, for the operator's eyes.
    package mutating func rateMeasured(_ samplesPerSecond: Double) {
        self.samplesPerSecond = samplesPerSecond
    }

    /// How the pipeline spent the last seconds, for the operator's eyes.
    package mutating func waitsMeasured(_ waits: StepWaits) { self.waits = waits }

    /// A chunk's record file is durable under `grant.file(chunk:)`. The grant is passed, not the epoch:
    /// the chunk counts even when the lease has meanwhile gone.
    package mutating func chunkFinished(_ grant: Grant, _ result: ChunkResult, now: Duration) -> [Action] {
        guard phase != .over else { return [] }
        let commit = Commit(
            unit: grant.unit, epoch: grant.epoch, fingerprint: grant.fingerprint,
            file: grant.file(chunk: result.chunk), result: result,
            deviceTime: deviceTimeOwed + max(.zero, now - deviceBusySince))
        deviceBusySince = now
        deviceTimeOwed = .zero
        unacknowledged.append(UnansweredCommit(commit: commit, said: now))
        if let index = index(of: grant.epoch) { leases[index].chunk = result.chunk + 1 }
        return phase == .following ? [say(.commit(commit))] : []
    }

    /// In isolation: `sample` is about to be tried; wait for `proceed`.
    package mutating func sampleAnnounced(_ epoch: Epoch, sample: Int, key: String, now: Duration) -> [Action]
    {
        guard phase != .over, let index = index(of: epoch) else { return [] }
        let announcement = Announcement(
            unit: leases[index].grant.unit, epoch: epoch, sample: sample, key: key)
        leases[index].announcement = announcement
        return phase == .following ? [say(.announce(announcement))] : []
    }

    /// The compute thread is done with this lease, and record files of it are still on their way into the
    /// output: `chunkFinished` and `workEnded` follow when they are there. Another lease may be worked on
    /// meanwhile, by whose progress this one lives, as one that is queued does.
    package mutating func computed(_ epoch: Epoch, now: Duration) -> [Action] {
        guard phase != .over, let index = index(of: epoch), leases[index].isWorking else { return [] }
        leases[index].work = .storing
        leases[index].phase = .queued
        // Its last chunks are told later, and their time goes with them.
        deviceTimeOwed += max(.zero, now - deviceBusySince)
        computeEnded(leases[index], now: now)
        leases[index].announcement = nil
        return ask(now: now)
    }

    /// The compute thread is done with this lease, one way or the other.
    package mutating func workEnded(_ epoch: Epoch, _ end: WorkEnd, now: Duration) -> [Action] {
        guard phase != .over, let index = index(of: epoch) else { return exitIfEmpty() }
        if leases[index].isWorking { computeEnded(leases[index], now: now) }
        switch end {
        case .complete: leases[index].work = .complete
        case .stopped: leases[index].work = .stopped
        case .failed(let blame, let message, let sample):
            leases[index].work = .failed(
                Fail(
                    unit: leases[index].grant.unit, epoch: epoch, blame: blame, message: message,
                    sample: sample))
        }
        leases[index].announcement = nil
        return close(epoch, now: now) + ask(now: now) + exitIfEmpty()
    }

    // MARK: Answers

    mutating func answered(_ message: CoordinatorMessage, now: Duration) -> [Action] {
        switch message {
        case .grant(let grant):
            return granted(grant, now: now)
        case .wait(let number, let retry):
            guard number == askNumber, askSaid != nil else { return [] }
            askSaid = nil
            nextAsk = now + retry
            return exitIfEmpty()
        case .finished(let quarantined, let blocked):
            return runEnded(RunEnd(quarantined: quarantined, blocked: blocked))
        case .drain:
            askSaid = nil
            return leave(.drained, now: now)
        case .heartbeatReply(let revoked, let drain):
            return revoked.flatMap { lost($0, "the coordinator has taken the lease back", now: now) }
                + (drain ? leave(.drained, now: now) : [])
        case .committed(let epoch, let chunk, let unitDone):
            forget(epoch, chunk)
            return (unitDone ? lost(epoch, "the unit is done", now: now) : close(epoch, now: now))
                + exitIfEmpty()
        case .commitRefused(let epoch, let chunk, let reason, let message):
            forget(epoch, chunk)
            switch reason {
            case .alreadyCommitted: return close(epoch, now: now) + exitIfEmpty()
            case .neverGranted, .fingerprint, .malformed:
                return lost(epoch, message, now: now) + exitIfEmpty()
            }
        case .released(let epoch), .noted(let epoch, _, _):
            leases.removeAll { $0.grant.epoch == epoch && !$0.isOpen }
            return ask(now: now) + exitIfEmpty()
        case .announced(let epoch, let sample):
            guard let index = index(of: epoch), leases[index].announcement?.sample == sample else {
                return []
            }
            leases[index].announcement = nil
            return [.proceed(epoch, sample: sample)]
        case .welcome, .refused, .statusReply, .operatorReply:
            return []
        }
    }

    private mutating func granted(_ grant: Grant, now: Duration) -> [Action] {
        guard grant.ask == askNumber, askSaid != nil, index(of: grant.epoch) == nil else { return [] }
        askSaid = nil
        var lease = HeldLease(grant: grant, chunk: grant.firstChunk)
        if leaving != nil {
            lease.work = .stopped
            leases.append(lease)
            return close(grant.epoch, now: now)
        }
        // Behind other leases its time begins when the last of them ends.
        if leasesWorking == 0 { deviceBusySince = now }
        leases.append(lease)
        return [.start(grant)] + ask(now: now)
    }

    /// The lease is over for the coordinator. Work in hand is thrown away; what is finished is still
    /// committed.
    private mutating func lost(_ epoch: Epoch, _ reason: String, now: Duration) -> [Action] {
        guard let index = index(of: epoch), !leases[index].isAnswered else { return [] }
        guard leases[index].isOpen else {
            leases.remove(at: index)
            return ask(now: now) + exitIfEmpty()
        }
        leases[index].isAnswered = true
        return leases[index].isWorking ? [.abandon(epoch, reason: reason)] : []
    }

    /// Says Release or Fail when nothing of the lease is left unanswered.
    private mutating func close(_ epoch: Epoch, now: Duration) -> [Action] {
        guard let index = index(of: epoch), !leases[index].isOpen else { return [] }
        if leases[index].isAnswered {
            leases.remove(at: index)
            return []
        }
        guard leases[index].said == nil else { return [] }
        if case .failed = leases[index].work {
        } else if unacknowledged.contains(where: { $0.commit.epoch == epoch }) {
            return []
        }
        leases[index].said = now
        guard phase == .following, let message = leases[index].closingMessage else { return [] }
        return [say(message)]
    }

    // MARK: Leaving

    /// No more Asks; each lease ends at its chunk's boundary.
    mutating func leave(_ exit: Exit, now: Duration) -> [Action] {
        guard leaving == nil else { return exitIfEmpty() }
        leaving = Leaving(exit: exit, deadline: now + configuration.grace)
        return leases.filter { $0.isWorking && !$0.isAnswered }.map { .stopAtBoundary($0.grant.epoch) }
            + exitIfEmpty()
    }

    mutating func exitIfEmpty() -> [Action] {
        // A grant may still be on its way to the last Ask: it is handed back rather than left to expire.
        guard phase != .over, let leaving, leases.isEmpty, unacknowledged.isEmpty,
            askSaid == nil || phase != .following
        else { return [] }
        return exit(leaving.exit)
    }

    // MARK: What is said by itself

    var wantsLease: Bool {
        phase == .following && isReady && leaving == nil && askSaid == nil
            && leasesWorking < configuration.leasesWanted
            && leases.count < LeaseProtocol.leasesPerWorkerMax
    }

    mutating func ask(now: Duration) -> [Action] {
        guard wantsLease, now >= nextAsk else { return [] }
        askNumber += 1
        askSaid = now
        return [say(.ask(currentAsk))]
    }

    private var currentAsk: Ask {
        Ask(
            number: askNumber, loadedStages: loadedStages,
            cachedShards: Array(cachedShards.prefix(LeaseProtocol.cachedShardsMax)))
    }

    mutating func heartbeat(now: Duration) -> Action {
        nextHeartbeat = now + (welcome?.heartbeat ?? .seconds(2))
        let reports = leases.filter { !$0.isAnswered }.map {
            LeaseReport(epoch: $0.grant.epoch, phase: $0.phase, chunk: $0.chunk, samplesDone: $0.samplesDone)
        }
        return say(
            .heartbeat(Heartbeat(leases: reports, samplesPerSecond: samplesPerSecond, waits: waits)))
    }

    /// Everything said longer than `repeatAfter` ago and not answered.
    mutating func repeatUnanswered(now: Duration) -> [Action] {
        let due = now - configuration.repeatAfter
        var actions: [Action] = []
        for index in unacknowledged.indices where unacknowledged[index].said <= due {
            unacknowledged[index].said = now
            actions.append(say(.commit(unacknowledged[index].commit)))
        }
        for index in leases.indices {
            if let said = leases[index].said, said <= due, let message = leases[index].closingMessage {
                leases[index].said = now
                actions.append(say(message))
            }
            if let announcement = leases[index].announcement { actions.append(say(.announce(announcement))) }
        }
        if let said = askSaid, said <= due {
            askSaid = now
            actions.append(say(.ask(currentAsk)))
        }
        return actions
    }

    /// The device is free for another lease.
    private mutating func computeEnded(_ lease: HeldLease, now: Duration) {
        deviceBusySince = now
        if lease.samplesDone > 0, lease.grant.reads == nil { remember(shard: lease.grant.shard.index) }
    }

    /// A shard that was just read is in this node's caches, if in any, unless it is known what is there.
    private mutating func remember(shard: Int) {
        guard !knowsCache else { return }
        cachedShards.removeAll { $0 == shard }
        cachedShards.insert(shard, at: 0)
        if cachedShards.count > Self.cachedShardsKept { cachedShards.removeLast() }
    }

    // MARK: Look-ups

    func index(of epoch: Epoch) -> Int? { leases.firstIndex { $0.grant.epoch == epoch } }

    private mutating func forget(_ epoch: Epoch, _ chunk: Int) {
        unacknowledged.removeAll { $0.commit.epoch == epoch && $0.commit.result.chunk == chunk }
    }
}
