/// What happens when, in virtual time: a binary heap. Events of one instant come in the order they were
/// entered, so that a seed is one run.
package struct EventQueue<Event> {
    private struct Place {
        let due: Duration
        let order: UInt64
        let event: Event

        func precedes(_ other: Place) -> Bool {
            due != other.due ? due < other.due : order < other.order
        }
    }

    private var heap: [Place] = []
    private var entered: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { heap.isEmpty }

    package mutating func insert(_ event: Event, due: Duration) {
        heap.append(Place(due: due, order: entered, event: event))
        entered += 1
        var child = heap.count - 1
        while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The earliest event and its time; nil when nothing is left to happen.
    package mutating func next() -> (due: Duration, event: Event)? {
        guard let first = heap.first else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < heap.count else { break }
            let right = left + 1
            let least = right < heap.count && heap[right].precedes(heap[left]) ? right : left
            guard heap[least].precedes(heap[parent]) else { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.due, first.event)
    }
}
