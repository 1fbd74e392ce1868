/// The captions of one chunk: images are added as they come, and every text is decoded once all have.
///
///     add(images) ─► encoded, their captions put into slots as slots get free ─► … ─► finish() ─► texts
///
/// The caches of slot b are row b of the step graph's bound memory. Slots stay busy from one `add` to the
/// next: only `finish` lets the batch run empty. Belongs to the captioner's thread, and no other run of the
/// same captioner may begin before it is finished.
package struct CaptionRun {
    private let captioner: Captioner
    private let keep: CaptionKeeping
    private var slots: CaptionSlots
    private var lanes: TokenLanes
    /// What is to be copied before the next run of a graph.
    private var moves: CacheMoves
    /// The images whose keys and values lie in the image graph's output.
    private var encoded: Range<Int> = 0..<0
    /// The image before them, if it was kept.
    private var kept: Int?
    /// The logits that the start token's step gave for an image: the same for all its captions.
    private var starts: [Int: [Float]] = [:]

    init(
        _ captioner: Captioner, queue: CaptionQueue, lanes: TokenLanes, keep: CaptionKeeping, slots: Int,
        moves: CacheMoves
    ) {
        self.captioner = captioner
        self.keep = keep
        self.lanes = lanes
        self.moves = moves
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
        try captioner.bindStep(slots: slots.rows.count, capacity: moves.capacity)
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
            try captioner.moveSlots(slots.compact(), moves)
            if slots.rows.isEmpty { return slots.queue.finished }
            try captioner.bindStep(slots: slots.rows.count, capacity: moves.capacity)
            try advance()
        }
    }

    /// Starts waiting captions in free slots.
    private mutating func fillSlots(
        _ pixels: UnsafeBufferPointer<Float>, first: Int
    ) throws(InferenceError) {
        while let (image, caption) = slots.queue.next, let start = slots.startNext() {
            if start.needsImage {
                if !encoded.contains(image), kept != image {
                    try encode(from: image, pixels, first: first)
                }
                if kept == image {
                    moves.startSlot(start.slot, from: .kept, row: 0)
                } else {
                    moves.startSlot(start.slot, from: .encoded, row: image - encoded.lowerBound)
                }
            }
            if caption > 0, let known = starts[image] {
                try useStart(of: image, known, slot: start.slot)
            }
            if !slots.queue.isAwaited(image) { starts[image] = nil }
        }
        try captioner.moveRows(&moves)
    }

    /// Draws a caption's first token from the logits that its image's first caption has computed.
    private mutating func useStart(
        of image: Int, _ logits: [Float], slot: Int
    ) throws(InferenceError) {
        guard let row = slots.rows[slot] else { preconditionFailure("slot \(slot) has just got a caption") }
        captioner.usage.sharedRows += 1
        var logits = logits
        let choice = logits.withUnsafeMutableBufferPointer { lanes.choose(row, from: $0) }
        if try draw(choice, slot: slot) == .goOn { moves.useStart(of: image, slot: slot) }
    }

    private mutating func draw(
        _ choice: TokenLanes.Choice?, slot: Int
    ) throws(InferenceError) -> CaptionQueue.OnToken {
        guard let choice else { throw captioner.logitsAreNotFinite }
        return slots.draw(slot: slot) { row in
            row.random = choice.random
            return choice.token
        }
    }

    /// Encodes the next images together: as many as fill the slots, eight at least.
    private mutating func encode(
        from image: Int, _ pixels: UnsafeBufferPointer<Float>, first: Int
    ) throws(InferenceError) {
        try captioner.moveRows(&moves)
        // The last image before these may have captions to start yet.
        if let last = encoded.last, slots.queue.isAwaited(last) {
            try captioner.keep(encodedRow: last - encoded.lowerBound, moves)
            kept = last
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
        let rows = slots.rows.map { row in
            guard let row else { preconditionFailure("a step with an empty slot") }
            return row
        }
        let ids = captioner.step.integers("ids")
        let positions = captioner.step.integers("positions")
        let lengths = captioner.step.integers("lengths")
        for (slot, row) in rows.enumerated() {
            ids[slot] = Int64(row.tokens[row.position])
            positions[slot] = Int64(row.position)
            lengths[slot] = Int64(row.position)
        }
        try captioner.step.run()
        captioner.usage.steps += 1
        captioner.usage.rows += rows.count
        for (slot, row) in rows.enumerated() where row.position == 0 && row.caption == 0 {
            guard slots.queue.isAwaited(row.image) else { continue }
            starts[row.image] = Array(captioner.logits(slot: slot))
            moves.keepStart(of: row.image, slot: slot)
        }
        let choices = lanes.choose(rows, from: captioner.step.floats("logits"))
        for (slot, choice) in choices.enumerated() where try draw(choice, slot: slot) == .goOn {
            moves.append(slot: slot, position: rows[slot].position)
        }
        try captioner.moveRows(&moves)
    }
}
