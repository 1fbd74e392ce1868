import BolsterDeterminism
import BolsterLeasing
import BolsterMessaging
import Logging
import Testing

@testable import BolsterCoordinator

/// Frames that no worker would send. Each gets nowhere, costs little, and the run goes on.
@Suite("Hostile frames") struct HostileFrameTests {
    private let stages = [
        StagePlan(name: "captions", fingerprint: SHA256Hasher.digest(of: "c")),
        StagePlan(name: "texts", fingerprint: SHA256Hasher.digest(of: "t"), reads: "captions"),
    ]

    private func core() -> CoordinatorCore {
        let plan = LeaseLedger.Plan(
            stages: stages,
            shards: (0..<3).map {
                ShardReference(index: $0, name: "s\($0)", location: "/s", size: 9, version: "1")
            }, chunkSize: 4, limits: LeaseLimits())
        let welcome = Welcome(
            manifest: "m", manifestDirectory: "/", output: "/o", run: "r", stages: [], heartbeat: .seconds(2),
            expires: .seconds(20))
        let log = Logger(label: "t") { _ in SwiftLogNoOpLogHandler() }
        return CoordinatorCore(
            ledger: LeaseLedger(plan: plan, generation: 3), welcome: welcome, log: log, now: .zero)
    }

    private func frame(_ message: WorkerMessage, worker: String = "w", generation: UInt64 = 3) -> [UInt8] {
        WorkerFrame(worker: WorkerID(worker), incarnation: 1, generation: generation, message: message)
            .encode()
    }

    private var corpus: [[UInt8]] {
        let unit = UnitID(stage: "captions", shard: 0)
        let epoch = Epoch(generation: 3, grant: 1)
        let hello = Hello(host: "h", labels: ["a"], device: "cpu", computeClass: "c", program: "1")
        let result = ChunkResult(
            chunk: 0, digest: 1, bytes: 9, samples: 4, skipped: 0, isLast: false, rangeEnd: 8)
        let file = recordFileName(stage: "captions", shard: "s0", chunk: 0, epoch: epoch)
        let report = LeaseReport(epoch: epoch, phase: .working, chunk: 0, samplesDone: 3)
        return [
            frame(.hello(hello)), frame(.ask(Ask(number: 1, loadedStages: ["texts"], cachedShards: [1]))),
            frame(.heartbeat(Heartbeat(leases: [report], samplesPerSecond: 1))),
            frame(
                .commit(
                    Commit(
                        unit: unit, epoch: epoch, fingerprint: stages[0].fingerprint, file: file,
                        result: result))),
            frame(.announce(Announcement(unit: unit, epoch: epoch, sample: 1, key: "k"))),
            frame(.fail(Fail(unit: unit, epoch: epoch, blame: .model, message: "m", sample: "s"))),
            frame(.release(unit, epoch)), frame(.statusRequest), frame(.operatorRequest(.drain)),
            frame(.operatorRequest(.retry(RetryRequest(stages: ["texts"], units: [unit], shards: ["s1"])))),
            frame(
                .operatorRequest(
                    .invalidate(InvalidateRequest(worker: WorkerID("w"), since: 5, stage: "captions")))),
        ]
    }

    private func mutated(_ bytes: [UInt8], _ random: inout CounterRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<1 + random.integer(below: 3) {
            let place = bytes.isEmpty ? 0 : random.integer(below: bytes.count)
            switch random.integer(below: 5) {
            case 0 where !bytes.isEmpty: bytes[place] ^= UInt8(1 << random.integer(below: 8))
            case 1 where !bytes.isEmpty: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][random.integer(below: 5)]
            case 2: bytes.insert(UInt8(random.integer(below: 256)), at: place)
            case 3: bytes.removeLast(bytes.count - place)
            default: bytes += bytes.suffix(random.integer(below: 8) + 1)
            }
        }
        return bytes
    }

    @Test("Whatever is done to a frame, it is refused or harmless", arguments: 1...8) func fuzzed(seed: Int) {
        var random = CounterRandom(seed: UInt64(seed), purpose: .caption, key: "frames", index: 0)
        var core = core()
        var now = Duration.zero
        let peer = PeerID(routingID: [1], key: nil)
        for round in 0..<2_500 {
            let original = corpus[random.integer(below: corpus.count)]
            let bytes = round % 5 == 0 ? original : mutated(original, &random)
            var batch = CoordinatorCore.Batch()
            now += .milliseconds(200)
            core.received([IncomingFrame(peer: peer, bytes: bytes)], now: now, into: &batch)
            for (peer, request) in batch.orders {
                var more = CoordinatorCore.Batch()
                let reply = core.ordered(request, isOver: false, into: &more) { _ in
                    [UnitID(stage: "captions", shard: 0): [0]]
                }
                core.answer(.operatorReply(reply), to: peer, in: &more)
            }
            if round % 50 == 0 { core.ticked(now: now, into: &batch) }
            for answer in batch.answers {
                #expect(throws: Never.self) { try CoordinatorFrame.decode(answer.bytes) }
            }
            if core.supersededBy != nil { core.rumourDenied() }
        }
        #expect(core.status(now: now).refused[.unreadable] ?? 0 > 200)
    }

    @Test("A flood costs one line of a kind every ten seconds, which says how many there were") func lines() {
        let lines = LogLines()
        var tally = RefusalTally()
        let log = Logger(label: "t") { _ in lines.handler }
        for second in 0..<25 {
            for _ in 0..<1_000 { tally.add(.unreadable, "noise") }
            if second == 3 { tally.add(.hello, "a name") }
            tally.tell(log, now: .seconds(second))
        }
        #expect(tally.counts == [.unreadable: 25_000, .hello: 1])
        #expect(
            lines.texts == [
                "frames were refused unreadable 1000 noise", "a greeting was refused hello 1 a name",
                "frames were refused unreadable 10000 noise", "frames were refused unreadable 10000 noise",
            ])
    }

    @Test("A device that answers wrongly is named until a later start of its worker commits") func device()
        throws
    {
        var core = core()
        let peer = PeerID(routingID: [1], key: nil)
        func said(_ message: WorkerMessage, _ incarnation: UInt64 = 1) -> IncomingFrame {
            let frame = WorkerFrame(
                worker: WorkerID("n/cuda:3"), incarnation: incarnation, generation: 3, message: message)
            return IncomingFrame(peer: peer, bytes: frame.encode())
        }
        func answers(_ frames: [IncomingFrame], at now: Duration) throws -> [CoordinatorMessage] {
            var batch = CoordinatorCore.Batch()
            core.received(frames, now: now, into: &batch)
            return try batch.answers.map { try CoordinatorFrame.decode($0.bytes).message }
        }
        let hello = WorkerMessage.hello(
            Hello(host: "n", labels: [], device: "cuda:3", computeClass: "c", program: "1"))
        let ask = WorkerMessage.ask(Ask(number: 1, loadedStages: [], cachedShards: []))
        guard case .grant(let grant)? = try answers([said(hello), said(ask)], at: .zero).last else {
            Issue.record("no grant")
            return
        }
        let fail = Fail(unit: grant.unit, epoch: grant.epoch, blame: .device, message: "differs")
        let noted = try answers([said(.fail(fail))], at: .seconds(1))
        #expect(noted == [.noted(grant.epoch, attempts: 0, quarantined: false)])
        let device = RefusedDevice(
            worker: WorkerID("n/cuda:3"), host: "n", device: "cuda:3", stage: "captions", message: "differs",
            ago: .seconds(4))
        #expect(core.status(now: .seconds(5)).refusedDevices == [device])
        guard case .grant(let again)? = try answers([said(hello, 2), said(ask, 2)], at: .seconds(6)).last
        else {
            Issue.record("no grant")
            return
        }
        let result = ChunkResult(
            chunk: 0, digest: 1, bytes: 9, samples: 4, skipped: 0, isLast: false, rangeEnd: 8)
        let commit = Commit(
            unit: again.unit, epoch: again.epoch, fingerprint: again.fingerprint, file: again.file(chunk: 0),
            result: result)
        #expect(core.status(now: .seconds(6)).refusedDevices.count == 1)
        _ = try answers([said(.commit(commit), 2)], at: .seconds(7))
        #expect(core.status(now: .seconds(7)).refusedDevices == [])
    }

    @Test("What decodes is what was said: encoding it again and decoding gives the same") func stable() throws
    {
        var random = CounterRandom(seed: 9, purpose: .caption, key: "stable", index: 0)
        var decoded = 0
        for _ in 0..<20_000 {
            let bytes = mutated(corpus[random.integer(below: corpus.count)], &random)
            let frame: WorkerFrame
            do throws(LeasingError) { frame = try WorkerFrame.decode(bytes) } catch { continue }
            decoded += 1
            let again = try WorkerFrame.decode(frame.encode())
            // A rate that is no number equals nothing, itself included.
            #expect(again == frame || "\(again)" == "\(frame)")
        }
        #expect(decoded > 1_000)
    }
}
