/// The captions of one chunk: images are added as they come, and every text is decoded once all have.
///
///     add(images) ─► encoded, their captions put into slots as slots get free ─► … ─► finish() ─► texts
///
/// The caches of slot b are row b of the step graph's bound memory. Slots stay busy from one `add` to the
/// next: only `finish` lets the batch run empty. Belongs to the captioner's thread, and no other run of the
/// same captioner may begin before it is finished.
package struct CaptionRun {
    /// What the start token's step gave for an image: the same for all its captions.
    private struct Start {
        let logits: [Float]
        let cache: Captioner.CacheRow
    }

    private let captioner: Captioner
    private let keep: CaptionKeeping
    private var slots: CaptionSlots
    private var sampler: TokenSampler
    /// Rows of cache per slot.
    private let capacity: Int
    /// The images whose keys and values lie in the image graph's output.
    private var encoded: Range<Int> = 0..<0
    private var starts: [Int: Start] = [:]

    init(
        _ captioner: Captioner, queue: CaptionQueue, sampler: TokenSampler, keep: CaptionKeeping, slots: Int,
        capacity: Int
    ) {
        self.captioner = captioner
        self.keep = keep
        self.sampler = sampler
        self.capacity = capacity
        self.slots = CaptionSlots(queue: queue, slots: slots)
    }

    /// Starts the captions of more images, and decodes as long as every slot is busy.
    ///
    /// - Parameters:
    ///   - pixels: normalised, [N, 3, S, S]; read during the call only.
    ///   - keys: N sample keys, which with the caption's index choose its random numbers.
    package mutating func add(
        pixels: UnsafeBufferPointer<Float>, keys: [String]
    ) throws(InferenceError) {
        let size = captioner.package.imageSize
        precondition(
            pixels.count == keys.count * 3 * size * size,
            "\(pixels.count) floats are not \(keys.count) images")
        let first = slots.queue.imageCount
        slots.add(keys)
        try captioner.bindStep(slots: slots.rows.count, capacity: capacity)
        while slots.queue.next != nil {
            try fillSlots(pixels, first: first)
            if slots.isFull { try advance() }
        }
    }

    /// Decodes what is left.
    ///
    /// - Returns: for each image in order, its texts in order. A text may be empty.
    package mutating func finish() throws(InferenceError) -> [[String]] {
        let (captioner, keep) = (captioner, keep)
        return try finishTokens().map { captions in captions.map { captioner.text(of: $0, keep: keep) } }
    }

    /// As `finish`, but the tokens: start token first, no end token.
    mutating func finishTokens() throws(InferenceError) -> [[[Int]]] {
        while true {
            for move in slots.compact() {
                captioner.moveSlot(
                    move.from, to: move.to, cacheRows: move.cacheRows, capacity: capacity)
            }
            if slots.rows.isEmpty { return slots.queue.finished }
            try captioner.bindStep(slots: slots.rows.count, capacity: capacity)
            try advance()
        }
    }

    /// Starts waiting captions in free slots.
    private mutating func fillSlots(
        _ pixels: UnsafeBufferPointer<Float>, first: Int
    ) throws(InferenceError) {
        while let (image, caption) = slots.queue.next, let start = slots.startNext() {
            if start.needsImage {
                if !encoded.contains(image), !captioner.keepsCross(of: image) {
                    try encode(from: image, pixels, first: first)
                }
                captioner.copyCross(
                    of: image, encodedRow: image - encoded.lowerBound, toSlot: start.slot)
            }
            if caption > 0, let known = starts[image] { useStart(known, slot: start.slot) }
            if !slots.queue.isAwaited(image) { starts[image] = nil }
        }
    }

    /// Draws a caption's first token from the logits that its image's first caption has computed.
    private mutating func useStart(_ start: Start, slot: Int) {
        var logits = start.logits
        captioner.usage.sharedRows += 1
        if draw(slot: slot, from: &logits) == .goOn {
            captioner.write(start.cache, slot: slot, position: 0, capacity: capacity)
        }
    }

    private mutating func draw(slot: Int, from logits: inout [Float]) -> CaptionQueue.OnToken {
        logits.withUnsafeMutableBufferPointer { draw(slot: slot, from: $0) }
    }

    private mutating func draw(
        slot: Int, from logits: UnsafeMutableBufferPointer<Float>
    ) -> CaptionQueue.OnToken {
        slots.draw(slot: slot) { row in sampler.next(logits, after: row.tokens, random: &row.random) }
    }

    /// Encodes the next images together: as many as fill the slots, eight at least.
    private mutating func encode(
        from image: Int, _ pixels: UnsafeBufferPointer<Float>, first: Int
    ) throws(InferenceError) {
        // The last image before these may have captions to start yet.
        if let last = encoded.last, slots.queue.isAwaited(last) {
            captioner.keepCross(of: last, encodedRow: last - encoded.lowerBound)
        }
        let perImage = slots.queue.captionsPerImage
        let wanted = max(8, (slots.rows.count + perImage - 1) / perImage)
        let count = min(wanted, slots.queue.imageCount - image)
        let width = pixels.count / (slots.queue.imageCount - first)
        let start = (image - first) * width
        try captioner.encode(
            UnsafeBufferPointer(rebasing: pixels[start..<start + count * width]), count: count)
        encoded = image..<image + count
    }

    /// One run of the step graph and one token for each row.
    private mutating func advance() throws(InferenceError) {
        let ids = captioner.step.integers("ids")
        let positions = captioner.step.integers("positions")
        let lengths = captioner.step.integers("lengths")
        for (slot, row) in slots.rows.enumerated() {
            guard let row else { preconditionFailure("a step with an empty slot") }
            let position = row.tokens.count - 1
            ids[slot] = Int64(row.tokens[position])
            positions[slot] = Int64(position)
            lengths[slot] = Int64(position)
        }
        try captioner.step.run()
        captioner.usage.steps += 1
        captioner.usage.rows += slots.rows.count
        for slot in slots.rows.indices {
            guard let row = slots.rows[slot] else { preconditionFailure("a row is drawn for once") }
            let logits = try captioner.logits(slot: slot)
            let position = row.tokens.count - 1
            if position == 0, row.caption == 0, slots.queue.isAwaited(row.image) {
                starts[row.image] = Start(logits: Array(logits), cache: captioner.newCacheRow(slot: slot))
            }
            if draw(slot: slot, from: logits) == .goOn {
                captioner.appendCache(slot: slot, position: position, capacity: capacity)
            }
        }
    }
}
