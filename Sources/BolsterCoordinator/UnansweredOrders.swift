import BolsterLeasing
import BolsterMessaging

/// Orders that are carried out and not answered yet: a copy of the ledger that knows them must be in the
/// output first. A coordinator that takes the run over elsewhere has that copy and the record files, and no
/// file says what an operator wanted.
struct UnansweredOrders {
    enum Asker {
        case peer(PeerID)
        /// A thread of this process.
        case caller(@Sendable (OperatorReply) -> Void)
    }

    private struct Order {
        let asker: Asker
        let reply: OperatorReply
        /// The copy that is waited for.
        let copy: Int
    }

    private var orders: [Order] = []

    var isEmpty: Bool { orders.isEmpty }
    var count: Int { orders.count }
    /// The copy that the latest order waits for; nil where none waits.
    var copy: Int? { orders.last?.copy }

    mutating func append(_ reply: OperatorReply, to asker: Asker, copy: Int) {
        orders.append(Order(asker: asker, reply: reply, copy: copy))
    }

    /// Those whose copy is in the output, in the order in which they came.
    mutating func take(copied: Int) -> [(asker: Asker, reply: OperatorReply)] {
        let ready = orders.prefix { $0.copy <= copied }
        orders.removeFirst(ready.count)
        return ready.map { ($0.asker, $0.reply) }
    }
}
