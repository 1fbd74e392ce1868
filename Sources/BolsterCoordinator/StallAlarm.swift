import BolsterLeasing

/// Notices a run that goes on without getting on: units left, and no chunk committed for a long time.
package struct StallAlarm {
    /// Longer than any chunk should take; a first model load and a slow chunk fit into it.
    package static let patience: Duration = .seconds(1_800)

    private let patience: Duration
    private var chunks = -1
    private var since: Duration = .zero
    private var told: Duration?

    init(patience: Duration = StallAlarm.patience) { self.patience = patience }

    /// How long nothing was committed, if that is a reason to raise the alarm now: once at the limit, and
    /// again each further time that it passes.
    mutating func observed(_ status: StatusReply, now: Duration) -> Duration? {
        let committed = status.stages.reduce(0) { $0 + $1.chunks }
        let isOver = status.stages.allSatisfy { $0.settled == $0.units }
        if committed != chunks || isOver {
            chunks = committed
            since = now
            told = nil
        }
        guard now - (told ?? since) >= patience else { return nil }
        told = now
        return now - since
    }
}
