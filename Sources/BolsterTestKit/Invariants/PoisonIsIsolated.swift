import BolsterLeasing

/// A sample that kills its workers is found and skipped; no sample is skipped that was not the last one
/// announced under at least two lost leases. A chunk is isolated exactly at the limit, and a sample skipped
/// exactly at its own. Without other faults the number of deaths is bounded.
final class PoisonIsIsolated: Invariant {
    private let scenario: Scenario
    private var lastAnnounced: [Epoch: (unit: UnitID, sample: Int)] = [:]
    private var deaths: [UnitID: Int] = [:]

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(_, _, let frame, let key, let rows):
            // What a worker says of a lease that it has lost, and goes on with, is not heard.
            guard case .announce(let announcement) = frame.message,
                let row = rows.leases[announcement.epoch], row.state == .living,
                row.record.worker == frame.worker, row.record.key == key
            else { return }
            // A network may deliver an earlier one again.
            let before = lastAnnounced[announcement.epoch]?.sample ?? 0
            lastAnnounced[announcement.epoch] = (announcement.unit, max(before, announcement.sample))
        case .journalled(_, let changes, let rows):
            for change in changes {
                guard let (unit, trouble) = change.trouble else { continue }
                for loss in trouble.losses { try check(loss, unit, rows) }
            }
        case .died(_, .some(let culprit)):
            deaths[culprit.unit, default: 0] += 1
        default: break
        }
    }

    private func check(_ loss: ChunkLoss, _ unit: UnitID, _ rows: JournalRows) throws(Violation) {
        let limits = scenario.plan.limits
        guard loss.isIsolated == (loss.count >= limits.lossesBeforeIsolation) else {
            throw broken("\(unit) is \(loss.isIsolated ? "" : "not ")isolated after \(loss.count) losses")
        }
        let guilty = loss.deaths.filter { $0.value >= limits.deathsBeforeSkip }.keys
        guard Set(guilty) == Set(loss.skip) else {
            throw broken("\(unit) skips \(loss.skip) after the deaths \(loss.deaths)")
        }
        guard rows.counted(unit, loss.chunk) == nil else {
            throw broken("\(unit) remembers losses of chunk \(loss.chunk), which is committed")
        }
    }

    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) {
        let limits = scenario.plan.limits
        for (unit, all) in end.rows.finished {
            let poison = scenario.poison[unit] ?? []
            for chunk in all.chunks {
                guard let record = end.records[scenario.file(unit, chunk)] else { continue }
                let own = scenario.samples(of: chunk.result.chunk, shard: unit.shard)
                let missed = poison.filter { own.contains($0) && !record.skipped.contains($0) }
                guard missed.isEmpty else { throw broken("\(unit) does not skip \(missed)") }
                for sample in record.skipped where !poison.contains(sample) {
                    let witnesses = lastAnnounced.values.count { $0 == (unit, sample) }
                    guard witnesses >= limits.deathsBeforeSkip else {
                        throw broken("\(unit) skips the innocent sample \(sample)")
                    }
                }
            }
        }
        guard scenario.isUndisturbed else { return }
        for (unit, samples) in scenario.poison where end.rows.finished[unit] != nil {
            let chunks = Set(samples.map { $0 / Scenario.chunkSize }).count
            let least = chunks * limits.lossesBeforeIsolation + samples.count * limits.deathsBeforeSkip
            // Deaths before the first report of work are taken for trouble with loading for a while.
            let most = least + chunks * limits.lossesBeforeIsolation * 3
            guard (least...most).contains(deaths[unit] ?? 0) else {
                throw broken("\(unit) killed \(deaths[unit] ?? 0) workers, not \(least) to \(most)")
            }
        }
    }
}
