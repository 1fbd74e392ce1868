import BolsterLeasing

extension Simulation {
    static let hello = Hello(
        host: "host", labels: [], device: "cpu", computeClass: "simulated", program: "1")

    // MARK: Processes

    /// Starts the slot's worker; a twin starts beside the one that runs.
    func startWorker(_ slot: Int, isTwin: Bool) throws {
        if !isTwin { slots[slot].isStarting = false }
        if slots[slot].restarts > 0, !isCalm, !isTwin {
            if random.chance(scenario.faults.renamed) {
                slots[slot].name = "node\(slot)/again\(slots[slot].restarts)"
            }
            if random.chance(scenario.faults.newKey) {
                slots[slot].key = "key\(slot)-\(slots[slot].restarts)"
            }
        }
        slots[slot].restarts += 1
        let number = newProcess()
        let name = WorkerID(slots[slot].name)
        var hello = Self.hello
        // Every other worker can take the stages that ask for a large device.
        hello.labels = slot % 2 == 0 ? ["large"] : []
        let milliseconds = 1_700_000_000_000 + Int(now / .milliseconds(1)) + slots[slot].wallOffset
        var configuration = WorkerSession.Configuration(
            worker: name, incarnation: UInt64(milliseconds), hello: hello)
        configuration.leasesWanted = scenario.leasesWanted
        configuration.unacknowledgedMax = 4
        let worker = WorkerProcess(
            number: number, slot: slot, name: name, key: slots[slot].key, target: target(), clock: newClock(),
            configuration: configuration)
        workers[number] = worker
        counts.workers += 1
        note("worker \(number) starts as \(name), key \(worker.key ?? "none")")
        try act(worker, worker.session.machine.connected(now: worker.clock.local(now)))
    }

    /// Where a connection leads: mostly to the coordinator that was started last.
    private func target() -> Int {
        guard !isCalm, random.chance(0.3) else { return currentHost }
        return random.integer(below: hosts.count)
    }

    func endWorker(
        _ worker: WorkerProcess, why: String, computing culprit: (unit: UnitID, sample: Int)? = nil
    ) throws {
        note("worker \(worker.number) ends: \(why)")
        workers[worker.number] = nil
        try observe(.died(process: worker.number, computing: culprit))
        guard !slots[worker.slot].isStarting, !workers.values.contains(where: { $0.slot == worker.slot })
        else {
            return
        }
        slots[worker.slot].isStarting = true
        events.insert(.startWorker(slot: worker.slot), due: now + random.time(0.5, isCalm ? 5 : 20))
    }

    // MARK: Session

    func tick(_ number: Int) throws {
        guard let worker = workers[number], now >= worker.tickDue else { return }
        guard now >= worker.frozenUntil else {
            worker.tickDue = worker.frozenUntil
            events.insert(.tick(worker: number), due: worker.frozenUntil)
            return
        }
        worker.tickDue = .seconds(1_000_000_000)
        if let work = worker.work {
            let phase: LeaseReport.Phase
            if case .loading = work.step { phase = .loading } else { phase = .working }
            worker.session.machine.progressed(
                work.grant.epoch, phase: phase, chunk: work.chunk, samplesDone: reported(worker))
        }
        try act(worker, worker.session.machine.ticked(now: worker.clock.local(now)))
    }

    private func reported(_ worker: WorkerProcess) -> Int {
        if canary == .hungDeviceReportsProgress, worker.hungUntil > now { worker.invented += 1 }
        return worker.samplesDone(now: now) + worker.invented
    }

    func deliver(_ frame: CoordinatorFrame, to number: Int, from host: Int) throws {
        guard let worker = workers[number], worker.target == host else { return }
        guard now >= worker.frozenUntil else {
            events.insert(.toWorker(number, host: host, frame), due: worker.frozenUntil)
            return
        }
        var heard = frame
        if canary == .generationUnchecked {
            heard.generation = max(frame.generation, worker.session.machine.generation)
        }
        let actions = worker.session.machine.received(heard, now: worker.clock.local(now))
        let began = actions.compactMap { action -> Epoch? in
            if case .start(let grant) = action { grant.epoch } else { nil }
        }
        try observe(.heard(process: number, frame, began: began))
        try act(worker, actions)
    }

    /// Does what the session says, as `SessionDriver` does.
    func act(_ worker: WorkerProcess, _ actions: [WorkerSession.Action]) throws {
        for action in actions {
            guard workers[worker.number] != nil else { return }
            switch action {
            case .send(let frame): send(frame, from: worker)
            case .configure:
                try act(worker, worker.session.machine.ready(loadedStages: [], now: worker.clock.local(now)))
            case .start(let grant):
                note(
                    "worker \(worker.number) is granted \(grant.unit) \(grant.epoch) from \(grant.firstChunk)"
                )
                try check(grant)
                worker.queue.append(grant)
                try begin(worker)
            case .stopAtBoundary(let epoch): try stop(worker, epoch)
            case .abandon(let epoch, let reason):
                note("worker \(worker.number) gives \(epoch) up: \(reason)")
                try abandon(worker, epoch)
            case .proceed(let epoch, let sample): proceed(worker, epoch, sample)
            case .reconnect:
                worker.target = target()
                try act(worker, worker.session.machine.connected(now: worker.clock.local(now)))
            case .exit(let exit):
                try endWorker(worker, why: "\(exit)")
                return
            }
        }
        scheduleTick(worker)
    }

    private func scheduleTick(_ worker: WorkerProcess) {
        let due = max(now + .milliseconds(50), worker.clock.world(worker.session.machine.nextTick))
        guard due < worker.tickDue || worker.tickDue <= now else { return }
        worker.tickDue = due
        events.insert(.tick(worker: worker.number), due: due)
    }

    /// A grant must be one that a worker can go on with.
    private func check(_ grant: Grant) throws(Violation) {
        let shard = grant.unit.shard
        func isTrue(_ condition: Bool, _ what: String) throws(Violation) {
            guard condition else { throw Violation("grants-are-legal", "\(what): \(grant)") }
        }
        try isTrue(grant.shard == scenario.plan.shards[shard], "another shard")
        try isTrue(grant.firstChunk < scenario.chunks(ofShard: shard), "begins beyond the last chunk")
        try isTrue(grant.firstSample == grant.firstChunk * Scenario.chunkSize, "another first sample")
        try isTrue(
            scenario.plan.stages.contains {
                $0.name == grant.unit.stage && $0.fingerprint == grant.fingerprint && $0.reads == grant.reads
            }, "another stage")
        guard grant.reads != nil else {
            try isTrue(grant.offset == scenario.offset(of: grant.firstChunk, shard: shard), "another offset")
            return
        }
        for source in grant.sources {
            let record = store.records[grant.file(of: source)]
            try isTrue(record?.digest == source.digest, "a record file that is not there")
        }
    }
}
