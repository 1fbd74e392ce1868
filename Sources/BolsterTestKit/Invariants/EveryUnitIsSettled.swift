import BolsterLeasing

/// At the end every unit is finished, given up for a reason that the scenario has, or blocked by such a one;
/// what fails less often than the limit is finished.
final class EveryUnitIsSettled: Invariant {
    private let scenario: Scenario

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {}

    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) {
        for unit in scenario.units(shards: end.rows.shards.count) {
            let isFinished = end.rows.finished[unit] != nil
            let trouble = end.rows.troubles[unit]
            let failures = scenario.failures[unit] ?? 0
            if let source = scenario.reads(unit), end.rows.finished[source] == nil {
                guard !isFinished else { throw broken("\(unit) is finished without \(source)") }
                continue
            }
            guard isFinished || trouble?.isQuarantined ?? false else {
                throw broken("\(unit) is neither finished nor given up")
            }
            if isFinished, failures == .max {
                throw broken("\(unit) is finished and always fails")
            }
            let mayBeGivenUp =
                failures >= scenario.plan.limits.attempts
                || (!scenario.isUndisturbed && trouble?.trouble.losses.isEmpty == false)
            if !isFinished, !mayBeGivenUp {
                throw broken("\(unit) is given up: \(String(describing: trouble))")
            }
        }
    }
}
