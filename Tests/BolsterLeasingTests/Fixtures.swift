import BolsterDeterminism

@testable import BolsterLeasing

func fingerprint(_ text: String) -> SHA256Digest { SHA256Hasher.digest(of: text) }

/// Stages captions -> texts, and views; `shards` shards called s0, s1…; chunks of four samples.
func plan(shards: Int, stages: [StagePlan]? = nil, limits: LeaseLimits = LeaseLimits()) -> LeaseLedger.Plan {
    LeaseLedger.Plan(
        stages: stages ?? [
            StagePlan(name: "captions.a", fingerprint: fingerprint("a")),
            StagePlan(name: "views", fingerprint: fingerprint("v")),
            StagePlan(name: "texts.a", fingerprint: fingerprint("t"), reads: "captions.a"),
        ],
        shards: (0..<shards).map {
            ShardReference(index: $0, name: "s\($0)", location: "/in/s\($0).tar", size: 1000, version: "7")
        }, chunkSize: 4, limits: limits)
}

let oneStage = [StagePlan(name: "views", fingerprint: fingerprint("v"))]

/// A ledger that expectations can call: their macros take no noncopyable value.
final class TestLedger {
    var machine: LeaseLedger
    init(plan: LeaseLedger.Plan, generation: UInt64) {
        machine = LeaseLedger(plan: plan, generation: generation)
    }

    var plan: LeaseLedger.Plan { machine.plan }
    var outcome: LeaseLedger.Outcome? { machine.outcome }
    var leasesLiving: Int { machine.leasesLiving }
    var stageCounts: [StageStatus] { machine.stageCounts }
    var open: [Int: LeaseLedger.OpenUnit] { machine.open }

    typealias Sender = LeaseLedger.Sender

    func helloReceived(_ hello: Hello, from sender: Sender, now: Duration) -> LeaseLedger.OnHello {
        machine.helloReceived(hello, from: sender, now: now)
    }
    func askReceived(_ ask: Ask, from sender: Sender, now: Duration) -> LeaseLedger.OnAsk {
        machine.askReceived(ask, from: sender, now: now)
    }
    func heartbeatReceived(
        _ heartbeat: Heartbeat, from sender: Sender, following: UInt64 = 1, now: Duration
    ) -> LeaseLedger.OnHeartbeat {
        machine.heartbeatReceived(heartbeat, from: sender, following: following, now: now)
    }
    func commitReceived(_ commit: Commit, from sender: Sender, now: Duration) -> LeaseLedger.OnCommit {
        machine.commitReceived(commit, from: sender, now: now)
    }
    func releaseReceived(_ epoch: Epoch, from sender: Sender, now: Duration) -> LeaseLedger.OnRelease {
        machine.releaseReceived(epoch, from: sender, now: now)
    }
    func failReceived(_ fail: Fail, from sender: Sender, now: Duration) -> LeaseLedger.OnFail {
        machine.failReceived(fail, from: sender, now: now)
    }
    func announcementReceived(
        _ announcement: Announcement, from sender: Sender, now: Duration
    ) -> LeaseLedger.OnAnnouncement {
        machine.announcementReceived(announcement, from: sender, now: now)
    }
    func ticked(now: Duration) -> [LedgerChange] { machine.ticked(now: now) }
    func drainRequested() { machine.drainRequested() }
    func replayed(_ change: LedgerChange, now: Duration) throws { try machine.replayed(change, now: now) }
    func quarantinedUnits(max limit: Int) -> [QuarantinedUnit] { machine.quarantinedUnits(max: limit) }
}

/// A worker that speaks with a ledger directly.
final class TestWorker {
    let sender: LeaseLedger.Sender
    var asks: UInt64 = 0

    init(_ name: String, incarnation: UInt64 = 1, key: String? = nil) {
        sender = LeaseLedger.Sender(worker: WorkerID(name), incarnation: incarnation, key: key)
    }

    static let hello = Hello(host: "h", labels: [], device: "cpu", computeClass: "c", program: "1")

    @discardableResult
    func greet(_ ledger: TestLedger, at now: Duration = .zero) -> LeaseLedger.OnHello {
        ledger.helloReceived(Self.hello, from: sender, now: now)
    }

    func ask(
        _ ledger: TestLedger, loaded: [String] = [], cached: [Int] = [], at now: Duration = .zero
    ) -> LeaseLedger.OnAsk {
        asks += 1
        return ledger.askReceived(
            Ask(number: asks, loadedStages: loaded, cachedShards: cached), from: sender, now: now)
    }

    /// The grant of a new Ask; nil where none came.
    func lease(
        _ ledger: TestLedger, loaded: [String] = [], at now: Duration = .zero
    ) -> Grant? {
        guard case .grant(let grant, _) = ask(ledger, loaded: loaded, at: now) else { return nil }
        return grant
    }

    func commit(
        _ grant: Grant, chunk: Int, isLast: Bool = false, digest: UInt64 = 99, to ledger: TestLedger,
        at now: Duration = .zero
    ) -> LeaseLedger.OnCommit {
        ledger.commitReceived(
            commitment(grant, chunk: chunk, isLast: isLast, digest: digest), from: sender, now: now)
    }

    func report(
        _ grant: Grant, _ phase: LeaseReport.Phase = .working, samples: Int, chunk: Int = 0,
        to ledger: TestLedger, at now: Duration
    ) -> LeaseLedger.OnHeartbeat {
        let report = LeaseReport(epoch: grant.epoch, phase: phase, chunk: chunk, samplesDone: samples)
        return ledger.heartbeatReceived(
            Heartbeat(leases: [report], samplesPerSecond: 1), from: sender, now: now)
    }

    func fail(_ grant: Grant, _ ledger: TestLedger, at now: Duration = .zero) -> LeaseLedger.OnFail {
        ledger.failReceived(
            Fail(unit: grant.unit, epoch: grant.epoch, blame: .shard, message: "broken"), from: sender,
            now: now)
    }
}

func commitment(_ grant: Grant, chunk: Int, isLast: Bool = false, digest: UInt64 = 99) -> Commit {
    Commit(
        unit: grant.unit, epoch: grant.epoch, fingerprint: grant.fingerprint, file: grant.file(chunk: chunk),
        result: chunkResult(chunk, isLast: isLast, digest: digest))
}

func chunkResult(_ chunk: Int, isLast: Bool = false, digest: UInt64 = 99) -> ChunkResult {
    ChunkResult(
        chunk: chunk, digest: digest, bytes: 500, samples: isLast ? 3 : 4, skipped: 1, isLast: isLast,
        rangeEnd: Int64(chunk + 1) * 4096)
}

extension LeaseLedger.OnCommit {
    var isJournalled: Bool { if case .journal = self { true } else { false } }
    var isAcknowledged: Bool { if case .acknowledge = self { true } else { false } }
    var refusal: CommitRefusal? { if case .refuse(let reason, _) = self { reason } else { nil } }
}
