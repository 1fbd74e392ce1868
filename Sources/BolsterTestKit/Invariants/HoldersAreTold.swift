import BolsterLeasing

/// Who holds what is known to both sides: the answer to a heartbeat takes back exactly those of the leases
/// named that do not live, and whoever is welcomed under a name finds no lease alive that another start of
/// that worker, or another key, held under it.
final class HoldersAreTold: Invariant {
    /// What a process has said since it was last answered, and what follows from it.
    private struct Said {
        let generation: UInt64
        /// Of each heartbeat, the leases named that were over, or another's, before it came.
        var strange: [Set<Epoch>] = []
        /// Of each Hello, the leases of others under the worker's name.
        var displaced: [Set<Epoch>] = []
        var isAnswered = false
    }

    private var said: [Int: Said] = [:]

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(let generation, let process, let frame, let key, let rows):
            guard frame.generation <= generation else { return }
            var one = said[process] ?? Said(generation: generation)
            if one.isAnswered || one.generation != generation { one = Said(generation: generation) }
            note(frame, key, rows, in: &one)
            said[process] = one
        case .answered(let generation, let process, let message, let rows):
            guard let one = said[process], one.generation == generation else { return }
            said[process]?.isAnswered = true
            try check(message, one, process, rows)
        default: break
        }
    }

    private func note(_ frame: WorkerFrame, _ key: String?, _ rows: JournalRows, in one: inout Said) {
        switch frame.message {
        case .heartbeat(let heartbeat):
            let strange = heartbeat.leases.map(\.epoch).filter { epoch in
                guard let row = rows.leases[epoch], row.state == .living else { return true }
                return row.record.worker != frame.worker || row.record.key != key
            }
            one.strange.append(Set(strange))
        case .hello:
            let others = rows.leases.values.filter {
                $0.state == .living && $0.record.worker == frame.worker
                    && ($0.record.incarnation != frame.incarnation || $0.record.key != key)
            }
            one.displaced.append(Set(others.map(\.record.epoch)))
        default: break
        }
    }

    private func check(
        _ message: CoordinatorMessage, _ one: Said, _ process: Int, _ rows: JournalRows
    ) throws(Violation) {
        switch message {
        case .heartbeatReply(let revoked, _):
            // Of several in one batch nobody can tell which one this answers.
            guard one.strange.count == 1 else { return }
            let kept = one.strange[0].subtracting(revoked)
            guard kept.isEmpty else { throw broken("process \(process) is not told that \(kept) are over") }
            let living = revoked.filter {
                rows.leases[$0]?.state == .living && !one.strange[0].contains($0)
            }
            guard living.isEmpty else { throw broken("\(living) are taken back from \(process) and live") }
        case .welcome:
            guard one.displaced.count == 1 else { return }
            let living = one.displaced[0].filter { rows.leases[$0]?.state == .living }
            guard living.isEmpty else { throw broken("process \(process) is welcomed while \(living) live") }
        default: break
        }
    }
}
