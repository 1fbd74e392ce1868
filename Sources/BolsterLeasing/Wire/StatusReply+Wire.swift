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
        for unit in wire.quarantined {
            quarantined.append(
                QuarantinedUnit(
                    unit: try UnitID(unit.unit), shard: unit.shard, attempts: Int(unit.attempts),
                    message: unit.message))
        }
        self.init(
            run: wire.run, state: state, stages: stages, workers: workers,
            workersTotal: try count(wire.workersTotal, "workers_total"), quarantined: quarantined,
            running: try duration(milliseconds: wire.runningMs, "running_ms"))
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
    }
}

extension WorkerStatus {
    fileprivate var wire: WireWorkerStatus {
        .with {
            ($0.worker, $0.host, $0.device) = (worker.name, cut(host, 64), cut(device, 64))
            ($0.leases, $0.samplesPerSecond) = (UInt32(leases), samplesPerSecond)
            ($0.silentMs, $0.stages) = (silent.milliseconds, Array(stages.prefix(4)))
        }
    }

    fileprivate init(_ wire: WireWorkerStatus) throws(LeasingError) {
        self.init(
            worker: WorkerID(wire.worker), host: wire.host, device: wire.device, leases: Int(wire.leases),
            samplesPerSecond: wire.samplesPerSecond,
            silent: try duration(milliseconds: wire.silentMs, "silent_ms"), stages: wire.stages)
    }
}

extension QuarantinedUnit {
    fileprivate var wire: WireQuarantine {
        .with {
            ($0.unit, $0.shard, $0.attempts) = (unit.wire, shard, UInt32(attempts))
            $0.message = cut(message, 1_000)
        }
    }
}
