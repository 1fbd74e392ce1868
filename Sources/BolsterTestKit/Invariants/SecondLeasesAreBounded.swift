import BolsterLeasing

/// A unit has one lease; at the tail a second, for another worker and not before its time. Never a third.
final class SecondLeasesAreBounded: Invariant {
    private let after: Duration
    private var began: [Epoch: Duration] = [:]
    /// When each coordinator last took frames in: what it decides then is journalled a little later.
    private var served: [UInt64: Duration] = [:]

    init(_ scenario: Scenario) {
        // A tenth less: clocks differ, and a coordinator's times are its own.
        after = scenario.plan.limits.secondLeaseAfter * 0.9
    }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .clockJumped(let time):
            for generation in served.keys { served[generation]! -= time }
            for epoch in began.keys { began[epoch]! -= time }
        case .coordinatorStarted(_, let rows, _):
            for epoch in rows.leases.keys { began[epoch] = nil }
        case .arrived(let generation, _, _, _, _): served[generation] = now
        case .journalled(let generation, let changes, var rows):
            let decided = served[generation] ?? now
            for change in changes {
                if case .granted(let unit, let record) = change {
                    let others = rows.leases.values.filter { $0.unit == unit && $0.state == .living }
                    guard others.count < 2 else { throw broken("\(unit) has a third lease") }
                    for other in others {
                        let early = began[other.record.epoch].map { decided - $0 < after } ?? false
                        guard other.record.worker != record.worker, !early else {
                            throw broken(
                                "\(unit) has a second lease \(record.epoch) too early, or for the same")
                        }
                    }
                    began[record.epoch] = decided
                }
                try rows.apply(change)
            }
        default: break
        }
    }
}
