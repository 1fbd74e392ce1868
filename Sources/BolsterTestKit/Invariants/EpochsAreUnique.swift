import BolsterLeasing

/// No two grants of a run have the same epoch, whichever coordinator made them, and a generation is one
/// coordinator's alone.
final class EpochsAreUnique: Invariant {
    private var granted: [Epoch: (unit: UnitID, worker: WorkerID)] = [:]
    private var generations: Set<UInt64> = []

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .coordinatorStarted(let generation, _, _):
            guard generations.insert(generation).inserted else {
                throw broken("generation \(generation) is used twice")
            }
        case .journalled(let generation, let changes, _):
            for case .granted(let unit, let record) in changes {
                guard record.epoch.generation == generation, granted[record.epoch] == nil else {
                    throw broken("\(unit) is granted as \(record.epoch) by generation \(generation)")
                }
                granted[record.epoch] = (unit, record.worker)
            }
        default: break
        }
    }
}
