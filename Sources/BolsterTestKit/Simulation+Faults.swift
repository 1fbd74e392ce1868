import BolsterLeasing

/// A kind of thing that goes wrong by time.
enum Fault: CaseIterable {
    case partition, killWorker, freezeWorker, hangDevice, stopWorker, twin
    case killCoordinator, freezeCoordinator, rival, loseState, drain
    case retry, invalidate, extend
    case fullDisk, fullStore, clockJump, forgery, cutStore
}

enum Mending {
    case disk(host: Int)
    case store
    case storeLink(host: Int)
}

extension Simulation {
    private func rate(_ fault: Fault) -> Double {
        let faults = scenario.faults
        return switch fault {
        case .partition: faults.partition
        case .killWorker: faults.killWorker
        case .freezeWorker: faults.freezeWorker
        case .hangDevice: faults.hangDevice
        case .stopWorker: faults.stopWorker
        case .twin: faults.twin
        case .killCoordinator: faults.killCoordinator
        case .freezeCoordinator: faults.freezeCoordinator
        case .rival: faults.rival
        case .loseState: faults.loseState
        case .drain: faults.drain
        case .retry: faults.retry
        case .invalidate: faults.invalidate
        case .extend: faults.extend
        case .fullDisk: faults.fullDisk
        case .fullStore: faults.fullStore
        case .clockJump: faults.clockJump
        case .forgery: faults.forger
        case .cutStore: faults.partition / 2
        }
    }

    /// Draws when the fault happens next.
    func plan(_ fault: Fault) {
        let rate = rate(fault)
        guard rate > 0 else { return }
        let due = now + random.wait(perSecond: rate)
        if due < scenario.calmAt { events.insert(.fault(fault), due: due) }
    }

    func happen(_ fault: Fault) throws {
        counts.faults += 1
        switch fault {
        case .partition, .killWorker, .freezeWorker, .hangDevice, .stopWorker, .twin, .clockJump:
            try strikeWorker(fault)
        case .killCoordinator, .freezeCoordinator, .rival, .loseState, .cutStore: try strikeCoordinator(fault)
        case .drain, .retry, .invalidate, .extend: order(fault)
        case .fullDisk:
            hosts[currentHost].disk.isFull = true
            events.insert(.mend(.disk(host: currentHost)), due: now + random.time(1, 20))
        case .fullStore:
            store.isFull = true
            events.insert(.mend(.store), due: now + random.time(1, 20))
        case .forgery: forge()
        }
        plan(fault)
    }

    func mend(_ mending: Mending) {
        switch mending {
        case .disk(let host): hosts[host].disk.isFull = false
        case .store: store.isFull = false
        case .storeLink(let host): hosts[host].isCutFromStore = false
        }
    }

    // MARK: Workers

    private func strikeWorker(_ fault: Fault) throws {
        let numbers = workers.keys.sorted()
        guard let number = random.element(of: numbers), let worker = workers[number] else { return }
        note("\(fault) strikes worker \(number)")
        switch fault {
        case .killWorker: try endWorker(worker, why: "killed")
        case .freezeWorker: worker.frozenUntil = max(worker.frozenUntil, now + random.time(1, 60))
        case .hangDevice: worker.hungUntil = max(worker.hungUntil, now + random.time(5, 200))
        case .stopWorker:
            guard now >= worker.frozenUntil else { return }
            try act(worker, worker.session.machine.stopRequested(now: worker.clock.local(now)))
        case .twin: try startWorker(worker.slot, isTwin: true)
        case .partition:
            let until = now + random.time(1, 40)
            let direction = random.integer(below: 3)
            if direction != 0 { cutToCoordinator[worker.slot] = until }
            if direction != 1 { cutToWorker[worker.slot] = until }
        case .clockJump:
            if random.chance(0.3), let coordinator = coordinator() {
                let jump = random.time(0, 30)
                coordinator.clock.jump(jump)
                try observe(.clockJumped(jump))
            } else if random.chance(0.5) {
                worker.clock.jump(random.time(0, 60))
            } else {
                slots[worker.slot].wallOffset += random.integer(in: -600_000...600_000)
            }
        default: break
        }
    }

    // MARK: Coordinators

    private func coordinator() -> CoordinatorProcess? {
        random.element(of: coordinators.keys.sorted()).flatMap { coordinators[$0] }
    }

    /// A start that is killed while it waits begins anew.
    private func killTakeover() {
        guard let host = hosts.indices.first(where: { hosts[$0].takeover != nil }) else { return }
        hosts[host].takeover = nil
        hosts[host].disk.holder = nil
        restartCoordinator(host, after: random.time(0.1, 10))
    }

    private func crash() -> StateDisk.Crash { random.element(of: StateDisk.Crash.allCases) ?? .lost }

    private func strikeCoordinator(_ fault: Fault) throws {
        note("\(fault) strikes")
        switch fault {
        case .killCoordinator:
            guard let coordinator = coordinator() else { return killTakeover() }
            try endCoordinator(coordinator, crash(), why: "killed")
            if coordinator.host == currentHost {
                restartCoordinator(currentHost, after: random.time(0.1, 40))
            }
        case .freezeCoordinator:
            guard let coordinator = coordinator() else { return }
            let time = random.time(0.5, 40)
            coordinator.frozenUntil = max(coordinator.frozenUntil, now + time)
            try observe(.interrupted(time))
        case .rival:
            // Started elsewhere, while the one before may go on for a while.
            guard hosts.count < 6 else { return }
            hosts.append(Host())
            try startCoordinator(hosts.count - 1)
        case .loseState:
            if let number = hosts[currentHost].process, let coordinator = coordinators[number] {
                try endCoordinator(coordinator, .lost, why: "its machine is gone")
            }
            hosts[currentHost].disk.lose()
            hosts[currentHost].takeover = nil
            restartCoordinator(currentHost, after: random.time(0.1, 20))
        case .cutStore:
            guard let coordinator = coordinator() else { return }
            hosts[coordinator.host].isCutFromStore = true
            events.insert(.mend(.storeLink(host: coordinator.host)), due: now + random.time(1, 30))
        default: break
        }
    }

    /// An operator's order, from a connection of its own.
    private func order(_ fault: Fault) {
        guard let coordinator = coordinator() else { return }
        let request: OperatorRequest
        switch fault {
        case .retry: request = .retry(RetryRequest())
        case .invalidate:
            let names = slots.map(\.name)
            let stage = random.chance(0.3) ? random.element(of: scenario.plan.stages)?.name : nil
            request = .invalidate(
                InvalidateRequest(
                    worker: WorkerID(names[random.integer(below: names.count)]), since: 0, stage: stage))
        case .extend:
            // Those the run has are named again, as an operator's list would.
            let count = random.integer(in: scenario.shardsAtStart...scenario.plan.shards.count)
            request = .extend(ExtendRequest(shards: Array(scenario.plan.shards.prefix(count))))
        default: request = .drain
        }
        say(
            .operatorRequest(request), worker: WorkerID("operator"), key: scenario.hasKeys ? "operator" : nil,
            coordinator)
    }

    private func say(
        _ message: WorkerMessage, worker: WorkerID, incarnation: UInt64 = 1, generation: UInt64 = 0,
        key: String?,
        _ coordinator: CoordinatorProcess
    ) {
        let frame = WorkerFrame(
            worker: worker, incarnation: incarnation, generation: generation, message: message)
        let waiting = CoordinatorProcess.Waiting(process: 0, key: key, frame: frame, bytes: frame.encode())
        transmit(.toCoordinator(host: coordinator.host, waiting), isCut: false)
    }

    /// Repeats under another key what somebody else has said, sometimes under another name or as from the
    /// future.
    private func forge() {
        guard let coordinator = coordinator(), let frame = random.element(of: overheard) else { return }
        let isOwnName = random.chance(0.3)
        let worker = isOwnName ? WorkerID("forger") : frame.worker
        if isOwnName { say(.hello(Self.hello), worker: worker, key: "forger", coordinator) }
        let generation = random.chance(0.1) ? UInt64.max >> 1 : frame.generation
        say(
            frame.message, worker: worker, incarnation: isOwnName ? 1 : frame.incarnation,
            generation: generation,
            key: "forger", coordinator)
    }

    // MARK: Calm

    /// All is mended: what is frozen wakes, links and disks are whole, one coordinator and all workers run.
    func becomeCalm() {
        note("calm")
        cutToCoordinator = [:]
        cutToWorker = [:]
        store.isFull = false
        for host in hosts.indices {
            hosts[host].disk.isFull = false
            hosts[host].isCutFromStore = false
        }
        if hosts.allSatisfy({ $0.process == nil && $0.takeover == nil }) {
            restartCoordinator(currentHost, after: .seconds(1))
        }
        for slot in slots.indices
        where !slots[slot].isStarting && !workers.values.contains(where: { $0.slot == slot }) {
            slots[slot].isStarting = true
            events.insert(.startWorker(slot: slot), due: now + .seconds(1))
        }
    }
}
