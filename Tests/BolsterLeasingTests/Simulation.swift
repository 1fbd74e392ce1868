import BolsterDeterminism

@testable import BolsterLeasing

/// A whole run in one thread and in virtual time: the production ledger and sessions over a network that
/// loses, doubles, delays and reorders, with workers and coordinators that die, pause and come back. The
/// same seed gives the same run.
///
/// Time goes in steps of a quarter second. Until `calmAfter` faults happen; then the run has to end.
final class Simulation {
    struct Settings {
        var shards = 3
        var workers = 3
        /// Index in shard 0 of a sample that kills whoever computes it; nil: none.
        var poison: Int?
        var calmAfter: Duration = .seconds(900)
        var endsBefore: Duration = .seconds(6_000)
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    enum Destination {
        case coordinator(worker: Int)
        case worker(Int, incarnation: UInt64)
    }

    struct Parcel {
        let due: Duration
        let destination: Destination
        let bytes: [UInt8]
    }

    static let step: Duration = .milliseconds(250)
    static let chunksPerShard = 4

    let settings: Settings
    let plan: LeaseLedger.Plan
    var random: CounterRandom
    var now: Duration = .zero
    /// What survives a coordinator: written before any answer leaves.
    var journal: [LedgerChange] = []
    var ledger: TestLedger?
    var generation: UInt64 = 0
    var coordinatorBack: Duration = .zero
    var workers: [SimulatedWorker] = []
    var network: [Parcel] = []
    /// The output: record files by name, with what they hold.
    var store: [String: UInt64] = [:]
    /// What workers were told is committed.
    var acknowledged: Set<String> = []
    var kills = 0

    init(seed: UInt64, _ settings: Settings = Settings()) {
        self.settings = settings
        plan = BolsterLeasingTests.plan(shards: settings.shards)
        random = CounterRandom(seed: seed, purpose: .caption, key: "simulation", index: 0)
        workers = (0..<settings.workers).map { SimulatedWorker(number: $0) }
    }

    var isCalm: Bool { now >= settings.calmAfter }

    func chance(_ probability: Double) -> Bool { random.double() < probability }
    func time(_ low: Double, _ high: Double) -> Duration { .seconds(random.double(in: low, high)) }

    /// Runs to the end of the run, and checks what must hold.
    func run() throws {
        while true {
            now += Self.step
            guard now < settings.endsBefore else { throw Failure(description: "the run does not end") }
            try coordinate()
            for index in workers.indices { try workers[index].advance(in: self) }
            if let ledger, ledger.outcome != nil { break }
        }
        try check()
    }

    // MARK: Network

    func send(_ bytes: [UInt8], to destination: Destination) {
        if !isCalm, chance(0.03) { return }
        for _ in 0..<(!isCalm && chance(0.03) ? 2 : 1) {
            let delay = isCalm || chance(0.8) ? time(0, 0.2) : time(0, 8)
            network.append(Parcel(due: now + delay, destination: destination, bytes: bytes))
        }
    }

    func arrivals(_ mine: (Destination) -> Bool) -> [(Destination, [UInt8])] {
        let arrived = network.filter { $0.due <= now && mine($0.destination) }
        network.removeAll { $0.due <= now && mine($0.destination) }
        return arrived.map { ($0.destination, $0.bytes) }
    }

    // MARK: Coordinator

    private func coordinate() throws {
        if ledger == nil, now >= coordinatorBack {
            generation += 1
            let next = TestLedger(plan: plan, generation: generation)
            for change in journal { try next.replayed(change, now: now) }
            ledger = next
        }
        guard let ledger else {
            _ = arrivals { if case .coordinator = $0 { true } else { false } }
            return
        }
        var changes = ledger.ticked(now: now)
        var answers: [(Int, CoordinatorMessage)] = []
        for case (.coordinator(let worker), let bytes) in arrivals({
            if case .coordinator = $0 { true } else { false }
        }) {
            let frame = try WorkerFrame.decode(bytes)
            guard frame.generation <= generation else {
                throw Failure(description: "a generation from the future")
            }
            let answer = ledger.answer(frame, now: now, &changes)
            if let answer { answers.append((worker, answer)) }
        }
        // Death before the transaction loses what was decided, death after it only the answers.
        let dies = !isCalm && chance(0.002)
        if dies {
            kills += 1
            if chance(0.5) { journal += changes }
            self.ledger = nil
            coordinatorBack = now + time(0, 90)
            return
        }
        journal += changes
        for (worker, message) in answers {
            let frame = CoordinatorFrame(generation: generation, message: message)
            send(frame.encode(), to: .worker(worker, incarnation: workers[worker].incarnation))
        }
    }

    // MARK: Checks

    /// What chunk `chunk` of a unit must hold: texts follow from the captions that count.
    func content(_ unit: UnitID, _ chunk: Int, sources: [Grant.Source]) -> UInt64 {
        XXH64Hasher.hash(of: Array("\(unit) \(chunk) \(sources.map(\.digest))".utf8))
    }

    private func check() throws {
        let replayed = TestLedger(plan: plan, generation: generation + 1)
        var committed: Set<String> = []
        var finished: [UnitID: CommittedChunks] = [:]
        for change in journal {
            try replayed.replayed(change, now: now)
            switch change {
            case .committed(let unit, let chunk):
                committed.insert("\(unit) \(chunk.result.chunk) \(chunk.epoch)")
            case .finished(let unit, let chunks):
                finished[unit] = chunks
                for chunk in chunks.chunks {
                    committed.insert("\(unit) \(chunk.result.chunk) \(chunk.epoch)")
                }
            case .granted, .ended, .troubled, .quarantined, .retried, .reopened, .extended: break
            }
        }
        guard replayed.outcome == .complete else {
            throw Failure(description: "ends with \(replayed.outcome as Any)")
        }
        guard acknowledged.isSubset(of: committed) else {
            throw Failure(description: "acknowledged and lost: \(acknowledged.subtracting(committed))")
        }
        for (unit, chunks) in finished {
            guard chunks.chunks.count == Self.chunksPerShard else {
                throw Failure(description: "\(unit) has gaps")
            }
            let sources = plan.stages.first { $0.name == unit.stage }?.reads
                .flatMap { finished[UnitID(stage: $0, shard: unit.shard)] }
            for chunk in chunks.chunks {
                let file = recordFileName(
                    stage: unit.stage, shard: "s\(unit.shard)", chunk: chunk.result.chunk, epoch: chunk.epoch)
                let expected = content(
                    unit, chunk.result.chunk,
                    sources: sources.map { $0.chunks.map(Grant.Source.init) } ?? [])
                guard store[file] == expected, chunk.result.digest == expected else {
                    throw Failure(description: "\(file) is not what it must be")
                }
            }
        }
        let attempts = replayed.open.values.map(\.trouble.attempts).max() ?? 0
        guard attempts == 0 else { throw Failure(description: "an attempt was burnt") }
    }
}

extension Grant.Source {
    init(_ chunk: CommittedChunk) {
        self.init(
            chunk: chunk.result.chunk, epoch: chunk.epoch, digest: chunk.result.digest,
            samples: chunk.result.samples)
    }
}

extension TestLedger {
    /// What a coordinator does with one frame, as CoordinatorCore does.
    func answer(_ frame: WorkerFrame, now: Duration, _ changes: inout [LedgerChange]) -> CoordinatorMessage? {
        let sender = Sender(worker: frame.worker, incarnation: frame.incarnation, key: nil)
        switch frame.message {
        case .hello(let hello):
            switch helloReceived(hello, from: sender, now: now) {
            case .welcome(let ended):
                changes += ended
                return .welcome(SimulatedWorker.welcome(plan))
            case .refuse(let refusal): return .refused(refusal)
            }
        case .ask(let ask):
            switch askReceived(ask, from: sender, now: now) {
            case .grant(let grant, let change):
                changes.append(change)
                return .grant(grant)
            case .repeated(let grant): return .grant(grant)
            case .wait(let time): return .wait(ask: ask.number, retry: time)
            case .finished(let quarantined, let blocked):
                return .finished(quarantined: quarantined, blocked: blocked)
            case .drain: return .drain
            case .ignore: return nil
            case .refuse(let refusal): return .refused(refusal)
            }
        case .heartbeat(let heartbeat):
            switch heartbeatReceived(heartbeat, from: sender, following: frame.generation, now: now) {
            case .reply(let revoked, let drain, let ended):
                changes += ended
                return .heartbeatReply(revoked: revoked, drain: drain)
            case .refuse(let refusal): return .refused(refusal)
            }
        case .commit(let commit):
            switch commitReceived(commit, from: sender, now: now) {
            case .journal(let change, let unitDone):
                changes.append(change)
                return .committed(commit.epoch, chunk: commit.result.chunk, unitDone: unitDone)
            case .acknowledge(let unitDone):
                return .committed(commit.epoch, chunk: commit.result.chunk, unitDone: unitDone)
            case .refuse(let reason, let message):
                return .commitRefused(commit.epoch, chunk: commit.result.chunk, reason, message: message)
            }
        case .release(_, let epoch):
            if case .journal(let ended) = releaseReceived(epoch, from: sender, now: now) { changes += ended }
            return .released(epoch)
        case .announce(let announcement):
            guard case .proceed = announcementReceived(announcement, from: sender, now: now) else {
                return nil
            }
            return .announced(announcement.epoch, sample: announcement.sample)
        case .fail, .statusRequest, .operatorRequest:
            return nil
        }
    }
}
