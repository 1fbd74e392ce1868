import BolsterLeasing

/// A stage that asks for labels goes only to workers that have said them, first lease or second.
final class LabelsAreHeeded: Invariant {
    private let wanted: [String: Set<String>]
    private var said: [WorkerID: Set<String>] = [:]

    init(_ scenario: Scenario) {
        wanted = Dictionary(uniqueKeysWithValues: scenario.plan.stages.map { ($0.name, $0.labels) })
    }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(_, _, let frame, _, _):
            if case .hello(let hello) = frame.message { said[frame.worker] = Set(hello.labels) }
        case .journalled(_, let changes, _):
            for case .granted(let unit, let record) in changes {
                let missing = wanted[unit.stage, default: []].subtracting(said[record.worker, default: []])
                guard missing.isEmpty else {
                    throw broken("\(unit) is granted to \(record.worker), which is not \(missing)")
                }
            }
        default: break
        }
    }
}
