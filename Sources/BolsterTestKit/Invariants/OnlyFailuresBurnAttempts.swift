import BolsterLeasing

/// Preemption is free: a unit has at most as many attempts burnt as holders of its leases said Fail, one at
/// a time, and none is forgotten before the unit is finished or tried again.
final class OnlyFailuresBurnAttempts: Invariant {
    private var failed: [UnitID: Set<Epoch>] = [:]

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(_, _, let frame, let key, let rows):
            guard case .fail(let fail) = frame.message, let row = rows.leases[fail.epoch],
                row.unit == fail.unit, row.record.worker == frame.worker, row.record.key == key
            else { return }
            failed[fail.unit, default: []].insert(fail.epoch)
        case .journalled(_, let changes, var rows):
            guard changes.contains(where: { $0.trouble != nil }) else { return }
            for change in changes {
                if let (unit, trouble) = change.trouble {
                    let limit = failed[unit]?.count ?? 0
                    guard trouble.attempts <= limit else {
                        throw broken("\(unit) has \(trouble.attempts) attempts burnt after \(limit) failures")
                    }
                    let before = rows.troubles[unit]?.trouble.attempts ?? 0
                    guard (before...before + 1).contains(trouble.attempts) else {
                        throw broken("\(unit) had \(before) attempts burnt, has \(trouble.attempts)")
                    }
                }
                try rows.apply(change)
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
