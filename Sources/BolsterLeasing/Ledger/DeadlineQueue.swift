/// What falls due when: a binary heap. A lease that was extended stays at its old place; whoever takes
/// it out looks at its real deadline and puts it back.
struct DeadlineQueue<Subject> {
    private var heap: [(due: Duration, subject: Subject)] = []

    var next: Duration? { heap.first?.due }

    mutating func insert(_ subject: Subject, due: Duration) {
        heap.append((due, subject))
        var child = heap.count - 1
        while child > 0, heap[child].due < heap[(child - 1) / 2].due {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The earliest subject, if it is due.
    mutating func take(now: Duration) -> Subject? {
        guard let first = heap.first, first.due <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < heap.count else { break }
            let right = left + 1
            let least = right < heap.count && heap[right].due < heap[left].due ? right : left
            guard heap[least].due < heap[parent].due else { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return first.subject
    }
}
