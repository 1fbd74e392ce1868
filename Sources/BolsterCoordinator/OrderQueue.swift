import BolsterLeasing
import Synchronization

/// Orders from this process's own threads, on their way to the one that serves.
final class OrderQueue: Sendable {
    /// More at a time than people or a page's buttons give.
    static let waitingMax = 1_024

    struct Order: Sendable {
        let request: OperatorRequest
        /// Called once, on the serving thread.
        let done: @Sendable (OperatorReply) -> Void
    }

    private struct State {
        var orders: [Order] = []
        var isClosed = false
    }

    private let state = Mutex(State())

    func append(_ order: Order) {
        let isTaken = state.withLock { state in
            guard !state.isClosed, state.orders.count < Self.waitingMax else { return false }
            state.orders.append(order)
            return true
        }
        if !isTaken {
            order.done(OperatorReply(refusal: "the coordinator has ended, or too many orders wait"))
        }
    }

    func takeAll() -> [Order] {
        state.withLock { state in
            defer { state.orders = [] }
            return state.orders
        }
    }

    /// Nobody serves any more: what waits, and what comes later, is refused.
    func close() {
        state.withLock { $0.isClosed = true }
        for order in takeAll() { order.done(OperatorReply(refusal: "the coordinator has ended")) }
    }
}
