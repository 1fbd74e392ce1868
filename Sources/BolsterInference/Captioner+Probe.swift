extension Captioner {
    /// Decodes the package's probe and compares with what OpenCLIP computed when it was made: first logits
    /// within `ModelProbe.tolerance`; in fp32 the greedy texts token for token, in half precision, where a
    /// near tie may fall the other way, the logits that follow the first tokens of OpenCLIP's texts.
    package func runProbe() throws(InferenceError) {
        let probe = try CaptionerProbe(package, shape: shape)
        let first = try probe.pixels.withUnsafeBufferPointer { (pixels) throws(InferenceError) in
            try firstLogits(pixels, count: CaptionerProbe.count)
        }
        try ModelProbe.compare(first, probe.firstLogits, "first_logits", .logits, package)
        if let expected = probe.forcedLogits {
            let found = try forcedLogits(probe)
            try ModelProbe.compare(found, expected, "forced_logits", .logits, package)
        } else {
            try compareTexts(probe)
        }
    }

    private func compareTexts(_ probe: CaptionerProbe) throws(InferenceError) {
        let decoding = CaptionDecoding(
            method: .greedy, minLength: shape.decoding.minLength, maxLength: shape.maximumLength)
        var run = try begin(
            captionsPerImage: 1, seed: 0, decoding: decoding, keep: .everything, batch: CaptionerProbe.count)
        try probe.pixels.withUnsafeBufferPointer { (pixels) throws(InferenceError) in
            try run.add(pixels: pixels, keys: (0..<CaptionerProbe.count).map { String($0) })
        }
        let tokens = try run.finishTokens()
        for index in 0..<CaptionerProbe.count {
            let expected = probe.greedyText(index, package.text)
            guard tokens[index][0] == expected else {
                throw InferenceError(
                    .probeFailed,
                    "\(package.directory): the probe's image \(index) gives the tokens "
                        + "\(tokens[index][0].dropFirst()), OpenCLIP gave \(expected.dropFirst()): this "
                        + "device or build computes wrongly", file: package.path(package.probe))
            }
        }
    }

    /// Logits after the first tokens of the probe's own texts, fed one by one against the caches: [16, V].
    private func forcedLogits(_ probe: CaptionerProbe) throws(InferenceError) -> [Float] {
        let (count, width) = (CaptionerProbe.count, package.text.vocabularySize)
        let capacity = CaptionerProbe.forcedTokens
        let texts = (0..<count).map { probe.greedyText($0, package.text).prefix(capacity) }
        var found = [Float](repeating: 0, count: count * width)
        try probe.pixels.withUnsafeBufferPointer { (pixels) throws(InferenceError) in
            try encode(pixels, count: count)
        }
        try bindStep(slots: count, capacity: capacity)
        try fillSlotsInOrder(count)
        var moves = CacheMoves(shape, capacity: capacity)
        for position in 0..<capacity {
            for (slot, text) in texts.enumerated() {
                step.integers("ids")[slot] = Int64(position < text.count ? text[position] : tokenizer.pad)
                step.integers("positions")[slot] = Int64(position)
                step.integers("lengths")[slot] = Int64(position)
            }
            try step.run()
            for (slot, text) in texts.enumerated() {
                if position == text.count - 1 {
                    found.replaceSubrange(slot * width..<(slot + 1) * width, with: logits(slot: slot))
                }
                moves.append(slot: slot, position: position)
            }
            try moveRows(&moves)
        }
        return found
    }
}
