import BolsterLeasing

/// No unit starves: a worker that asks is not sent away while a unit lies ready that never gave trouble,
/// that nobody holds, and that asks for no label.
final class NobodyWaitsWhileWorkIsReady: Invariant {
    private let scenario: Scenario
    /// Workers that said Fail may have to wait for that; those that hold leases may hold enough.
    private var excused: Set<WorkerID> = []
    /// Who each process is, and what lay ready when it asked: an answer is made of a whole batch.
    private var asked: [Int: (worker: WorkerID, ready: Set<UnitID>)] = [:]

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(_, let process, let frame, _, let rows):
            if case .fail = frame.message { excused.insert(frame.worker) }
            if case .ask = frame.message { asked[process] = (frame.worker, ready(rows)) }
        case .answered(_, let process, .wait, let rows):
            guard let asked = asked[process], !excused.contains(asked.worker), !asked.ready.isEmpty,
                let unit = asked.ready.intersection(ready(rows)).min(by: { $0.order < $1.order })
            else { return }
            throw broken("\(asked.worker) is told to wait while \(unit) lies ready")
        default: break
        }
    }

    private func ready(_ rows: JournalRows) -> Set<UnitID> {
        let held = Set(rows.leases.values.filter { $0.state == .living }.map(\.unit))
        return Set(
            scenario.units(shards: rows.shards.count).filter { unit in
                rows.finished[unit] == nil && rows.troubles[unit] == nil && !held.contains(unit)
                    && open.contains(unit.stage)
                    && scenario.reads(unit).map { rows.finished[$0] != nil } ?? true
            })
    }

    /// Stages that ask for no label.
    private var open: Set<String> {
        Set(scenario.plan.stages.filter(\.labels.isEmpty).map(\.name))
    }
}
