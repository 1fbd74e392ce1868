import BolsterLeasing
import BolsterMessaging
import Logging

/// Frames in, journal changes and answers out: the ledger, and who is connected. No clock, no disk.
package struct CoordinatorCore: ~Copyable {
    /// What a batch of frames comes to. Answers leave once the changes are durable.
    package struct Batch {
        package var changes: [LedgerChange] = []
        package var answers: [OutgoingFrame] = []
        /// Operators' orders: carried out by `ordered` once the changes are durable.
        package var orders: [(peer: PeerID, request: OperatorRequest)] = []

        package init() {}
    }

    package var ledger: LeaseLedger
    /// Without a commit for so long, the status says that the run is stalled.
    package var stallAfter = StallAlarm.patience
    private let welcome: Welcome
    private let run: String
    let log: Logger
    /// Where each worker was last heard.
    private var peers: [WorkerID: PeerID] = [:]
    private var meter = RateMeter()
    var devices = DeviceMeter()
    /// When a chunk last counted.
    var lastCommit: Duration
    var refusals = RefusalTally()
    private var refusedDevices = RefusedDevices()
    private let started: Duration
    /// A frame told of a coordinator of this later generation; whether there is one, the output knows.
    package private(set) var supersededBy: UInt64?
    /// Frames that told so.
    private var rumours = 0

    package init(ledger: consuming LeaseLedger, welcome: Welcome, log: Logger, now: Duration) {
        self.ledger = ledger
        self.welcome = welcome
        self.run = welcome.run
        self.log = log
        started = now
        lastCommit = now
        meter.measured(self.ledger.stageCounts, now: now)
    }

    /// There is no such coordinator: whoever said so was wrong, or lied.
    package mutating func rumourDenied() {
        refusals.add(.generation, count: rumours, "nobody has claimed generation \(supersededBy ?? 0)")
        (supersededBy, rumours) = (nil, 0)
    }

    /// Applies every frame of a batch, in order.
    package mutating func received(_ frames: [IncomingFrame], now: Duration, into batch: inout Batch) {
        for frame in frames {
            do throws(LeasingError) {
                let message = try WorkerFrame.decode(frame.bytes)
                guard message.generation <= ledger.generation else {
                    supersededBy = message.generation
                    rumours += 1
                    continue
                }
                apply(message, from: frame.peer, now: now, into: &batch)
            } catch {
                // The other side can only act on a wrong version; noise gets no answer.
                guard case .version = error.code else {
                    refusals.add(.unreadable, "\(frame.peer): \(error)")
                    continue
                }
                refusals.add(.version, "\(frame.peer): \(error)")
                answer(.refused(Refusal(.version, error.message)), to: frame.peer, in: &batch)
            }
        }
    }

    /// Once a second or so: deadlines, and how fast it goes.
    package mutating func ticked(now: Duration, into batch: inout Batch) {
        refusals.tell(log, now: now)
        let changes = ledger.ticked(now: now)
        for case .ended(let unit, let epoch) in changes {
            log.warning(
                "a lease has ended without a word from its worker",
                metadata: [LogKey.unit: "\(unit)", LogKey.epoch: "\(epoch)"])
        }
        batch.changes += changes
        meter.measured(ledger.stageCounts, now: now)
        devices.ticked(connected: ledger.devicesConnected(now: now), now: now)
    }

    /// - Parameter workersMax: workers and units listed, where more are wanted than a message holds.
    package func status(now: Duration, workersMax: Int? = nil) -> StatusReply {
        let rates = ledger.plan.stages.enumerated().map { ($1.name, meter.samplesPerSecond(stage: $0)) }
        var status = ledger.status(
            run: run, samplesPerSecond: Dictionary(uniqueKeysWithValues: rates), running: now - started,
            now: now, workersMax: workersMax ?? StatusReply.workersMax,
            unitsMax: max(workersMax ?? 0, StatusReply.quarantinedMax))
        status.uses = devices.uses(stages: status.stages.map(\.stage))
        status.devices = devices.devices(connected: ledger.devicesConnected(now: now))
        status.silent = now - lastCommit
        status.refused = refusals.counts
        status.refusedDevices = refusedDevices.list(now: now)
        status.isStalled = status.state != .finished && status.silent >= stallAfter
        return status
    }

    /// Says the same to every worker heard of.
    package func tellAll(_ message: CoordinatorMessage, in batch: inout Batch) {
        for peer in peers.values { answer(message, to: peer, in: &batch) }
    }

    // MARK: One message

    private mutating func apply(
        _ frame: WorkerFrame, from peer: PeerID, now: Duration, into batch: inout Batch
    ) {
        let sender = LeaseLedger.Sender(worker: frame.worker, incarnation: frame.incarnation, key: peer.key)
        switch frame.message {
        case .hello(let hello):
            greeted(hello, sender, peer, now, &batch)
        case .ask(let ask):
            asked(ask, sender, peer, now, &batch)
        case .heartbeat(let heartbeat):
            let following = frame.generation
            switch ledger.heartbeatReceived(heartbeat, from: sender, following: following, now: now) {
            case .reply(let revoked, let drain, let changes):
                batch.changes += changes
                answer(.heartbeatReply(revoked: revoked, drain: drain), to: peer, in: &batch)
            case .refuse(let refusal): answer(.refused(refusal), to: peer, in: &batch)
            }
        case .commit(let commit):
            committed(commit, sender, peer, now, &batch)
        case .release(_, let epoch):
            switch ledger.releaseReceived(epoch, from: sender, now: now) {
            case .journal(let changes):
                batch.changes += changes
                answer(.released(epoch), to: peer, in: &batch)
            case .acknowledge: answer(.released(epoch), to: peer, in: &batch)
            case .refuse(let refusal): answer(.refused(refusal), to: peer, in: &batch)
            }
        case .fail(let fail):
            failed(fail, sender, peer, now, &batch)
        case .announce(let announcement):
            switch ledger.announcementReceived(announcement, from: sender, now: now) {
            case .proceed:
                answer(.announced(announcement.epoch, sample: announcement.sample), to: peer, in: &batch)
            case .ignore: break
            case .refuse(let refusal): answer(.refused(refusal), to: peer, in: &batch)
            }
        case .statusRequest:
            answer(.statusReply(status(now: now)), to: peer, in: &batch)
        case .operatorRequest(let request):
            batch.orders.append((peer, request))
        }
    }

    private mutating func greeted(
        _ hello: Hello, _ sender: LeaseLedger.Sender, _ peer: PeerID, _ now: Duration, _ batch: inout Batch
    ) {
        switch ledger.helloReceived(hello, from: sender, now: now) {
        case .welcome(let changes):
            batch.changes += changes
            let isNew = peers[sender.worker] != peer
            if peers.count < LeaseLedger.workersMax || peers[sender.worker] != nil {
                peers[sender.worker] = peer
            }
            log.log(
                level: isNew ? .info : .debug, "a worker has come",
                metadata: [LogKey.worker: "\(sender.worker)", LogKey.host: "\(hello.host)"])
            answer(.welcome(welcome), to: peer, in: &batch)
        case .refuse(let refusal):
            refusals.add(.hello, "\(peer) as \(sender.worker): \(refusal.message)")
            answer(.refused(refusal), to: peer, in: &batch)
        }
    }

    private mutating func asked(
        _ ask: Ask, _ sender: LeaseLedger.Sender, _ peer: PeerID, _ now: Duration, _ batch: inout Batch
    ) {
        switch ledger.askReceived(ask, from: sender, now: now) {
        case .grant(let grant, let change):
            batch.changes.append(change)
            log.debug(
                "a lease begins",
                metadata: [
                    LogKey.unit: "\(grant.unit)", LogKey.worker: "\(sender.worker)",
                    LogKey.epoch: "\(grant.epoch)",
                ])
            answer(.grant(grant), to: peer, in: &batch)
        case .repeated(let grant): answer(.grant(grant), to: peer, in: &batch)
        case .wait(let time): answer(.wait(ask: ask.number, retry: time), to: peer, in: &batch)
        case .finished(let quarantined, let blocked):
            answer(.finished(quarantined: quarantined, blocked: blocked), to: peer, in: &batch)
        case .drain: answer(.drain, to: peer, in: &batch)
        case .ignore: break
        case .refuse(let refusal): answer(.refused(refusal), to: peer, in: &batch)
        }
    }

    private mutating func committed(
        _ commit: Commit, _ sender: LeaseLedger.Sender, _ peer: PeerID, _ now: Duration, _ batch: inout Batch
    ) {
        let chunk = commit.result.chunk
        switch ledger.commitReceived(commit, from: sender, now: now) {
        case .journal(let change, let unitDone):
            batch.changes.append(change)
            lastCommit = now
            refusedDevices.committed(sender, stage: commit.unit.stage)
            devices.committed(
                stage: commit.unit.stage, device: ledger.deviceType(of: sender.worker) ?? "unknown",
                samples: commit.result.samples, time: commit.deviceTime)
            if unitDone {
                log.info(
                    "a unit is done",
                    metadata: [LogKey.unit: "\(commit.unit)", LogKey.worker: "\(sender.worker)"])
            }
            answer(.committed(commit.epoch, chunk: chunk, unitDone: unitDone), to: peer, in: &batch)
        case .acknowledge(let unitDone):
            answer(.committed(commit.epoch, chunk: chunk, unitDone: unitDone), to: peer, in: &batch)
        case .refuse(let reason, let message):
            if let kind = RefusalKind(reason) {
                refusals.add(
                    kind, "chunk \(chunk) of \(commit.unit) from \(sender.worker), \(peer): \(message)")
            }
            answer(.commitRefused(commit.epoch, chunk: chunk, reason, message: message), to: peer, in: &batch)
        }
    }

    private mutating func failed(
        _ fail: Fail, _ sender: LeaseLedger.Sender, _ peer: PeerID, _ now: Duration, _ batch: inout Batch
    ) {
        switch ledger.failReceived(fail, from: sender, now: now) {
        case .journal(let changes, let attempts, let quarantined):
            batch.changes += changes
            let isDevice = fail.blame == .device
            if isDevice { refusedDevices.append(sender, ledger.hello(of: sender.worker), fail, now: now) }
            log.error(
                isDevice
                    ? "a device answers wrongly and gets no more leases of the stage"
                    : quarantined ? "a unit is quarantined" : "a unit has failed",
                metadata: [
                    LogKey.unit: "\(fail.unit)", LogKey.worker: "\(sender.worker)",
                    LogKey.attempts: "\(attempts)",
                    LogKey.reason: "\(fail.message)",
                ])
            answer(.noted(fail.epoch, attempts: attempts, quarantined: quarantined), to: peer, in: &batch)
        case .acknowledge(let attempts, let quarantined):
            answer(.noted(fail.epoch, attempts: attempts, quarantined: quarantined), to: peer, in: &batch)
        case .refuse(let refusal): answer(.refused(refusal), to: peer, in: &batch)
        }
    }

    package func answer(_ message: CoordinatorMessage, to peer: PeerID, in batch: inout Batch) {
        let frame = CoordinatorFrame(generation: ledger.generation, message: message)
        batch.answers.append(OutgoingFrame(peer: peer, bytes: frame.encode()))
    }
}
