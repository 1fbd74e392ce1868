/// Which caption each slot of a batch decodes. Pure: what is to be computed or copied comes back as a value.
///
///     waiting (image, caption) in order ─► slot 0 … slot B-1 ─► finished texts
///
/// A step is taken when every slot is busy, or when nothing more will come: then rows are moved together and
/// the batch shrinks. So no step computes a row that decodes nothing, whatever the texts' lengths are.
/// A caption's tokens depend on its own logits and its own random stream alone, so that it does not matter in
/// which slot or beside which others it is decoded.
struct CaptionSlots {
    private(set) var queue: CaptionQueue
    /// The row that each slot decodes; nil where none waits any more.
    private(set) var rows: [CaptionQueue.Row?]
    /// The image whose keys and values each slot holds.
    private(set) var resident: [Int?]

    init(queue: CaptionQueue, slots: Int) {
        self.queue = queue
        rows = Array(repeating: nil, count: slots)
        resident = Array(repeating: nil, count: slots)
    }

    var isFull: Bool { !rows.contains { $0 == nil } }

    mutating func add(_ keys: [String]) { queue.add(keys) }

    /// Puts the next waiting caption into a free slot, of which one that holds its image is preferred.
    ///
    /// - Returns: the slot, and whether it still needs the image's keys and values; nil where no slot is free
    ///   or nothing waits.
    mutating func startNext() -> (slot: Int, needsImage: Bool)? {
        guard let (image, _) = queue.next else { return nil }
        guard
            let slot = rows.indices.first(where: { rows[$0] == nil && resident[$0] == image })
                ?? rows.firstIndex(where: { $0 == nil })
        else { return nil }
        let needsImage = resident[slot] != image
        resident[slot] = image
        rows[slot] = queue.takeNext()
        return (slot, needsImage)
    }

    /// Draws a slot's next token; a finished text's slot is free afterwards.
    mutating func draw(
        slot: Int, _ choose: (inout CaptionQueue.Row) -> Int
    ) -> CaptionQueue.OnToken {
        guard var row = rows[slot] else { preconditionFailure("slot \(slot) decodes nothing") }
        let token = choose(&row)
        let outcome = queue.drew(token, for: &row)
        switch outcome {
        case .goOn: rows[slot] = row
        case .finish: rows[slot] = nil
        }
        return outcome
    }

    /// Moves the last rows into free slots and drops the slots that remain.
    ///
    /// - Returns: the moves in their order, with the number of cache rows that go along.
    mutating func compact() -> [(from: Int, to: Int, cacheRows: Int)] {
        var moves: [(from: Int, to: Int, cacheRows: Int)] = []
        while let free = rows.firstIndex(where: { $0 == nil }) {
            let last = rows.count - 1
            if free != last, let row = rows[last] {
                moves.append((last, free, row.tokens.count - 1))
                rows[free] = row
                resident[free] = resident[last]
            }
            rows.removeLast()
            resident.removeLast()
        }
        return moves
    }
}
