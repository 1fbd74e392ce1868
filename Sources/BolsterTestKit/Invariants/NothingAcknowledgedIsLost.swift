import BolsterLeasing

/// What a worker was told is committed stays committed, under the same epoch, whatever is killed. Only the
/// loss of a state folder takes back what was acknowledged after its last copy; that is done again, once.
final class NothingAcknowledgedIsLost: Invariant {
    private struct Acknowledged: Hashable {
        let unit: UnitID
        let chunk: Int
        let epoch: Epoch
    }

    private var acknowledged: Set<Acknowledged> = []
    /// The newest generation that began on a disk of its own: what older ones say counts no more.
    private var newestLineage: UInt64 = 0

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .coordinatorStarted(let generation, let rows, let isRestored):
            if isRestored {
                newestLineage = generation
                acknowledged = acknowledged.filter { rows.counted($0.unit, $0.chunk)?.epoch == $0.epoch }
            }
            try check(rows)
        case .answered(let generation, _, .committed(let epoch, let chunk, _), let rows):
            guard generation >= newestLineage, let unit = rows.leases[epoch]?.unit else { return }
            acknowledged.insert(Acknowledged(unit: unit, chunk: chunk, epoch: epoch))
        case .journalled(let generation, let changes, _) where generation >= newestLineage:
            // What an operator takes back is made again.
            for case .reopened(let unit, let kept, _) in changes {
                acknowledged = acknowledged.filter { $0.unit != unit || kept[$0.chunk]?.epoch == $0.epoch }
            }
        default: break
        }
    }

    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) { try check(end.rows) }

    private func check(_ rows: JournalRows) throws(Violation) {
        for one in acknowledged where rows.counted(one.unit, one.chunk)?.epoch != one.epoch {
            throw broken("chunk \(one.chunk) of \(one.unit) under \(one.epoch) was acknowledged")
        }
    }
}
