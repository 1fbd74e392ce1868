import BolsterLeasing

/// What a worker was told is committed stays committed, whatever is killed. A coordinator that takes over
/// with a copy and the record files has it too, if under another epoch: as long as it may, the one before
/// acknowledges only what its successor will find. Only an operator's order takes something back.
final class NothingAcknowledgedIsLost: Invariant {
    private struct Place: Hashable {
        let unit: UnitID
        let chunk: Int
    }

    /// The epoch under which each chunk was acknowledged last.
    private var acknowledged: [Place: Epoch] = [:]
    private var units: [Epoch: UnitID] = [:]
    /// The newest generation that took over: an older one has nothing to say any more.
    private var newest: UInt64 = 0
    /// What an operator has reopened: after a takeover that finds no copy of that since, nobody knows of the
    /// order, and what reads such a unit counts only beside the chunks that it read.
    private var reopened: Set<UnitID> = []
    private let scenario: Scenario

    init(_ scenario: Scenario) { self.scenario = scenario }

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .coordinatorStarted(let generation, let rows, let isTakeover):
            if isTakeover {
                newest = generation
                for (place, _) in acknowledged {
                    let counted = rows.counted(place.unit, place.chunk)
                    // Nor of shards that were added since the copy: they have to be added again.
                    let isKnown = place.unit.shard < rows.shards.count && !isReopened(place.unit)
                    guard counted != nil || !isKnown else { throw lost(place) }
                    acknowledged[place] = counted?.epoch
                }
            }
            try check(rows)
        case .answered(let generation, _, .committed(let epoch, let chunk, _), _):
            guard let unit = units[epoch] else { return }
            let place = Place(unit: unit, chunk: chunk)
            if generation >= newest {
                acknowledged[place] = epoch
            } else if acknowledged[place] == nil, !isReopened(unit) {
                throw broken("chunk \(chunk) of \(unit) is acknowledged by \(generation), \(newest) rules")
            }
        case .journalled(let generation, let changes, _):
            for case .granted(let unit, let record) in changes { units[record.epoch] = unit }
            guard generation >= newest else { return }
            for case .reopened(let unit, let kept, _) in changes {
                reopened.insert(unit)
                acknowledged = acknowledged.filter {
                    $0.key.unit != unit || kept[$0.key.chunk]?.epoch == $0.value
                }
            }
        default: break
        }
    }

    func concluded(_ end: EndOfRun, now: Duration) throws(Violation) { try check(end.rows) }

    private func check(_ rows: JournalRows) throws(Violation) {
        for (place, epoch) in acknowledged where rows.counted(place.unit, place.chunk)?.epoch != epoch {
            throw lost(place)
        }
    }

    private func isReopened(_ unit: UnitID) -> Bool {
        reopened.contains(unit) || scenario.reads(unit).map(reopened.contains) ?? false
    }

    private func lost(_ place: Place) -> Violation {
        broken("chunk \(place.chunk) of \(place.unit) was acknowledged")
    }
}
