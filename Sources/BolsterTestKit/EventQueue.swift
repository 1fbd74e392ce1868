/// What happens when, in virtual time: a binary heap. Events of one instant come in the order they were
/// entered, so that a seed is one run. The heap moves small keys; the events lie still beside it.
package struct EventQueue<Event> {
    private struct Key {
        /// Nanoseconds.
        let due: Int64
        let order: UInt64
        let place: Int

        func precedes(_ other: Key) -> Bool { due != other.due ? due < other.due : order < other.order }
    }

    private var heap: [Key] = []
    private var events: [Event?] = []
    private var free: [Int] = []
    private var entered: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { heap.isEmpty }

    package mutating func insert(_ event: Event, due: Duration) {
        let place: Int
        if let spare = free.popLast() {
            place = spare
            events[place] = event
        } else {
            place = events.count
            events.append(event)
        }
        // Rounded up: an event never comes before its time.
        let (seconds, attoseconds) = due.components
        heap.append(
            Key(
                due: seconds * 1_000_000_000 + (attoseconds + 999_999_999) / 1_000_000_000, order: entered,
                place: place))
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
        guard let event = events[first.place].take() else { return nil }
        free.append(first.place)
        return (.nanoseconds(first.due), event)
    }
}
