import BolsterLeasing

/// A unit is given up with its last attempt, or with the last loss in isolation: not before, not after.
final class QuarantineExactlyAtTheLimit: Invariant {
    private let scenario: Scenario

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        guard case .journalled(_, let changes, _) = observation else { return }
        for change in changes {
            switch change {
            case .troubled(let unit, let trouble):
                guard !isHopeless(trouble) else { throw broken("\(unit) goes on with \(trouble)") }
            case .quarantined(let unit, let trouble):
                guard isHopeless(trouble), trouble.attempts <= scenario.plan.limits.attempts else {
                    throw broken("\(unit) is given up with \(trouble)")
                }
            case .granted, .ended, .committed, .finished, .retried, .reopened, .extended: break
            }
        }
    }

    private func isHopeless(_ trouble: Trouble) -> Bool {
        let limits = scenario.plan.limits
        return trouble.attempts >= limits.attempts
            || trouble.losses.contains { $0.countInIsolation >= limits.isolationLossesMax }
    }
}
