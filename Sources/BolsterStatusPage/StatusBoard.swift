import BolsterLeasing
import Synchronization

/// The newest state of the run and how it came there: written by the coordinator's thread once a second,
/// read by the page's threads.
final class StatusBoard: Sendable {
    private struct State: Sendable {
        var status: StatusReply?
        var history = ThroughputHistory()
    }

    private let state = Mutex(State())

    func publish(_ status: StatusReply) {
        state.withLock { state in
            state.status = status
            state.history.observed(
                status.stages.map {
                    StageSample(samples: $0.samples, samplesPerSecond: $0.samplesPerSecond)
                }, now: status.running)
        }
    }

    /// Nil before the first state.
    var status: StatusReply? { state.withLock { $0.status } }

    func points(_ span: ThroughputHistory.Span) -> [ThroughputHistory.Point] {
        state.withLock { $0.history.points(span) }
    }
}
