import BolsterLeasing

/// A worker that has followed a coordinator begins nothing that an older one says.
final class OldGenerationsAreNotHeard: Invariant {
    private var followed: [Int: UInt64] = [:]

    init() {}

    func observe(_ observation: Observation, now: Duration) throws(Violation) {
        switch observation {
        case .heard(let process, let frame, let began):
            let newest = followed[process] ?? 0
            if !began.isEmpty, frame.generation < newest {
                throw broken(
                    "process \(process) follows \(newest) and begins \(began) of \(frame.generation)")
            }
            if case .welcome = frame.message { followed[process] = max(newest, frame.generation) }
        default: break
        }
    }
}
