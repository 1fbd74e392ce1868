extension StatusReply {
    var wire: WireStatusReply {
        .with {
            $0.run = run
            $0.state =
                switch state {
                case .running: .running
                case .draining: .draining
                case .finished: .finished
                }
            $0.stages = stages.map(\.wire)
            $0.workers = workers.prefix(Self.workersMax).map(\.wire)
            $0.workersTotal = UInt64(workersTotal)
            $0.quarantined = quarantined.prefix(Self.quarantinedMax).map(\.wire)
            $0.runningMs = running.milliseconds
            $0.failing = failing.prefix(Self.failingMax).map(\.wire)
            $0.uses = uses.map(\.wire)
            $0.devices = devices.map(\.wire)
            ($0.silentMs, $0.stalled) = (silent.milliseconds, isStalled)
            $0.refused = RefusalKind.allCases.compactMap { kind in
                refused[kind].map { count in .with { ($0.kind, $0.count) = (kind.rawValue, UInt64(count)) } }
            }
            $0.refusedDevices = refusedDevices.prefix(Self.refusedDevicesMax).map(\.wire)
        }
    }

    init(_ wire: WireStatusReply) throws(LeasingError) {
        let state: State
        switch wire.state {
        case .running: state = .running
        case .draining: state = .draining
        case .finished: state = .finished
        case .UNRECOGNIZED(let number): throw malformed("an unknown state of a run", "state \(number)")
        }
        var stages: [StageStatus] = []
        for stage in wire.stages { stages.append(try StageStatus(stage)) }
        var workers: [WorkerStatus] = []
        for worker in wire.workers { workers.append(try WorkerStatus(worker)) }
        var quarantined: [QuarantinedUnit] = []
        for unit in wire.quarantined { quarantined.append(try QuarantinedUnit(unit)) }
        self.init(
            run: wire.run, state: state, stages: stages, workers: workers,
            workersTotal: try count(wire.workersTotal, "workers_total"), quarantined: quarantined,
            running: try duration(milliseconds: wire.runningMs, "running_ms"))
        for unit in wire.failing { failing.append(try QuarantinedUnit(unit)) }
        for use in wire.uses { uses.append(try DeviceUse(use)) }
        for device in wire.devices { devices.append(try DeviceStatus(device)) }
        silent = try duration(milliseconds: wire.silentMs, "silent_ms")
        isStalled = wire.stalled
        for refusal in wire.refused {
            guard let kind = RefusalKind(rawValue: refusal.kind) else { continue }
            refused[kind] = try count(refusal.count, "count")
        }
        for device in wire.refusedDevices { refusedDevices.append(try RefusedDevice(device)) }
    }
}

extension RefusedDevice {
    fileprivate var wire: WireRefusedDevice {
        .with {
            ($0.worker, $0.host, $0.device) = (worker.name, cut(host, 64), cut(device, 64))
            ($0.stage, $0.message, $0.agoMs) = (stage, cut(message, 1_000), ago.milliseconds)
        }
    }

    fileprivate init(_ wire: WireRefusedDevice) throws(LeasingError) {
        self.init(
            worker: WorkerID(wire.worker), host: wire.host, device: wire.device, stage: wire.stage,
            message: wire.message, ago: try duration(milliseconds: wire.agoMs, "ago_ms"))
    }
}

extension StageStatus {
    fileprivate var wire: WireStageStatus {
        .with {
            $0.stage = stage
            ($0.units, $0.done, $0.open) = (UInt64(units), UInt64(done), UInt64(open))
            ($0.quarantined, $0.blocked) = (UInt64(quarantined), UInt64(blocked))
            ($0.chunks, $0.samples, $0.skipped) = (UInt64(chunks), UInt64(samples), UInt64(skipped))
            $0.samplesPerSecond = samplesPerSecond
            $0.reads = reads ?? ""
            if let samplesLeft { $0.samplesLeft = UInt64(max(0, samplesLeft)) }
        }
    }

    fileprivate init(_ wire: WireStageStatus) throws(LeasingError) {
        self.init(stage: wire.stage)
        units = try count(wire.units, "units")
        done = try count(wire.done, "done")
        open = try count(wire.open, "open")
        quarantined = try count(wire.quarantined, "quarantined")
        blocked = try count(wire.blocked, "blocked")
        chunks = try count(wire.chunks, "chunks")
        samples = try count(wire.samples, "samples")
        skipped = try count(wire.skipped, "skipped")
        samplesPerSecond = wire.samplesPerSecond
        reads = wire.reads.isEmpty ? nil : wire.reads
        if wire.hasSamplesLeft { samplesLeft = try count(wire.samplesLeft, "samples_left") }
    }
}

extension WorkerStatus {
    fileprivate var wire: WireWorkerStatus {
        .with {
            ($0.worker, $0.host, $0.device) = (worker.name, cut(host, 64), cut(device, 64))
            ($0.leases, $0.samplesPerSecond) = (UInt32(leases), samplesPerSecond)
            ($0.silentMs, $0.stages) = (silent.milliseconds, Array(stages.prefix(4)))
            $0.bottleneck = bottleneck?.rawValue ?? ""
        }
    }

    fileprivate init(_ wire: WireWorkerStatus) throws(LeasingError) {
        self.init(
            worker: WorkerID(wire.worker), host: wire.host, device: wire.device, leases: Int(wire.leases),
            samplesPerSecond: wire.samplesPerSecond,
            silent: try duration(milliseconds: wire.silentMs, "silent_ms"), stages: wire.stages,
            bottleneck: StepWaits.Step(rawValue: wire.bottleneck))
    }
}

extension QuarantinedUnit {
    fileprivate var wire: WireQuarantine {
        .with {
            ($0.unit, $0.shard, $0.attempts) = (unit.wire, shard, UInt32(attempts))
            $0.message = cut(message, 1_000)
        }
    }

    fileprivate init(_ wire: WireQuarantine) throws(LeasingError) {
        self.init(
            unit: try UnitID(wire.unit), shard: wire.shard, attempts: Int(wire.attempts),
            message: wire.message)
    }
}

extension DeviceUse {
    fileprivate var wire: WireDeviceUse {
        .with {
            ($0.stage, $0.device) = (stage, cut(device, 64))
            ($0.samples, $0.ms) = (UInt64(samples), time.milliseconds)
        }
    }

    fileprivate init(_ wire: WireDeviceUse) throws(LeasingError) {
        self.init(
            stage: wire.stage, device: wire.device, samples: try count(wire.samples, "samples"),
            time: try duration(milliseconds: wire.ms, "ms"))
    }
}

extension DeviceStatus {
    fileprivate var wire: WireDeviceStatus {
        .with {
            ($0.device, $0.connected) = (cut(device, 64), UInt64(connected))
            $0.heldMs = held.milliseconds
        }
    }

    fileprivate init(_ wire: WireDeviceStatus) throws(LeasingError) {
        self.init(
            device: wire.device, connected: try count(wire.connected, "connected"),
            held: try duration(milliseconds: wire.heldMs, "held_ms"))
    }
}
