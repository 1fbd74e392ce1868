import BolsterLeasing

/// Once an operator's drain is answered, that coordinator grants nothing any more.
final class DrainIsHeeded: Invariant {
    /// Orders that wait for their answers, which come in order, by generation.
    private var orders: [UInt64: [OperatorRequest]] = [:]
    private var drained: Set<UInt64> = []

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .arrived(let generation, _, let frame, _, _):
            guard case .operatorRequest(let request) = frame.message else { return }
            orders[generation, default: []].append(request)
        case .answered(let generation, _, .operatorReply, _):
            guard orders[generation]?.isEmpty == false else { return }
            if orders[generation]!.removeFirst() == .drain { drained.insert(generation) }
        case .journalled(let generation, let changes, _):
            for case .granted(let unit, let record) in changes where drained.contains(generation) {
                throw broken("\(unit) is granted to \(record.worker) after a drain")
            }
        default: break
        }
    }
}
