import BolsterLeasing

/// Finished work is never thrown away: a commit is refused only for what the journal shows.
final class RefusalsAreJust: Invariant {
    private let scenario: Scenario
    /// The commits that a process has said, by epoch and chunk.
    private var said: [Int: [Epoch: [Int: Commit]]] = [:]
    private var names: [Int: (worker: WorkerID, key: String?)] = [:]

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(_, let process, let frame, let key, _):
            names[process] = (frame.worker, key)
            guard case .commit(let commit) = frame.message else { return }
            said[process, default: [:]][commit.epoch, default: [:]][commit.result.chunk] = commit
        case .answered(_, let process, .commitRefused(let epoch, let chunk, let reason, let text), let rows):
            guard let commit = said[process]?[epoch]?[chunk], let name = names[process] else { return }
            switch reason {
            case .alreadyCommitted:
                guard let counted = rows.counted(commit.unit, chunk),
                    counted.epoch != epoch || counted.result.digest != commit.result.digest
                else { throw broken("chunk \(chunk) of \(commit.unit) is not committed by another: \(text)") }
            case .neverGranted:
                guard let row = rows.leases[epoch], row.unit == commit.unit, row.state != .settled,
                    row.record.worker == name.worker, row.record.key == name.key
                else { return }
                throw broken("\(epoch) of \(commit.unit) was granted to process \(process): \(text)")
            case .fingerprint, .malformed:
                throw broken("a commit of process \(process) is called \(reason): \(text)")
            }
        default: break
        }
    }
}
