import BolsterCoordinator
import BolsterDeterminism
import BolsterLeasing

/// How a coordinator starts, as `RunOpening` does it: with the ledger that is there, or with the newest copy
/// and the record files that are newer.
extension Simulation {
    /// A start that waits until an earlier coordinator must have noticed that it is over.
    struct Takeover {
        let number: Int
        let generation: UInt64
        var rows: JournalRows
    }

    /// Refused where another process holds the folder.
    func startCoordinator(_ host: Int) throws {
        guard hosts[host].disk.holder == nil else { return }
        guard !hosts[host].isCutFromStore else { return restartCoordinator(host, after: random.time(1, 5)) }
        let number = newProcess()
        hosts[host].disk.holder = number
        var rows = hosts[host].disk.rows
        let newest = store.newestGeneration
        let isBehind = newest > rows.generation
        if rows.isEmpty {
            if let copy = store.backups.last { rows = copy.rows }
            if rows.isEmpty { rows.freeze(Array(scenario.plan.shards.prefix(scenario.shardsAtStart))) }
        }
        let generation = claim(rows)
        rows.generation = generation
        guard isBehind else {
            hosts[host].disk.restore(rows)
            return try rule(host, number, isTakeover: false)
        }
        note("coordinator \(number) of generation \(generation) takes over on host \(host)")
        hosts[host].takeover = Takeover(number: number, generation: generation, rows: rows)
        events.insert(.takeOver(host: host, process: number), due: now + FenceWatch.takeoverWait)
    }

    private func claim(_ rows: JournalRows) -> UInt64 {
        var generation = max(rows.generation, store.newestGeneration) + 1
        if canary == .generationClaimedTwice, generation > 1, coordinators.count > 0 { return generation - 1 }
        while !store.claim(generation) { generation += 1 }
        return generation
    }

    /// The wait is over: what lies in the output is read.
    func takeOver(_ host: Int, _ number: Int) throws {
        guard let takeover = hosts[host].takeover, takeover.number == number,
            hosts[host].disk.holder == number
        else { return }
        hosts[host].takeover = nil
        var rows = takeover.rows
        if canary != .recoveryReadsNoFiles {
            for change in recovered(rows) {
                note("recovered \(change.brief)")
                try rows.apply(change)
            }
        }
        hosts[host].disk.restore(rows)
        try rule(host, number, isTakeover: true)
    }

    private func rule(_ host: Int, _ number: Int, isTakeover: Bool) throws {
        let rows = hosts[host].disk.rows
        let clock = newClock()
        var plan = scenario.plan
        plan.shards = rows.shards
        var ledger = LeaseLedger(plan: plan, generation: rows.generation)
        let replayed = canary == .recoveryForgetsOpenChunks ? rows.withoutOpenChunks : rows
        try replayed.replay(into: &ledger, now: clock.local(now))
        let coordinator = CoordinatorProcess(
            number: number, host: host, ledger: ledger, welcome: welcome, clock: clock,
            now: now)
        coordinators[number] = coordinator
        hosts[host].process = number
        currentHost = host
        counts.coordinators += 1
        note("coordinator \(number) of generation \(coordinator.generation) starts on host \(host)")
        try observe(
            .coordinatorStarted(generation: coordinator.generation, rows: rows, isTakeover: isTakeover))
        wake(coordinator)
    }

    /// What record files tell that the rows do not: the choice between them is `RecoveredShard`'s.
    private func recovered(_ rows: JournalRows) -> [LedgerChange] {
        var changes: [LedgerChange] = []
        for shard in rows.shards {
            let units = scenario.plan.stages.map { UnitID(stage: $0.name, shard: shard.index) }
            var choice = RecoveredShard(
                plan: scenario.plan, shard: shard.name, known: units.map(rows.allChunks))
            choice.choose(units.map { found($0, shard, rows) })
            for (index, unit) in units.enumerated() where !choice.added[index].isEmpty {
                if choice.chunks[index].isComplete {
                    changes.append(.finished(unit, choice.chunks[index]))
                } else {
                    changes += choice.added[index].map { .committed(unit, $0) }
                }
            }
        }
        return changes
    }

    private func found(_ unit: UnitID, _ shard: ShardReference, _ rows: JournalRows) -> [FoundRecord] {
        let stage = scenario.plan.stages.first { $0.name == unit.stage }
        return store.records.filter { _, record in
            record.unit == unit && rows.finished[unit] == nil && rows.counted(unit, record.chunk) == nil
                && rows.leases[record.epoch]?.state != .settled
        }.sorted { $0.key < $1.key }.map { name, record in
            var sources: [String: String] = [:]
            for source in record.sources {
                let file = recordFileName(
                    stage: stage?.reads ?? "", shard: shard.name, chunk: source.chunk, epoch: source.epoch)
                sources[file] = Hexadecimal.text(of: source.digest)
            }
            return FoundRecord(
                file: name, epoch: record.epoch, result: scenario.result(of: record), sources: sources)
        }
    }
}

extension Scenario {
    /// What a worker says of a record file when it commits it.
    func result(of record: StoredRecord) -> ChunkResult {
        let shard = record.unit.shard
        return ChunkResult(
            chunk: record.chunk, digest: record.digest, bytes: 64,
            samples: samples(of: record.chunk, shard: shard).count, skipped: record.skipped.count,
            isLast: record.chunk == chunks(ofShard: shard) - 1,
            rangeEnd: reads(record.unit) == nil ? offset(of: record.chunk + 1, shard: shard) : 0)
    }
}
