import BolsterLeasing

/// A unit is granted only while it is open and when the unit it reads is finished, and with exactly that
/// unit's record files.
final class DependenciesHold: Invariant {
    private let scenario: Scenario

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .journalled(_, let changes, var rows):
            for change in changes {
                if case .granted(let unit, _) = change {
                    if let source = scenario.reads(unit), rows.finished[source] == nil {
                        throw broken("\(unit) is granted before \(source) is finished")
                    }
                    let isGivenUp = rows.troubles[unit]?.isQuarantined ?? false
                    guard rows.finished[unit] == nil, !isGivenUp else {
                        throw broken("\(unit) is granted and is \(isGivenUp ? "given up" : "finished")")
                    }
                }
                try rows.apply(change)
            }
        case .answered(_, _, .grant(let grant), let rows):
            guard let source = scenario.reads(grant.unit) else {
                guard grant.sources.isEmpty else { throw broken("\(grant.unit) reads nothing") }
                return
            }
            let counted = rows.finished[source]?.chunks ?? []
            guard
                grant.sources.map(\.epoch) == counted.map(\.epoch),
                grant.sources.map(\.digest) == counted.map(\.result.digest),
                grant.sources.map(\.samples) == counted.map(\.result.samples)
            else { throw broken("\(grant.unit) is granted with other record files than those that count") }
        default: break
        }
    }
}
