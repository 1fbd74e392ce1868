import BolsterLeasing

/// No answer leaves before what it says is durable.
final class AnswersFollowTheJournal: Invariant {
    /// What each epoch was granted for: a coordinator that took over may not have the lease's row.
    private var units: [Epoch: UnitID] = [:]

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        if case .journalled(_, let changes, _) = observation {
            for case .granted(let unit, let record) in changes { units[record.epoch] = unit }
        }
        // Process 0 is the forger: what it is told has no effect.
        guard case .answered(_, let process, let message, let rows) = observation, process != 0 else {
            return
        }
        switch message {
        case .grant(let grant):
            guard let row = rows.leases[grant.epoch], row.unit == grant.unit else {
                throw broken("\(grant.unit) is granted as \(grant.epoch), which is not on the disk")
            }
        case .committed(let epoch, let chunk, let unitDone):
            guard let unit = units[epoch], rows.counted(unit, chunk)?.epoch == epoch else {
                throw broken("chunk \(chunk) of \(epoch) is acknowledged and not on the disk")
            }
            guard !unitDone || rows.finished[unit] != nil else { throw broken("\(unit) is said to be done") }
        case .released(let epoch):
            guard rows.leases[epoch]?.state != .living else {
                throw broken("\(epoch) is released and lives on the disk")
            }
        case .noted(let epoch, let attempts, let quarantined):
            guard let unit = rows.leases[epoch]?.unit, rows.finished[unit] == nil else { return }
            let row = rows.troubles[unit]
            // What comes later in the same transaction may be worse.
            let isSaid = !quarantined || row?.isQuarantined ?? false
            guard (row?.trouble.attempts ?? 0) >= attempts, isSaid else {
                throw broken(
                    "\(unit) has \(attempts) attempts noted, the disk has \(String(describing: row))")
            }
        case .finished(let quarantined, _):
            guard rows.troubles.values.count(where: \.isQuarantined) == quarantined else {
                throw broken("the end is told with \(quarantined) quarantined units")
            }
        case .welcome, .refused, .wait, .drain, .heartbeatReply, .commitRefused, .announced, .statusReply,
            .operatorReply:
            break
        }
    }
}
