/// The captioner's caches: where a slot's rows lie in the memory that the graphs read and write.
///
///     cross_keys  [slot][cross layer][head][image token][d]   one block per slot
///     cache_keys  [slot][layer][head][position][d]            `capacity` positions per head
///     new_keys    [slot][layer][head][1][d]                   copied to the row's position after a step
///
/// All of these, and the image graph's cross keys and values, stay in the device's memory: what goes from one
/// to the other is moved there, by `CacheMoves`.
extension Captioner {
    /// The graphs' tensors that are kept where the device computes.
    static let imageResidents: Set = ["cross_keys", "cross_values"]
    static let stepResidents: Set = [
        "cross_keys", "cross_values", "cache_keys", "cache_values", "new_keys", "new_values",
    ]

    /// Bytes of one number of a cache.
    var numberBytes: Int { package.precision.element.byteCount }

    /// Bytes of one image's cross keys, and of its cross values.
    var crossBytes: Int {
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
        var isNew = false
        for part in ["keys", "values"] {
            try step.bind("cross_\(part)", cross)
            if try step.bind("cache_\(part)", cache) { isNew = true }
            try step.bind("new_\(part)", added)
        }
        try step.bind("logits", [slots, package.text.vocabularySize])
        // A masked row counts nothing times what it holds, and nothing times NaN is NaN.
        if isNew, step.memory("cache_keys").place == .device { try mover.clear(stepMemory("cache")) }
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

    /// The last step's logits of a slot.
    func logits(slot: Int) -> UnsafeMutableBufferPointer<Float> {
        let width = package.text.vocabularySize
        return UnsafeMutableBufferPointer(
            rebasing: step.floats("logits")[slot * width..<(slot + 1) * width])
    }

    var logitsAreNotFinite: InferenceError {
        InferenceError(
            .valueInvalid,
            "\(package.name): step.onnx gave logits that are not finite: model or device is broken")
    }

    /// Logits of the first token after the start token, [count, V].
    func firstLogits(
        _ pixels: UnsafeBufferPointer<Float>, count: Int
    ) throws(InferenceError) -> [Float] {
        try encode(pixels, count: count)
        try bindStep(slots: count, capacity: 1)
        try fillSlotsInOrder(count)
        for slot in 0..<count {
            step.integers("ids")[slot] = Int64(tokenizer.start)
            step.integers("positions")[slot] = 0
            step.integers("lengths")[slot] = 0
        }
        try step.run()
        return Array(step.floats("logits"))
    }
}
