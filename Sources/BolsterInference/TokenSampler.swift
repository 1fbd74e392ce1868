import BolsterDeterminism

/// Draws the next token of a text from a row of logits, as OpenCLIP's `generate` does and in its order.
///
///     logits ─► minimum length ─► repetition penalty ─► filter ─► temperature ─► softmax ─► one draw
///
/// Reused for every row of a run; holds only scratch memory.
struct TokenSampler {
    private let decoding: CaptionDecoding
    private let end: Int
    /// Of each token; valid after `weigh`.
    private var weights: [Float]
    /// Tokens of the bin in which the nucleus ends.
    private var order: [Int32] = []

    init(_ decoding: CaptionDecoding, vocabularySize: Int, end: Int) {
        self.decoding = decoding
        self.end = end
        weights = [Float](repeating: 0, count: vocabularySize)
    }

    /// The next token.
    ///
    /// - Parameters:
    ///   - logits: [V]; changed in place by the processors.
    ///   - text: tokens so far, the start token first.
    ///   - random: the caption's own stream; greedy decoding draws nothing from it.
    mutating func next(
        _ logits: UnsafeMutableBufferPointer<Float>, after text: [Int], random: inout CounterRandom
    ) -> Int {
        process(logits, after: text)
        switch decoding.method {
        case .greedy: return Self.largest(logits)
        case .topK, .topP: return draw(logits, kept: kept(logits), random: &random)
        }
    }

    /// Minimum length, then repetition penalty.
    func process(_ logits: UnsafeMutableBufferPointer<Float>, after text: [Int]) {
        if text.count < decoding.minLength { logits[end] = -.infinity }
        guard decoding.repetitionPenalty != 1 else { return }
        let penalty = Float(decoding.repetitionPenalty)
        for (index, token) in text.enumerated() where !text[..<index].contains(token) {
            logits[token] = logits[token] < 0 ? logits[token] * penalty : logits[token] / penalty
        }
    }

    static func largest(_ logits: UnsafeMutableBufferPointer<Float>) -> Int {
        var best = 0
        for index in 1..<logits.count where logits[index] > logits[best] { best = index }
        return best
    }

    /// Which tokens a method keeps: those with more than a logit, and of those with just that logit the ones
    /// from a token on.
    struct Kept {
        var threshold: Float
        var firstEqual = 0

        @inline(__always) func holds(_ token: Int, _ logit: Float) -> Bool {
            logit > threshold || (logit == threshold && token >= firstEqual)
        }
    }

    mutating func kept(_ logits: UnsafeMutableBufferPointer<Float>) -> Kept {
        switch decoding.method {
        case .greedy: Kept(threshold: logits[Self.largest(logits)])
        case .topK: Kept(threshold: kthLargest(logits))
        case .topP: nucleus(logits)
        }
    }

    /// One token among the kept ones, with probabilities softmax(logits / temperature), found along the
    /// vocabulary's order.
    private mutating func draw(
        _ logits: UnsafeMutableBufferPointer<Float>, kept: Kept, random: inout CounterRandom
    ) -> Int {
        weigh(logits, inverseTemperature: Float(1 / decoding.temperature))
        let block = 256
        var sums: [Double] = []
        for start in stride(from: 0, to: logits.count, by: block) {
            var sum = 0.0
            for index in start..<min(start + block, logits.count) {
                weights[index] = kept.holds(index, logits[index]) ? weights[index] : 0
                sum += Double(weights[index])
            }
            sums.append(sum)
        }
        let point = random.double() * sums.reduce(0, +)
        // Rounding may leave the point at the very end, which the last token with a weight owns.
        let lastBlock = sums.lastIndex { $0 > 0 } ?? 0
        var reached = 0.0
        var number = 0
        while number < lastBlock, point >= reached + sums[number] {
            reached += sums[number]
            number += 1
        }
        var drawn = 0
        for index in number * block..<min((number + 1) * block, logits.count) where weights[index] > 0 {
            reached += Double(weights[index])
            drawn = index
            if point < reached { break }
        }
        return drawn
    }

    /// Sets `weights` to softmax's numerators.
    private mutating func weigh(
        _ logits: UnsafeMutableBufferPointer<Float>, inverseTemperature: Float
    ) {
        let top = logits[Self.largest(logits)]
        weights.withUnsafeMutableBufferPointer {
            Exponential.fill($0, of: logits, minus: top, times: inverseTemperature)
        }
    }

    private mutating func kthLargest(_ logits: UnsafeMutableBufferPointer<Float>) -> Float {
        let count = min(decoding.topK, logits.count)
        if count == 1 { return logits[Self.largest(logits)] }
        // A heap whose root is the smallest of the largest `count` so far.
        var heap: [Float] = []
        heap.reserveCapacity(count)
        for value in logits {
            if heap.count < count {
                heap.append(value)
                if heap.count == count { heap.sort() }
            } else if value > heap[0] {
                heap[0] = value
                Self.sink(&heap)
            }
        }
        return heap[0]
    }

    private static func sink(_ heap: inout [Float]) {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { return }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            if heap[parent] <= heap[child] { return }
            heap.swapAt(parent, child)
            parent = child
        }
    }
}

extension TokenSampler {
    /// The nucleus (Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020): a token is
    /// kept while those above it hold less than `topP`. Of equal tokens the last in the vocabulary is above
    /// the others, where PyTorch's unstable sort may have any order: as many are kept, and always the same.
    ///
    /// Tokens are put into bins by their distance from the largest logit, so that only the bin in which
    /// the mass crosses `topP` is sorted: a row costs one pass, not a sort of the vocabulary.
    private mutating func nucleus(_ logits: UnsafeMutableBufferPointer<Float>) -> Kept {
        guard decoding.topP < 1 else { return Kept(threshold: -.greatestFiniteMagnitude) }
        weigh(logits, inverseTemperature: 1)
        let top = logits[Self.largest(logits)]
        var mass = [Double](repeating: 0, count: Self.binCount)
        mass.withUnsafeMutableBufferPointer { mass in
            weights.withUnsafeBufferPointer { weights in
                for index in logits.indices { mass[Self.bin(top - logits[index])] += Double(weights[index]) }
            }
        }
        let wanted = decoding.topP * mass.reduce(0, +)
        var above = 0.0
        var crossing = 0
        while crossing < Self.binCount - 1, above + mass[crossing] < wanted {
            above += mass[crossing]
            crossing += 1
        }
        order.removeAll(keepingCapacity: true)
        for index in logits.indices where Self.bin(top - logits[index]) == crossing {
            order.append(Int32(index))
        }
        order.sort { (logits[Int($0)], $0) > (logits[Int($1)], $1) }
        var kept = Kept(threshold: top)
        for index in order {
            guard above < wanted else { break }
            kept = Kept(threshold: logits[Int(index)], firstEqual: Int(index))
            above += Double(weights[Int(index)])
        }
        return kept
    }

    private static let binCount = 512

    /// Sixteen bins to each unit of distance from the largest logit; all that is far away is in the last.
    private static func bin(_ distance: Float) -> Int {
        // Adding 2^23 rounds to a whole number, which then is in the lowest bits.
        let rounded = min(distance, 31) * 16 + 8_388_608
        return Int(rounded.bitPattern & 511)
    }
}
