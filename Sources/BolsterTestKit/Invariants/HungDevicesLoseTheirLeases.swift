import BolsterLeasing

/// Nobody keeps a lease without getting on: a lease whose work stands still ends within the times for
/// loading, progress and expiry, though its process reports all along.
final class HungDevicesLoseTheirLeases: Invariant {
    private let limit: Duration
    private var advanced: [Epoch: Duration] = [:]

    init(_ scenario: Scenario) {
        let limits = scenario.plan.limits
        // A lease may load, then work, then run out; clocks differ by a few hundredths.
        limit = (limits.loading + limits.progress * 2 + limits.expires) * 1.1 + .seconds(10)
    }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .coordinatorStarted(_, let rows, _):
            for epoch in rows.leases.keys { advanced[epoch] = now }
        case .journalled(_, let changes, _):
            for case .granted(_, let record) in changes { advanced[record.epoch] = now }
        case .advanced(let epoch):
            advanced[epoch] = now
        case .interrupted(let time):
            for epoch in advanced.keys { advanced[epoch]! += time }
        case .ticked(_, let rows):
            for (epoch, row) in rows.leases where row.state == .living {
                guard let last = advanced[epoch], now - last > limit else { continue }
                throw broken("\(row.unit) is held as \(epoch) and stands still for \(now - last)")
            }
        case .arrived(_, _, let frame, _, _):
            // What waits for its turn gets on with what it waits for.
            guard case .heartbeat(let heartbeat) = frame.message,
                let newest = heartbeat.leases.compactMap({ advanced[$0.epoch] }).max()
            else { return }
            for report in heartbeat.leases where report.phase == .queued { advanced[report.epoch] = newest }
        case .answered, .heard, .died, .stored, .clockJumped: break
        }
    }
}
