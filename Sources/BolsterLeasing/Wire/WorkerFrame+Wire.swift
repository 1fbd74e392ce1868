import BolsterDeterminism
import SwiftProtobuf

extension WorkerFrame {
    /// The frame's bytes. A message longer than the limit is our own fault and traps; texts that come
    /// from outside are cut before.
    package func encode() -> [UInt8] {
        var frame = WireWorkerFrame()
        frame.version = LeaseProtocol.version
        frame.worker = worker.name
        frame.incarnation = incarnation
        frame.generation = generation
        frame.body = message.wire
        return encoded(frame)
    }

    /// Reads one frame; every number is checked, so that nothing after this need doubt them.
    package static func decode(_ bytes: [UInt8]) throws(LeasingError) -> WorkerFrame {
        let frame: WireWorkerFrame = try decoded(bytes, version: \.version)
        guard let body = frame.body else { throw malformed("a worker's frame without a message", "body") }
        return WorkerFrame(
            worker: WorkerID(try name(frame.worker, "worker")), incarnation: frame.incarnation,
            generation: frame.generation, message: try WorkerMessage(body))
    }
}

extension WorkerMessage {
    fileprivate var wire: WireWorkerFrame.OneOf_Body {
        switch self {
        case .hello(let hello): .hello(hello.wire)
        case .ask(let ask):
            .ask(
                .with {
                    $0.number = ask.number
                    $0.loadedStages = ask.loadedStages
                    $0.cachedShards = ask.cachedShards.map(UInt32.init)
                })
        case .heartbeat(let heartbeat):
            .heartbeat(
                .with {
                    $0.leases = heartbeat.leases.map(\.wire)
                    $0.samplesPerSecond = heartbeat.samplesPerSecond
                    if let waits = heartbeat.waits { $0.waits = waits.wire }
                })
        case .commit(let commit): .commit(commit.wire)
        case .release(let unit, let epoch):
            .release(
                .with {
                    $0.unit = unit.wire
                    $0.epoch = epoch.wire
                })
        case .fail(let fail): .fail(fail.wire)
        case .announce(let announcement):
            .announce(
                .with {
                    $0.unit = announcement.unit.wire
                    $0.epoch = announcement.epoch.wire
                    $0.sample = UInt32(announcement.sample)
                    $0.key = cut(announcement.key, LeaseProtocol.messageBytesMax)
                })
        case .statusRequest: .status(WireStatusRequest())
        case .operatorRequest(.drain): .drain(WireDrainRequest())
        case .operatorRequest(.retry(let request)): .retry(request.wire)
        case .operatorRequest(.invalidate(let request)): .invalidate(request.wire)
        case .operatorRequest(.extend(let request)): .extend(request.wire)
        }
    }

    fileprivate init(_ body: WireWorkerFrame.OneOf_Body) throws(LeasingError) {
        switch body {
        case .hello(let hello): self = .hello(try Hello(hello))
        case .ask(let ask):
            try bounded(ask.cachedShards.count, LeaseProtocol.cachedShardsMax, "cached shards")
            try bounded(ask.loadedStages.count, 256, "loaded stages")
            self = .ask(
                Ask(
                    number: ask.number, loadedStages: ask.loadedStages,
                    cachedShards: ask.cachedShards.map(Int.init)))
        case .heartbeat(let heartbeat):
            try bounded(heartbeat.leases.count, LeaseProtocol.leasesPerWorkerMax, "leases")
            let rate = heartbeat.samplesPerSecond
            var leases: [LeaseReport] = []
            for report in heartbeat.leases { leases.append(try LeaseReport(report)) }
            self = .heartbeat(
                Heartbeat(
                    leases: leases, samplesPerSecond: rate.isFinite && rate >= 0 ? rate : 0,
                    waits: heartbeat.hasWaits ? StepWaits(heartbeat.waits) : nil))
        case .commit(let commit): self = .commit(try Commit(commit))
        case .release(let release):
            self = .release(try UnitID(release.unit), try Epoch(release.hasEpoch ? release.epoch : nil))
        case .fail(let fail): self = .fail(try Fail(fail))
        case .announce(let announcement):
            self = .announce(
                Announcement(
                    unit: try UnitID(announcement.unit),
                    epoch: try Epoch(announcement.hasEpoch ? announcement.epoch : nil),
                    sample: Int(announcement.sample),
                    key: cut(announcement.key, LeaseProtocol.messageBytesMax)))
        case .status: self = .statusRequest
        case .drain: self = .operatorRequest(.drain)
        case .retry(let request): self = .operatorRequest(.retry(try RetryRequest(request)))
        case .invalidate(let request):
            self = .operatorRequest(.invalidate(try InvalidateRequest(request)))
        case .extend(let request): self = .operatorRequest(.extend(try ExtendRequest(request)))
        }
    }
}

extension Hello {
    fileprivate var wire: WireHello {
        .with {
            $0.host = host
            $0.labels = labels
            $0.device = device
            $0.computeClass = computeClass
            $0.program = program
        }
    }

    fileprivate init(_ wire: WireHello) throws(LeasingError) {
        try bounded(wire.labels.count, 64, "labels")
        for label in wire.labels { _ = try name(label, "label") }
        self.init(
            host: cut(wire.host, LeaseProtocol.nameBytesMax), labels: wire.labels,
            device: cut(wire.device, LeaseProtocol.nameBytesMax),
            computeClass: cut(wire.computeClass, LeaseProtocol.messageBytesMax),
            program: cut(wire.program, LeaseProtocol.nameBytesMax))
    }
}

extension StepWaits {
    fileprivate var wire: WireStepWaits {
        .with {
            ($0.reading, $0.augmentation) = (Float(reading), Float(augmentation))
            ($0.model, $0.writing) = (Float(model), Float(writing))
        }
    }

    /// Shares outside 0 to 1, or that are no numbers, are brought inside.
    fileprivate init(_ wire: WireStepWaits) {
        func share(_ value: Float) -> Double { value.isFinite ? Double(min(1, max(0, value))) : 0 }
        self.init(
            reading: share(wire.reading), augmentation: share(wire.augmentation), model: share(wire.model),
            writing: share(wire.writing))
    }
}

extension LeaseReport {
    fileprivate var wire: WireLeaseReport {
        .with {
            $0.epoch = epoch.wire
            $0.chunk = UInt32(chunk)
            $0.samplesDone = UInt64(samplesDone)
            $0.phase =
                switch phase {
                case .queued: .queued
                case .loading: .loading
                case .working: .working
                }
        }
    }

    fileprivate init(_ wire: WireLeaseReport) throws(LeasingError) {
        let phase: Phase
        switch wire.phase {
        case .queued: phase = .queued
        case .loading: phase = .loading
        case .working: phase = .working
        case .UNRECOGNIZED(let number): throw malformed("an unknown phase of a lease", "phase \(number)")
        }
        self.init(
            epoch: try Epoch(wire.hasEpoch ? wire.epoch : nil), phase: phase,
            chunk: try chunkNumber(wire.chunk),
            samplesDone: try count(wire.samplesDone, "samples_done"))
    }
}

extension Commit {
    fileprivate var wire: WireCommit {
        .with {
            $0.unit = unit.wire
            $0.epoch = epoch.wire
            $0.fingerprint = fingerprint.wire
            $0.chunk = UInt32(result.chunk)
            $0.file = file
            $0.digest = result.digest
            $0.bytes = result.bytes
            $0.samples = UInt32(result.samples)
            $0.skipped = UInt32(result.skipped)
            $0.isLast = result.isLast
            $0.rangeEnd = result.rangeEnd
            $0.deviceMs = deviceTime.milliseconds
        }
    }

    fileprivate init(_ wire: WireCommit) throws(LeasingError) {
        guard wire.bytes >= 0, wire.rangeEnd >= 0 else {
            throw malformed("a commit with a negative size or offset", "\(wire.bytes), \(wire.rangeEnd)")
        }
        guard wire.skipped <= wire.samples else {
            throw malformed(
                "a commit that skips more samples than it has", "\(wire.skipped) of \(wire.samples)")
        }
        let result = ChunkResult(
            chunk: try chunkNumber(wire.chunk), digest: wire.digest, bytes: wire.bytes,
            samples: Int(wire.samples),
            skipped: Int(wire.skipped), isLast: wire.isLast, rangeEnd: wire.rangeEnd)
        self.init(
            unit: try UnitID(wire.unit), epoch: try Epoch(wire.hasEpoch ? wire.epoch : nil),
            fingerprint: try digest(wire.fingerprint), file: cut(wire.file, LeaseProtocol.messageBytesMax),
            result: result, deviceTime: try duration(milliseconds: wire.deviceMs, "device_ms"))
    }
}

extension Fail {
    fileprivate var wire: WireFail {
        .with {
            $0.unit = unit.wire
            $0.epoch = epoch.wire
            $0.class =
                switch blame {
                case .shard: .shard
                case .worker: .worker
                case .model: .model
                case .device: .device
                }
            $0.message = cut(message, LeaseProtocol.messageBytesMax)
            $0.sample = cut(sample ?? "", LeaseProtocol.messageBytesMax)
        }
    }

    fileprivate init(_ wire: WireFail) throws(LeasingError) {
        let blame: Class
        switch wire.class {
        case .shard: blame = .shard
        case .worker: blame = .worker
        case .model: blame = .model
        case .device: blame = .device
        case .UNRECOGNIZED(let number): throw malformed("an unknown class of failure", "class \(number)")
        }
        self.init(
            unit: try UnitID(wire.unit), epoch: try Epoch(wire.hasEpoch ? wire.epoch : nil), blame: blame,
            message: cut(wire.message, LeaseProtocol.messageBytesMax),
            sample: wire.sample.isEmpty ? nil : cut(wire.sample, LeaseProtocol.messageBytesMax))
    }
}
