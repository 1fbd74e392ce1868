/// One call of `Captioner.captions`: fills slots, steps, draws, until every caption is finished.
///
/// The caches of slot b are row b of the step graph's bound memory. When nothing waits any more, rows are
/// moved together and the batch shrinks, so that the tail computes no empty rows either.
struct CaptionRun {
    private var queue: CaptionQueue
    private var sampler: TokenSampler
    /// The row that each slot decodes; nil where none waits any more.
    private var rows: [CaptionQueue.Row?]
    /// The image whose keys and values each slot holds.
    private var resident: [Int?]
    /// Rows of cache per slot.
    private let capacity: Int
    /// The images whose keys and values lie in the image graph's output.
    private var encoded: Range<Int> = 0..<0

    init(queue: CaptionQueue, sampler: TokenSampler, slots: Int, capacity: Int) {
        self.queue = queue
        self.sampler = sampler
        self.capacity = capacity
        rows = Array(repeating: nil, count: slots)
        resident = Array(repeating: nil, count: slots)
    }

    /// Decodes everything; gives tokens by image and caption.
    mutating func finish(
        with captioner: Captioner, pixels: UnsafeBufferPointer<Float>
    ) throws(InferenceError) -> [[[Int]]] {
        guard !rows.isEmpty else { return queue.finished }
        try captioner.bindStep(slots: rows.count, capacity: capacity)
        while true {
            try fillSlots(captioner, pixels)
            compact(captioner)
            if rows.isEmpty { return queue.finished }
            try captioner.bindStep(slots: rows.count, capacity: capacity)
            try advance(captioner)
        }
    }

    /// Starts waiting captions in free slots, of which one that holds the image already is preferred.
    private mutating func fillSlots(
        _ captioner: Captioner, _ pixels: UnsafeBufferPointer<Float>
    ) throws(InferenceError) {
        var free = rows.indices.filter { rows[$0] == nil }
        while let image = queue.nextImage, !free.isEmpty {
            let position = free.firstIndex { resident[$0] == image } ?? 0
            let slot = free.remove(at: position)
            if resident[slot] != image {
                if !encoded.contains(image) { try encode(from: image, captioner, pixels) }
                captioner.copyCross(encodedRow: image - encoded.lowerBound, toSlot: slot)
                resident[slot] = image
            }
            rows[slot] = queue.takeNext()
        }
    }

    /// Encodes the next images together: as many as fill the slots, eight at least.
    private mutating func encode(
        from image: Int, _ captioner: Captioner, _ pixels: UnsafeBufferPointer<Float>
    ) throws(InferenceError) {
        let wanted = max(8, (rows.count + queue.captionsPerImage - 1) / queue.captionsPerImage)
        let count = min(wanted, queue.keys.count - image)
        let width = pixels.count / queue.keys.count
        try captioner.encode(
            UnsafeBufferPointer(rebasing: pixels[image * width..<(image + count) * width]), count: count)
        encoded = image..<image + count
    }

    /// Moves the last rows into empty slots and drops the slots that remain.
    private mutating func compact(_ captioner: Captioner) {
        while let empty = rows.firstIndex(where: { $0 == nil }) {
            let last = rows.count - 1
            if empty != last, let row = rows[last] {
                captioner.moveSlot(last, to: empty, cacheRows: row.tokens.count - 1, capacity: capacity)
                rows[empty] = row
                resident[empty] = resident[last]
            }
            rows.removeLast()
            resident.removeLast()
        }
    }

    /// One run of the step graph and one token for each row.
    private mutating func advance(_ captioner: Captioner) throws(InferenceError) {
        let ids = captioner.step.integers("ids")
        let positions = captioner.step.integers("positions")
        let lengths = captioner.step.integers("lengths")
        for slot in rows.indices {
            guard let row = rows[slot] else { continue }
            let position = row.tokens.count - 1
            ids[slot] = Int64(row.tokens[position])
            positions[slot] = Int64(position)
            lengths[slot] = Int64(position)
        }
        try captioner.step.run()
        captioner.usage.steps += 1
        captioner.usage.rows += rows.count
        for slot in rows.indices {
            guard var row = rows[slot] else {
                captioner.usage.emptyRows += 1
                continue
            }
            let logits = try captioner.logits(slot: slot)
            let position = row.tokens.count - 1
            let token = sampler.next(logits, after: row.tokens, random: &row.random)
            switch queue.drew(token, for: &row) {
            case .goOn:
                captioner.appendCache(slot: slot, position: position, capacity: capacity)
                rows[slot] = row
            case .finish:
                rows[slot] = nil
            }
        }
    }
}
