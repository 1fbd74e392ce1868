extension LeaseLedger {
    /// The run as an operator sees it. Rates of stages are the driver's: it has the clock.
    package func status(
        run: String, samplesPerSecond: [String: Double], running: Duration, now: Duration
    ) -> StatusReply {
        let heard = workers.filter { $1.hello != nil }
        let busiest = heard.sorted {
            ($1.value.leases.count, $0.key.name) < ($0.value.leases.count, $1.key.name)
        }
        return StatusReply(
            run: run, state: outcome != nil ? .finished : isDraining ? .draining : .running,
            stages: counts.map { count in
                var count = count
                count.samplesPerSecond = samplesPerSecond[count.stage] ?? 0
                return count
            },
            workers: busiest.prefix(StatusReply.workersMax).map { worker, record in
                WorkerStatus(
                    worker: worker, host: record.hello?.host ?? "", device: record.hello?.device ?? "",
                    leases: record.leases.count, samplesPerSecond: record.samplesPerSecond,
                    silent: now - record.lastHeard,
                    stages: record.leases.compactMap { leases[$0] }.map {
                        plan.stages[stage(of: $0.unit)].name
                    })
            }, workersTotal: heard.count, quarantined: quarantinedUnits(max: StatusReply.quarantinedMax),
            running: running)
    }

    /// Units given up, with the last failure of each.
    package func quarantinedUnits(max limit: Int) -> [QuarantinedUnit] {
        open.filter { states[$0.key] == .quarantined }.sorted { $0.key < $1.key }.prefix(limit).map {
            unit, known in
            let id = unitID(unit)
            return QuarantinedUnit(
                unit: id, shard: plan.shards[id.shard].name, attempts: known.trouble.attempts,
                message: known.trouble.message)
        }
    }
}
