/// The captioner's caches: where a slot's rows lie in the memory that the graphs read and write.
///
///     cross_keys  [slot][cross layer][head][image token][d]   one block per slot
///     cache_keys  [slot][layer][head][position][d]            `capacity` positions per head
///     new_keys    [slot][layer][head][1][d]                   copied to the row's position after a step
extension Captioner {
    /// Bytes of one number of a cache.
    private var numberBytes: Int { package.precision.element.byteCount }

    /// Bytes of one image's cross keys, and of its cross values.
    private var crossBytes: Int {
        shape.crossLayers * shape.heads * shape.imageTokens * shape.headWidth * numberBytes
    }

    /// Bytes of cache and logits that a slot takes.
    package func slotBytes(maxLength: Int) -> Int {
        let caches = shape.layers * shape.heads * max(1, maxLength - 2) * shape.headWidth * numberBytes
        return 2 * (crossBytes + caches) + 4 * package.text.vocabularySize
    }

    /// How many slots `cacheMemory` allows beside the images that are encoded together, `batch` at most.
    ///
    /// - Throws: `outOfMemory` where it allows none.
    func slots(batch: Int, maxLength: Int) throws(InferenceError) -> Int {
        guard let cacheMemory else { return batch }
        let encoded = 8 * 2 * crossBytes
        let fitting = (cacheMemory - encoded) / slotBytes(maxLength: maxLength)
        guard fitting > 0 else {
            throw InferenceError(
                .outOfMemory,
                "\(package.name): \(cacheMemory) bytes of cache memory hold no caption: one takes "
                    + "\(slotBytes(maxLength: maxLength)), eight encoded images \(encoded). Allow more")
        }
        return min(batch, fitting)
    }

    /// Gives the step graph memory for this many slots with this many cache rows each.
    func bindStep(slots: Int, capacity: Int) throws(InferenceError) {
        for name in ["ids", "positions", "lengths"] { try step.bind(name, [slots]) }
        let cross = [slots, shape.crossLayers, shape.heads, shape.imageTokens, shape.headWidth]
        let cache = [slots, shape.layers, shape.heads, capacity, shape.headWidth]
        let added = [slots, shape.layers, shape.heads, 1, shape.headWidth]
        for part in ["keys", "values"] {
            try step.bind("cross_\(part)", cross)
            try step.bind("cache_\(part)", cache)
            try step.bind("new_\(part)", added)
        }
        try step.bind("logits", [slots, package.text.vocabularySize])
    }

    /// Computes cross keys and values of images, [count, 3, S, S], into the image graph's outputs.
    func encode(_ pixels: UnsafeBufferPointer<Float>, count: Int) throws(InferenceError) {
        let size = package.imageSize
        try image.bind("pixels", [count, 3, size, size])
        for part in ["keys", "values"] {
            try image.bind(
                "cross_\(part)", [count, shape.crossLayers, shape.heads, shape.imageTokens, shape.headWidth])
        }
        if package.precision == .fp32 {
            _ = image.floats("pixels").update(fromContentsOf: pixels)
        } else {
            HalfFloats.round(pixels, into: image.bytes("pixels"), as: package.precision)
        }
        try image.run()
    }

    /// Copies an image's cross keys and values into a slot: the kept ones, or row `encodedRow` of the last
    /// `encode`.
    func copyCross(of image: Int, encodedRow: Int, toSlot slot: Int) {
        let width = crossBytes
        if let kept, kept.image == image {
            for (part, bytes) in [("keys", kept.keys), ("values", kept.values)] {
                let target = step.bytes("cross_\(part)")[slot * width..<(slot + 1) * width]
                bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: target).copyMemory(from: $0) }
            }
            return
        }
        for part in ["keys", "values"] {
            let source = self.image.bytes("cross_\(part)")[encodedRow * width..<(encodedRow + 1) * width]
            let target = step.bytes("cross_\(part)")[slot * width..<(slot + 1) * width]
            UnsafeMutableRawBufferPointer(rebasing: target)
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: source))
        }
    }

    /// Keeps an encoded image's cross keys and values while others are encoded; the image that was kept
    /// before is forgotten.
    func keepCross(of image: Int, encodedRow: Int) {
        let range = encodedRow * crossBytes..<(encodedRow + 1) * crossBytes
        kept = (
            image, Array(self.image.bytes("cross_keys")[range]),
            Array(self.image.bytes("cross_values")[range])
        )
    }

    func keepsCross(of image: Int) -> Bool { kept?.image == image }

    /// Moves a slot's caches to another slot.
    func moveSlot(_ source: Int, to target: Int, cacheRows: Int, capacity: Int) {
        let cacheBytes = shape.layers * shape.heads * capacity * shape.headWidth * numberBytes
        for part in ["keys", "values"] {
            Self.moveBlock(step.bytes("cross_\(part)"), from: source, to: target, width: crossBytes)
            if cacheRows > 0 {
                Self.moveBlock(step.bytes("cache_\(part)"), from: source, to: target, width: cacheBytes)
            }
        }
    }

    private static func moveBlock(
        _ memory: UnsafeMutableRawBufferPointer, from source: Int, to target: Int, width: Int
    ) {
        let block = UnsafeMutableRawBufferPointer(rebasing: memory[target * width..<(target + 1) * width])
        block.copyMemory(
            from: UnsafeRawBufferPointer(rebasing: memory[source * width..<(source + 1) * width]))
    }

    /// One token's keys and values in all layers.
    struct CacheRow {
        let keys: [UInt8]
        let values: [UInt8]
    }

    /// The keys and values that the last step computed for a slot.
    func newCacheRow(slot: Int) -> CacheRow {
        let width = shape.layers * shape.heads * shape.headWidth * numberBytes
        let range = slot * width..<(slot + 1) * width
        return CacheRow(
            keys: Array(step.bytes("new_keys")[range]), values: Array(step.bytes("new_values")[range]))
    }

    /// Writes one token's keys and values into a slot's caches.
    func write(_ row: CacheRow, slot: Int, position: Int, capacity: Int) {
        for (part, bytes) in [("keys", row.keys), ("values", row.values)] {
            bytes.withUnsafeBytes { scatter($0, part, slot: slot, position: position, capacity: capacity) }
        }
    }

    /// Writes the keys and values that the last step computed for a slot into its caches.
    func appendCache(slot: Int, position: Int, capacity: Int) {
        let width = shape.layers * shape.heads * shape.headWidth * numberBytes
        for part in ["keys", "values"] {
            let added = step.bytes("new_\(part)")[slot * width..<(slot + 1) * width]
            scatter(
                UnsafeRawBufferPointer(rebasing: added), part, slot: slot, position: position,
                capacity: capacity)
        }
    }

    /// Spreads [layers, heads, d] over the caches' rows of a position.
    private func scatter(
        _ row: UnsafeRawBufferPointer, _ part: String, slot: Int, position: Int, capacity: Int
    ) {
        let heads = shape.layers * shape.heads
        let width = shape.headWidth * numberBytes
        guard let added = row.baseAddress, let cache = step.bytes("cache_\(part)").baseAddress else {
            preconditionFailure("the caches are empty")
        }
        for head in 0..<heads {
            (cache + ((slot * heads + head) * capacity + position) * width).copyMemory(
                from: added + head * width, byteCount: width)
        }
    }

    /// The last step's logits of a slot.
    ///
    /// - Throws: `valueInvalid` where the largest is not finite.
    func logits(slot: Int) throws(InferenceError) -> UnsafeMutableBufferPointer<Float> {
        let width = package.text.vocabularySize
        let row = UnsafeMutableBufferPointer(
            rebasing: step.floats("logits")[slot * width..<(slot + 1) * width])
        guard row.allSatisfy({ $0.isFinite }) else {
            throw InferenceError(
                .valueInvalid,
                "\(package.name): step.onnx gave logits that are not finite: model or device is broken"
            )
        }
        return row
    }

    /// Logits of the first token after the start token, [count, V].
    func firstLogits(
        _ pixels: UnsafeBufferPointer<Float>, count: Int
    ) throws(InferenceError) -> [Float] {
        kept = nil
        try encode(pixels, count: count)
        try bindStep(slots: count, capacity: 1)
        for slot in 0..<count {
            copyCross(of: slot, encodedRow: slot, toSlot: slot)
            step.integers("ids")[slot] = Int64(tokenizer.start)
            step.integers("positions")[slot] = 0
            step.integers("lengths")[slot] = 0
        }
        try step.run()
        return Array(step.floats("logits"))
    }
}
