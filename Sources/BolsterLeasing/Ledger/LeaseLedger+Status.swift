extension LeaseLedger {
    /// The run as an operator sees it. Rates of stages and device times are the driver's: it has the clock.
    ///
    /// - Parameter workersMax: workers listed; a page in this process asks for more than a message holds.
    package func status(
        run: String, samplesPerSecond: [String: Double], running: Duration, now: Duration,
        workersMax: Int = StatusReply.workersMax, unitsMax: Int = StatusReply.quarantinedMax
    ) -> StatusReply {
        let (listed, total) = busiestWorkers(max: workersMax)
        let left = samplesLeft()
        var reply = StatusReply(
            run: run, state: outcome != nil ? .finished : isDraining ? .draining : .running,
            stages: counts.enumerated().map { index, count in
                var count = count
                count.samplesPerSecond = samplesPerSecond[count.stage] ?? 0
                count.reads = plan.stages[index].reads
                count.samplesLeft = left[index]
                return count
            },
            workers: listed.map { worker in
                let record = workers[worker]!
                return WorkerStatus(
                    worker: worker, host: record.hello?.host ?? "", device: record.hello?.device ?? "",
                    leases: record.leases.count, samplesPerSecond: record.samplesPerSecond,
                    silent: now - record.lastHeard,
                    stages: record.leases.compactMap { leases[$0] }.map {
                        plan.stages[stage(of: $0.unit)].name
                    }, bottleneck: record.waits?.bottleneck)
            }, workersTotal: total, quarantined: quarantinedUnits(max: unitsMax), running: running)
        reply.failing = failingUnits(max: unitsMax)
        return reply
    }

    /// Those who have greeted, the ones with most leases first, and how many there are in all. A list that
    /// fits a message is in the order of names besides; a longer one is for a reader who sorts it anew.
    private func busiestWorkers(max limit: Int) -> (listed: [WorkerID], total: Int) {
        var byLeases = [[WorkerID]](repeating: [], count: LeaseProtocol.leasesPerWorkerMax + 1)
        for (worker, record) in workers where record.hello != nil {
            byLeases[min(record.leases.count, byLeases.count - 1)].append(worker)
        }
        let total = byLeases.reduce(0) { $0 + $1.count }
        var listed: [WorkerID] = []
        for group in byLeases.reversed() where listed.count < limit {
            let part = group.prefix(limit - listed.count)
            listed += limit > StatusReply.workersMax ? Array(part) : part.sorted { $0.name < $1.name }
        }
        return (listed, total)
    }

    /// Units given up, with the last failure of each.
    package func quarantinedUnits(max limit: Int) -> [QuarantinedUnit] {
        units(max: limit) { states[$0] == .quarantined }
    }

    /// Units that have failed and are tried again, with the last failure of each.
    package func failingUnits(max limit: Int) -> [QuarantinedUnit] {
        units(max: limit) { unit in
            states[unit] != .quarantined && open[unit].map { $0.trouble.attempts > 0 } ?? false
        }
    }

    private func units(max limit: Int, where isWanted: (Int) -> Bool) -> [QuarantinedUnit] {
        open.keys.filter(isWanted).sorted().prefix(limit).map { unit in
            let id = unitID(unit)
            let trouble = open[unit]!.trouble
            return QuarantinedUnit(
                unit: id, shard: plan.shards[id.shard].name, attempts: trouble.attempts,
                message: trouble.message)
        }
    }

    /// Workers heard of within the time after which a lease ends, by their type of device.
    package func devicesConnected(now: Duration) -> [String: Int] {
        var devices: [String: Int] = [:]
        for record in workers.values {
            guard let hello = record.hello, now - record.lastHeard <= plan.limits.expires else { continue }
            devices[DeviceStatus.type(of: hello.device), default: 0] += 1
        }
        return devices
    }

    /// What this worker said of itself; nil for one that is not known.
    package func hello(of worker: WorkerID) -> Hello? { workers[worker]?.hello }

    /// "cuda", "cpu": what this worker computes on; nil for one that is not known.
    package func deviceType(of worker: WorkerID) -> String? {
        workers[worker]?.hello.map { DeviceStatus.type(of: $0.device) }
    }

    /// Of each stage, samples that are still to be committed: what all shards are expected to have, less
    /// what is committed, less what units given up will never have. Nil before anything is known.
    private func samplesLeft() -> [Int?] {
        var begun = (bytes: Int64(0), samples: 0)
        var ofGivenUp = [Int](repeating: 0, count: counts.count)
        for (unit, state) in open where !state.chunks.chunks.isEmpty {
            if states[unit] == .quarantined || states[unit] == .blocked {
                ofGivenUp[stage(of: unit)] += state.chunks.samples
            }
            // A range that begins at the shard's first byte: its samples took so many bytes.
            let prefix = state.chunks.chunks.prefix(state.chunks.firstMissing)
            if let end = prefix.last?.result.rangeEnd, end > 0 {
                begun.bytes += end
                begun.samples += prefix.reduce(0) { $0 + $1.result.samples }
            }
        }
        guard let expected = sizes.expected(plan.shards, begun: begun) else {
            return counts.map { $0.settled == $0.units ? 0 : nil }
        }
        let perShard = expected / Double(max(1, plan.shards.count))
        return counts.enumerated().map { index, count in
            guard count.settled < count.units else { return 0 }
            let givenUp = Double(count.quarantined + count.blocked) * perShard
            let committed = Double(count.samples - ofGivenUp[index])
            return max(0, Int((expected - givenUp - committed).rounded()))
        }
    }
}
