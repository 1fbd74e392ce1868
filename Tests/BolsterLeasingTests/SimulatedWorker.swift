@testable import BolsterLeasing

/// One worker of a simulation: the production session, and a compute thread that takes virtual time.
final class SimulatedWorker {
    private struct Work {
        let grant: Grant
        var chunk: Int
        var doneAt: Duration
        /// In isolation: the sample to rehearse next, and whether its answer is awaited.
        var rehearsing: Int?
        var isAwaiting = false
        var mustStop = false
        var isAbandoned = false
        var samples = 0
    }

    private final class SessionBox {
        var machine: WorkerSession
        init(_ configuration: WorkerSession.Configuration) { machine = WorkerSession(configuration) }
    }

    let number: Int
    private(set) var incarnation: UInt64 = 0
    private var session: SessionBox?
    private var back: Duration = .zero
    private var asleepUntil: Duration = .zero
    private var work: Work?

    init(number: Int) { self.number = number }

    static func welcome(_ plan: LeaseLedger.Plan) -> Welcome {
        Welcome(
            manifest: "m", manifestDirectory: "/", output: "/o", run: "r",
            stages: plan.stages.map { .init(stage: $0.name, fingerprint: $0.fingerprint) },
            heartbeat: .seconds(2),
            expires: .seconds(20))
    }

    func advance(in world: Simulation) throws {
        if session == nil {
            guard world.now >= back else { return }
            incarnation += 1
            var configuration = WorkerSession.Configuration(
                worker: WorkerID("w\(number)"), incarnation: incarnation, hello: TestWorker.hello)
            configuration.leasesWanted = 1
            session = SessionBox(configuration)
            act(session!.machine.connected(now: world.now), world)
        }
        if !world.isCalm {
            if world.chance(0.003) { return die(world) }
            if world.chance(0.002) { asleepUntil = world.now + world.time(0, 60) }
        }
        guard world.now >= asleepUntil else { return }
        let mine = incarnation
        let arrived = world.arrivals {
            if case .worker(self.number, let incarnation) = $0 { incarnation == mine } else { false }
        }
        for (_, bytes) in arrived where session != nil {
            let frame = try CoordinatorFrame.decode(bytes)
            if case .committed(let epoch, let chunk, _) = frame.message, let unit = units[epoch] {
                world.acknowledged.insert("\(unit) \(chunk) \(epoch)")
            }
            act(session!.machine.received(frame, now: world.now), world)
        }
        if session != nil { act(session!.machine.ticked(now: world.now), world) }
        if session != nil { compute(world) }
    }

    private var units: [Epoch: UnitID] = [:]

    private func die(_ world: Simulation) {
        world.kills += 1
        session = nil
        work = nil
        back = world.now + world.time(0, 40)
    }

    private func act(_ actions: [WorkerSession.Action], _ world: Simulation) {
        for action in actions {
            switch action {
            case .send(let frame): world.send(frame.encode(), to: .coordinator(worker: number))
            case .configure: act(session!.machine.ready(loadedStages: [], now: world.now), world)
            case .start(let grant):
                units[grant.epoch] = grant.unit
                work = Work(
                    grant: grant, chunk: grant.firstChunk, doneAt: world.now + world.time(1, 30),
                    rehearsing: grant.isolation.isEmpty ? nil : 4 * grant.isolation[0].chunk)
            case .stopAtBoundary(let epoch): if work?.grant.epoch == epoch { work?.mustStop = true }
            case .abandon(let epoch, _): if work?.grant.epoch == epoch { work?.isAbandoned = true }
            case .proceed(_, let sample):
                guard work?.rehearsing == sample else { continue }
                if sample == world.settings.poison, work?.grant.unit.shard == 0 { return die(world) }
                work?.isAwaiting = false
                work?.rehearsing = sample % 4 == 3 ? nil : sample + 1
            case .reconnect: act(session!.machine.connected(now: world.now), world)
            case .exit:
                session = nil
                work = nil
                back = world.now + .seconds(1)
                return
            }
            if session == nil { return }
        }
    }

    private func compute(_ world: Simulation) {
        guard var current = work else { return }
        let grant = current.grant
        if current.isAbandoned { return end(.stopped, world) }
        if let sample = current.rehearsing {
            guard !current.isAwaiting else { return }
            if grant.isolation[0].skip.contains(sample) {
                work?.rehearsing = sample % 4 == 3 ? nil : sample + 1
            } else {
                work?.isAwaiting = true
                act(
                    session!.machine.sampleAnnounced(
                        grant.epoch, sample: sample, key: "k\(sample)", now: world.now), world)
            }
            return
        }
        current.samples += 1
        work = current
        session!.machine.progressed(
            grant.epoch, phase: .working, chunk: current.chunk, samplesDone: current.samples)
        while grant.isCommitted(current.chunk) { current.chunk += 1 }
        guard current.chunk < Simulation.chunksPerShard else { return end(.complete, world) }
        guard world.now >= current.doneAt else { return }
        let skipped = grant.isolation.flatMap(\.skip)
        if let poison = world.settings.poison, grant.unit.shard == 0, poison / 4 == current.chunk,
            !skipped.contains(poison)
        {
            return die(world)
        }
        guard !session!.machine.isFull else { return }
        commit(grant, current.chunk, world)
        guard session != nil, work != nil else { return }
        if current.mustStop { return end(.stopped, world) }
        work!.chunk = current.chunk + 1
        work!.doneAt = world.now + world.time(1, 30)
        if work!.chunk == Simulation.chunksPerShard { end(.complete, world) }
    }

    private func commit(_ grant: Grant, _ chunk: Int, _ world: Simulation) {
        let content = world.content(grant.unit, chunk, sources: grant.sources)
        let file = grant.file(chunk: chunk)
        precondition(world.store[file] == nil || world.store[file] == content, "\(file) is overwritten")
        world.store[file] = content
        let result = ChunkResult(
            chunk: chunk, digest: content, bytes: 8, samples: 4, skipped: 0,
            isLast: chunk == Simulation.chunksPerShard - 1, rangeEnd: Int64(chunk + 1) * 512)
        act(session!.machine.chunkFinished(grant, result, now: world.now), world)
    }

    private func end(_ end: WorkerSession.WorkEnd, _ world: Simulation) {
        guard let epoch = work?.grant.epoch else { return }
        work = nil
        act(session!.machine.workEnded(epoch, end, now: world.now), world)
    }
}
