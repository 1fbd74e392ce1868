import BolsterLeasing

/// Preemption is free: a unit has at most as many attempts burnt as leases of it said Fail.
final class OnlyFailuresBurnAttempts: Invariant {
    private var failed: [UnitID: Set<Epoch>] = [:]

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(_, _, let frame, _, _):
            if case .fail(let fail) = frame.message { failed[fail.unit, default: []].insert(fail.epoch) }
        case .journalled(_, let changes, _):
            for change in changes {
                guard let (unit, trouble) = change.trouble else { continue }
                let limit = failed[unit]?.count ?? 0
                guard trouble.attempts <= limit else {
                    throw broken("\(unit) has \(trouble.attempts) attempts burnt after \(limit) failures")
                }
            }
        default: break
        }
    }
}

extension LedgerChange {
    /// The unit's troubles, where the change is about them.
    var trouble: (UnitID, Trouble)? {
        switch self {
        case .troubled(let unit, let trouble), .quarantined(let unit, let trouble): (unit, trouble)
        case .granted, .ended, .committed, .finished, .retried, .reopened, .extended: nil
        }
    }
}
