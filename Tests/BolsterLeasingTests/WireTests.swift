import Testing

@testable import BolsterLeasing

@Suite("Wire") struct WireTests {
    static let epoch = Epoch(generation: 3, grant: 77)
    static let unit = UnitID(stage: "captions.syn_text", shard: 65_535)

    static let grant = Grant(
        ask: 9, unit: unit,
        shard: ShardReference(index: 65_535, name: "s", location: "/in/s.tar", size: 1 << 40, version: "abc"),
        fingerprint: fingerprint("x"), epoch: epoch, committed: [0..<2, 5..<6], firstChunk: 2,
        offset: 1 << 35,
        firstSample: 2048, reads: "captions.a",
        sources: [Grant.Source(chunk: 1, epoch: epoch, digest: .max, samples: 4)],
        isolation: [Grant.Isolation(chunk: 2, skip: [2050, 2051])])

    static let fromWorkers: [WorkerMessage] = [
        .hello(Hello(host: "h", labels: ["gpu", "ü"], device: "cuda:0", computeClass: "c", program: "1")),
        .ask(Ask(number: .max, loadedStages: ["views"], cachedShards: [0, 7])),
        .heartbeat(
            Heartbeat(
                leases: [
                    LeaseReport(epoch: epoch, phase: .queued, chunk: 0, samplesDone: 0),
                    LeaseReport(epoch: epoch, phase: .loading, chunk: 1, samplesDone: 1),
                    LeaseReport(epoch: epoch, phase: .working, chunk: 2, samplesDone: 1 << 40),
                ], samplesPerSecond: 12.5,
                waits: StepWaits(reading: 0.5, augmentation: 0.25, model: 0, writing: 1))),
        .commit(
            Commit(
                unit: unit, epoch: epoch, fingerprint: fingerprint("x"), file: "records/x",
                result: ChunkResult(
                    chunk: 7, digest: .max, bytes: 1 << 33, samples: 1024, skipped: 1024, isLast: true,
                    rangeEnd: 1 << 40), deviceTime: .milliseconds(5_250))),
        .release(unit, epoch),
        .fail(Fail(unit: unit, epoch: epoch, blame: .model, message: "no\nmodel", sample: "a/b")),
        .fail(Fail(unit: unit, epoch: epoch, blame: .worker, message: "", sample: nil)),
        .announce(Announcement(unit: unit, epoch: epoch, sample: 12, key: "k")),
        .statusRequest, .operatorRequest(.drain), .operatorRequest(.retry(RetryRequest())),
        .operatorRequest(.retry(RetryRequest(stages: ["views"], units: [unit], shards: ["s"]))),
        .operatorRequest(
            .invalidate(InvalidateRequest(worker: WorkerID("n/0"), since: 1 << 33, stage: "views"))),
        .operatorRequest(.invalidate(InvalidateRequest(worker: WorkerID("n/0"), since: -1))),
        .operatorRequest(.extend(ExtendRequest(shards: [grant.shard]))),
    ]

    static var status: StatusReply {
        var stage = StageStatus(stage: "views")
        (stage.units, stage.done, stage.open, stage.quarantined, stage.blocked) = (9, 4, 3, 2, 1)
        (stage.chunks, stage.samples, stage.skipped, stage.samplesPerSecond) = (11, 12, 13, 14.5)
        (stage.reads, stage.samplesLeft) = ("captions.a", 1 << 40)
        var status = StatusReply(
            run: "r", state: .draining, stages: [stage],
            workers: [
                WorkerStatus(
                    worker: WorkerID("w"), host: "h", device: "cpu", leases: 2, samplesPerSecond: 1.5,
                    silent: .milliseconds(1500), stages: ["views"], bottleneck: .augmentation)
            ], workersTotal: 10_000,
            quarantined: [QuarantinedUnit(unit: unit, shard: "s", attempts: 3, message: "m")],
            running: .milliseconds(123_456))
        status.failing = [QuarantinedUnit(unit: unit, shard: "s", attempts: 1, message: "n")]
        status.uses = [DeviceUse(stage: "views", device: "cuda", samples: 12, time: .seconds(34))]
        status.devices = [DeviceStatus(device: "cuda", connected: 8, held: .seconds(40))]
        (status.silent, status.isStalled) = (.seconds(1801), true)
        status.refused = [.stranger: 4, .commitNotGranted: 1 << 40]
        status.refusedDevices = [
            RefusedDevice(
                worker: WorkerID("n/3"), host: "n", device: "cuda:3", stage: "views", message: "differs",
                ago: .seconds(9))
        ]
        return status
    }

    static let fromCoordinators: [CoordinatorMessage] = [
        .welcome(
            Welcome(
                manifest: "name: x\n", manifestDirectory: "/m", output: "/out", run: "x",
                stages: [.init(stage: "views", fingerprint: fingerprint("v"))],
                heartbeat: .milliseconds(2_500),
                expires: .seconds(20))),
        .refused(Refusal(.nameTaken, "no")), .refused(Refusal(.unknownWorker, "")), .grant(grant),
        .wait(ask: 4, retry: .milliseconds(250)), .finished(quarantined: 1, blocked: 2), .drain,
        .heartbeatReply(revoked: [epoch], drain: true), .committed(epoch, chunk: 4, unitDone: true),
        .commitRefused(epoch, chunk: 4, .neverGranted, message: "never"), .released(epoch),
        .noted(epoch, attempts: 2, quarantined: false), .announced(epoch, sample: 12), .statusReply(status),
        .operatorReply(OperatorReply()),
        .operatorReply(OperatorReply(refusal: "no", units: 1, chunks: 1 << 40, shards: 3)),
    ]

    @Test("Every worker's message survives the wire", arguments: fromWorkers)
    func workerRoundTrip(message: WorkerMessage) throws {
        let frame = WorkerFrame(worker: WorkerID("n/0"), incarnation: .max, generation: 4, message: message)
        #expect(try WorkerFrame.decode(frame.encode()) == frame)
    }

    @Test("Every coordinator's message survives the wire", arguments: fromCoordinators)
    func coordinatorRoundTrip(message: CoordinatorMessage) throws {
        let frame = CoordinatorFrame(generation: .max, message: message)
        #expect(try CoordinatorFrame.decode(frame.encode()) == frame)
    }

    @Test("A kind of refusal that this release does not know is passed over") func unknownKind() throws {
        var wire = WireCoordinatorFrame()
        (wire.version, wire.generation) = (LeaseProtocol.version, 1)
        wire.status.refused = [
            .with { ($0.kind, $0.count) = ("of_a_later_release", 3) },
            .with { ($0.kind, $0.count) = ("stranger", 2) },
        ]
        let frame = try CoordinatorFrame.decode(try wire.serializedBytes())
        guard case .statusReply(let status) = frame.message else {
            Issue.record("\(frame)")
            return
        }
        #expect(status.refused == [.stranger: 2])
    }

    @Test("No truncation or flipped bit of a frame stops the program")
    func damage() {
        var read = 0
        for message in Self.fromWorkers {
            let frame = WorkerFrame(worker: WorkerID("w"), incarnation: 1, generation: 4, message: message)
            read += survivors(frame.encode()) { bytes throws(LeasingError) in
                try _ = WorkerFrame.decode(bytes)
            }
        }
        for message in Self.fromCoordinators {
            let frame = CoordinatorFrame(generation: 4, message: message)
            read += survivors(frame.encode()) { bytes throws(LeasingError) in
                try _ = CoordinatorFrame.decode(bytes)
            }
        }
        // Protocol Buffers carry no checksum: some damage reads as another valid message.
        #expect(read > 0)
    }

    private func survivors(_ bytes: [UInt8], _ decode: ([UInt8]) throws(LeasingError) -> Void) -> Int {
        var variants = bytes.indices.map { Array(bytes[..<$0]) }
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << UInt8(bit)
                variants.append(damaged)
            }
        }
        var read = 0
        for variant in variants {
            do throws(LeasingError) {
                try decode(variant)
                read += 1
            } catch {
                #expect(!error.message.isEmpty)
            }
        }
        return read
    }

    @Test("A frame without its required parts is refused") func missingParts() {
        for message in [WorkerMessage.release(Self.unit, Self.epoch)] {
            let bytes = WorkerFrame(worker: WorkerID("w"), incarnation: 1, generation: 1, message: message)
                .encode()
            for length in 0..<bytes.count - 1 {
                #expect(throws: LeasingError.self) { try WorkerFrame.decode(Array(bytes[..<length])) }
            }
        }
    }

    @Test("Another version is told apart from noise") func version() {
        var bytes = WorkerFrame(worker: WorkerID("w"), incarnation: 1, generation: 0, message: .statusRequest)
            .encode()
        bytes[1] = 9
        do throws(LeasingError) {
            _ = try WorkerFrame.decode(bytes)
            #expect(Bool(false), "a frame of version 9 was read")
        } catch {
            #expect(error.code == .version(found: 9))
        }
    }

    @Test("An oversized frame is dropped unread") func oversized() {
        let bytes = [UInt8](repeating: 0, count: LeaseProtocol.frameBytesMax + 1)
        #expect(throws: LeasingError.self) { try CoordinatorFrame.decode(bytes) }
    }

    @Test("The greatest grant and status fit a frame") func greatest() {
        var grant = Self.grant
        grant.sources = (0..<LeaseProtocol.chunksPerUnitMax).map {
            Grant.Source(
                chunk: $0, epoch: Epoch(generation: .max, grant: .max), digest: .max, samples: 1 << 30)
        }
        grant.committed = (0..<LeaseProtocol.chunksPerUnitMax / 2).map { 2 * $0..<2 * $0 + 1 }
        #expect(
            CoordinatorFrame(generation: .max, message: .grant(grant)).encode().count
                < LeaseProtocol.frameBytesMax)
        var status = Self.status
        let long = String(repeating: "ü", count: 128)
        status.workers = (0..<StatusReply.workersMax).map { _ in
            WorkerStatus(
                worker: WorkerID(long), host: long, device: long, leases: 9, samplesPerSecond: 1,
                silent: .seconds(9),
                stages: [String](repeating: long, count: 16))
        }
        status.quarantined = (0..<StatusReply.quarantinedMax).map { _ in
            QuarantinedUnit(
                unit: UnitID(stage: long, shard: 1), shard: long, attempts: 3,
                message: String(repeating: "é", count: 5_000))
        }
        status.failing = status.quarantined
        let bytes = CoordinatorFrame(generation: 1, message: .statusReply(status)).encode()
        #expect(bytes.count < LeaseProtocol.frameBytesMax)
    }
}
