import BolsterCoordinator
import BolsterDeterminism
import BolsterLeasing
import BolsterMessaging

extension Simulation {
    private static let tickEvery: Duration = .seconds(1)
    private static let lingering: Duration = .milliseconds(1_500)

    var welcome: Welcome {
        Welcome(
            manifest: "manifest", manifestDirectory: "/", output: "/out", run: "run",
            stages: scenario.plan.stages.map { .init(stage: $0.name, fingerprint: $0.fingerprint) },
            heartbeat: scenario.plan.limits.heartbeat, expires: scenario.plan.limits.expires)
    }

    func restartCoordinator(_ host: Int, after time: Duration) {
        events.insert(.startCoordinator(host: host), due: now + time)
    }

    /// The process is gone; `crash` says what became of the transaction under way.
    func endCoordinator(_ coordinator: CoordinatorProcess, _ crash: StateDisk.Crash, why: String) throws {
        note("coordinator \(coordinator.number) ends: \(why)")
        let host = coordinator.host
        coordinators[coordinator.number] = nil
        guard hosts[host].process == coordinator.number else { return }
        hosts[host].process = nil
        if crash == .survives, coordinator.unsent != nil {
            try observe(
                .journalled(
                    generation: coordinator.generation, hosts[host].disk.pending, rows: hosts[host].disk.rows)
            )
        }
        try hosts[host].disk.crashed(crash)
    }

    // MARK: Service

    func wake(_ coordinator: CoordinatorProcess) {
        guard !coordinator.isServing, coordinator.unsent == nil else { return }
        coordinator.isServing = true
        events.insert(.serve(coordinator: coordinator.number), due: max(now, coordinator.frozenUntil))
    }

    /// One turn of `Coordinator.run`: frames, tick, fence, one transaction.
    func serve(_ number: Int) throws {
        guard let coordinator = coordinators[number], coordinator.unsent == nil else { return }
        guard now >= coordinator.frozenUntil else {
            events.insert(.serve(coordinator: number), due: coordinator.frozenUntil)
            return
        }
        coordinator.isServing = false
        guard try mayServe(coordinator) else { return }
        let rows = hosts[coordinator.host].disk.rows
        var commits: [Commit] = []
        for index in coordinator.waiting.indices {
            if canary == .generationUnchecked { coordinator.waiting[index].lower(to: coordinator.generation) }
            let waiting = coordinator.waiting[index]
            try observe(
                .arrived(
                    generation: coordinator.generation, from: waiting.process, waiting.frame,
                    key: waiting.key,
                    rows: rows))
            if case .commit(let commit) = waiting.frame.message { commits.append(commit) }
        }
        var batch = coordinator.serve(now: now)
        guard try keepUp(coordinator, &batch) else { return }
        spoil(&batch, commits, rows)
        try write(batch, coordinator)
    }

    /// As `FenceWatch`: whether it can be seen that this coordinator rules. While it cannot, what comes is
    /// not heard, and no lease grows old.
    private func mayServe(_ coordinator: CoordinatorProcess) throws -> Bool {
        if !hosts[coordinator.host].isCutFromStore {
            guard store.newestGeneration == coordinator.generation || canary == .generationUnchecked else {
                try endCoordinator(coordinator, .lost, why: "a newer one rules")
                return false
            }
        }
        if coordinator.look(isReachable: !hosts[coordinator.host].isCutFromStore, now: now) { return true }
        coordinator.waiting = []
        let wait: Duration = .seconds(1)
        try observe(.interrupted(wait))
        events.insert(.serve(coordinator: coordinator.number), due: now + wait)
        return false
    }

    /// What is due besides frames. False when the process has ended.
    private func keepUp(
        _ coordinator: CoordinatorProcess, _ batch: inout CoordinatorCore.Batch
    ) throws -> Bool {
        let local = coordinator.local(now)
        if local >= coordinator.schedule.tick {
            coordinator.schedule.tick = local + Self.tickEvery
            let before = batch.changes.count
            coordinator.core.ticked(now: local, into: &batch)
            burn(&batch, from: before, hosts[coordinator.host].disk.rows)
            try observe(.ticked(generation: coordinator.generation, rows: hosts[coordinator.host].disk.rows))
            guard try !isEnding(coordinator, local, &batch) else { return false }
        }
        if local >= coordinator.schedule.backup, !hosts[coordinator.host].isCutFromStore {
            coordinator.schedule.backup = local + scenario.backupEvery
            backUp(coordinator)
        }
        return true
    }

    func backUp(_ coordinator: CoordinatorProcess) {
        coordinator.backups += 1
        store.keep(
            hosts[coordinator.host].disk.rows, generation: coordinator.generation, number: coordinator.backups
        )
    }

    private func isEnding(
        _ coordinator: CoordinatorProcess, _ local: Duration, _ batch: inout CoordinatorCore.Batch
    ) throws -> Bool {
        if let outcome = coordinator.core.ledger.outcome {
            var counts = (quarantined: 0, blocked: 0)
            if case .withQuarantine(let quarantined, let blocked) = outcome {
                counts = (quarantined, blocked)
            }
            if coordinator.schedule.overSince == nil {
                coordinator.schedule.overSince = local
                note("coordinator \(coordinator.number) sees the end: \(outcome)")
                coordinator.core.tellAll(
                    .finished(quarantined: counts.quarantined, blocked: counts.blocked), in: &batch)
            } else if local - coordinator.schedule.overSince! >= Self.lingering, batch.changes.isEmpty {
                // An older coordinator that has not noticed may see an end of its own.
                let rules = coordinator.generation == store.newestGeneration
                isOver = rules && coordinator.host == currentHost
                if !isOver { try endCoordinator(coordinator, .lost, why: "its run is over") }
                return !isOver
            }
        } else if coordinator.core.ledger.isDraining, coordinator.core.ledger.leasesLiving == 0,
            batch.changes.isEmpty
        {
            backUp(coordinator)
            let host = coordinator.host
            try endCoordinator(coordinator, .survives, why: "drained")
            if host == currentHost { restartCoordinator(host, after: random.time(1, 20)) }
            return true
        }
        return false
    }

    // MARK: Journal

    private func write(_ batch: CoordinatorCore.Batch, _ coordinator: CoordinatorProcess) throws {
        scheduleTick(coordinator)
        coordinator.orders += batch.orders
        guard !batch.changes.isEmpty else {
            try answer(batch.answers, coordinator)
            return try carryOut(coordinator)
        }
        guard !hosts[coordinator.host].disk.isFull else {
            try endCoordinator(coordinator, .lost, why: "no space is left for the ledger")
            restartCoordinator(coordinator.host, after: random.time(1, 10))
            return
        }
        hosts[coordinator.host].disk.write(batch.changes)
        if canary == .answersBeforeJournal { try answer(batch.answers, coordinator) }
        coordinator.unsent = canary == .answersBeforeJournal ? [] : batch.answers
        let isSlow = !isCalm && random.chance(scenario.faults.slowSync)
        let time = isSlow ? random.time(0.05, 8) : random.time(0.0001, 0.004)
        events.insert(.synchronised(coordinator: coordinator.number), due: now + time)
    }

    /// The next order of an operator: a transaction of its own, once all before it is durable.
    private func carryOut(_ coordinator: CoordinatorProcess) throws {
        guard !coordinator.orders.isEmpty else { return }
        let (peer, request) = coordinator.orders.removeFirst()
        let rows = hosts[coordinator.host].disk.rows
        var batch = CoordinatorCore.Batch()
        let isOver = coordinator.schedule.overSince != nil
        let reply = coordinator.core.ordered(request, isOver: isOver, into: &batch) {
            rows.commits(of: $0.worker, stage: $0.stage)
        }
        note("coordinator \(coordinator.number) is ordered \(request): \(reply)")
        coordinator.core.answer(.operatorReply(reply), to: peer, in: &batch)
        // An order that changes something asks for a copy at once.
        if !batch.changes.isEmpty { coordinator.schedule.backup = coordinator.local(now) }
        try write(batch, coordinator)
    }

    func synchronised(_ number: Int) throws {
        guard let coordinator = coordinators[number] else { return }
        guard now >= coordinator.frozenUntil else {
            events.insert(.synchronised(coordinator: number), due: coordinator.frozenUntil)
            return
        }
        let disk = hosts[coordinator.host].disk
        for change in disk.pending { count(change, disk.rows, coordinator) }
        try observe(.journalled(generation: coordinator.generation, disk.pending, rows: disk.rows))
        try hosts[coordinator.host].disk.synchronised()
        let isRuling =
            !hosts[coordinator.host].isCutFromStore && store.newestGeneration == coordinator.generation
        let unsent = coordinator.mayAnswer(isRuling: isRuling, now: now) ? coordinator.unsent ?? [] : []
        coordinator.unsent = nil
        try answer(unsent, coordinator)
        try carryOut(coordinator)
        guard coordinator.unsent == nil, coordinators[number] != nil else { return }
        let isLate = coordinator.local(now) >= coordinator.schedule.tick
        if isLate || !coordinator.waiting.isEmpty { wake(coordinator) }
    }

    private func count(_ change: LedgerChange, _ rows: JournalRows, _ coordinator: CoordinatorProcess) {
        note("journal \(coordinator.generation): \(change.brief)")
        switch change {
        case .granted(let unit, _):
            let others = rows.leases.values.count { $0.unit == unit && $0.state == .living }
            counts.secondLeases += others
        case .reopened: counts.reopened += 1
        case .ended, .committed, .finished, .troubled, .quarantined, .retried, .extended: break
        }
    }

    private func scheduleTick(_ coordinator: CoordinatorProcess) {
        // One wake-up a second: a frame that comes before serves the tick too, the spare one does nothing.
        guard coordinator.schedule.tick != coordinator.tickPlanned else { return }
        coordinator.tickPlanned = coordinator.schedule.tick
        events.insert(
            .serve(coordinator: coordinator.number),
            due: max(now, coordinator.clock.world(coordinator.schedule.tick + coordinator.paused))
                + .milliseconds(1))
    }

    private func answer(_ answers: [OutgoingFrame], _ coordinator: CoordinatorProcess) throws {
        // What is said to everybody comes in no order; each peer's answers keep theirs.
        let addressed = answers.enumerated().map { (process: $1.peer.process, place: $0, bytes: $1.bytes) }
        for (process, _, bytes) in addressed.sorted(by: { ($0.process, $0.place) < ($1.process, $1.place) }) {
            let frame = try CoordinatorFrame.decode(bytes)
            try observe(
                .answered(
                    generation: coordinator.generation, to: process, frame.message,
                    rows: hosts[coordinator.host].disk.rows))
            // A router knows no peer that has gone, or that sends elsewhere by now.
            guard let worker = workers[process], worker.target == coordinator.host else { continue }
            transmit(
                .toWorker(process, host: coordinator.host, frame),
                isCut: cutToWorker[worker.slot].map { $0 > now } ?? false)
        }
    }

    // MARK: Canaries

    private func spoil(
        _ batch: inout CoordinatorCore.Batch, _ commits: [Commit], _ rows: JournalRows
    ) {
        guard canary == .neverGrantedAccepted || canary == .lateChunkCountedTwice else { return }
        for answer in batch.answers {
            guard let frame = Result(catching: { try CoordinatorFrame.decode(answer.bytes) }).success,
                case .commitRefused(let epoch, let chunk, let reason, _) = frame.message,
                let commit = commits.first(where: { $0.epoch == epoch && $0.result.chunk == chunk })
            else { continue }
            let isWanted =
                canary == .neverGrantedAccepted ? reason == .neverGranted : reason == .alreadyCommitted
            guard isWanted, rows.finished[commit.unit] == nil else { continue }
            batch.changes.append(.committed(commit.unit, CommittedChunk(epoch: epoch, result: commit.result)))
        }
    }

    private func burn(_ batch: inout CoordinatorCore.Batch, from start: Int, _ rows: JournalRows) {
        guard canary == .lossBurnsAttempt else { return }
        for case .ended(let unit, _) in batch.changes[start...] {
            var trouble = rows.troubles[unit]?.trouble ?? Trouble()
            trouble.attempts += 1
            batch.changes.append(.troubled(unit, trouble))
        }
    }
}

extension Result {
    fileprivate var success: Success? { if case .success(let value) = self { value } else { nil } }
}

extension CoordinatorProcess.Waiting {
    /// For the canary that looks at no generation.
    mutating func lower(to generation: UInt64) {
        guard frame.generation > generation else { return }
        var lowered = frame
        lowered.generation = generation
        self = CoordinatorProcess.Waiting(process: process, key: key, frame: lowered, bytes: lowered.encode())
    }
}

extension LedgerChange {
    /// For a trace's line.
    var brief: String {
        switch self {
        case .granted(let unit, let record): "granted \(unit) \(record.epoch) to \(record.worker)"
        case .ended(let unit, let epoch): "ended \(unit) \(epoch)"
        case .committed(let unit, let chunk): "committed \(unit) chunk \(chunk.result.chunk) \(chunk.epoch)"
        case .finished(let unit, let chunks): "finished \(unit) with \(chunks.chunks.count) chunks"
        case .troubled(let unit, let trouble): "troubled \(unit) \(trouble.brief)"
        case .quarantined(let unit, let trouble): "quarantined \(unit) \(trouble.brief)"
        case .retried(let unit): "retried \(unit)"
        case .reopened(let unit, let kept, let worker):
            "reopened \(unit) with \(kept.chunks.map(\.result.chunk)) without \(worker?.name ?? "anybody")"
        case .extended(let shards): "extended by \(shards.count) shards"
        }
    }
}

extension Trouble {
    fileprivate var brief: String {
        let losses = losses.map {
            "chunk \($0.chunk) lost \($0.count)+\($0.countInIsolation) skip \($0.skip.sorted())"
        }
        return "attempts \(attempts) \(losses)"
    }
}
