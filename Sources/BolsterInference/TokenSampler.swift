import BolsterDeterminism
import Glibc

/// Draws the next token of a text from a row of logits, as OpenCLIP's `generate` does and in its order.
///
///     logits ─► minimum length ─► repetition penalty ─► filter ─► temperature ─► softmax ─► one draw
///
/// Reused for every row of a run; holds only scratch memory.
struct TokenSampler {
    private let decoding: CaptionDecoding
    private let end: Int
    private var weights: [Float]
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
        case .topK: return draw(logits, threshold: kthLargest(logits), random: &random)
        case .topP: return draw(logits, threshold: nucleusThreshold(logits), random: &random)
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

    /// The smallest logit that the method keeps; every token with at least this logit is kept.
    mutating func keptThreshold(_ logits: UnsafeMutableBufferPointer<Float>) -> Float {
        switch decoding.method {
        case .greedy: logits[Self.largest(logits)]
        case .topK: kthLargest(logits)
        case .topP: nucleusThreshold(logits)
        }
    }

    /// One token among those with at least `threshold`, with probabilities softmax(logits / temperature),
    /// found along the vocabulary's order.
    private mutating func draw(
        _ logits: UnsafeMutableBufferPointer<Float>, threshold: Float, random: inout CounterRandom
    ) -> Int {
        let top = logits[Self.largest(logits)]
        let inverse = Float(1 / decoding.temperature)
        var sum = 0.0
        order.removeAll(keepingCapacity: true)
        for index in logits.indices where logits[index] >= threshold {
            let weight = expf((logits[index] - top) * inverse)
            weights[order.count] = weight
            order.append(Int32(index))
            sum += Double(weight)
        }
        let point = random.double() * sum
        var reached = 0.0
        for (position, token) in order.enumerated() {
            reached += Double(weights[position])
            if point < reached { return Int(token) }
        }
        // Rounding may leave the point at the very end; the last token with any weight owns it.
        let last = order.indices.last { weights[$0] > 0 }
        return last.map { Int(order[$0]) } ?? Self.largest(logits)
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
    /// The logit of the last token of the nucleus (Holtzman et al., "The Curious Case of Neural Text
    /// Degeneration", ICLR 2020): a token is kept while those above it hold less than `topP`.
    ///
    /// Tokens are put into bins by their distance from the largest logit, so that only the bin in which
    /// the mass crosses `topP` is sorted: a row costs one pass, not a sort of the vocabulary.
    private mutating func nucleusThreshold(_ logits: UnsafeMutableBufferPointer<Float>) -> Float {
        guard decoding.topP < 1 else { return -.greatestFiniteMagnitude }
        let top = logits[Self.largest(logits)]
        let binsPerUnit: Float = 16
        let binCount = 512
        var mass = [Double](repeating: 0, count: binCount)
        for (index, value) in logits.enumerated() {
            let weight = expf(value - top)
            weights[index] = weight
            mass[Self.bin(top - value, binsPerUnit, binCount)] += Double(weight)
        }
        let total = mass.reduce(0, +)
        let wanted = decoding.topP * total
        var above = 0.0
        var crossing = 0
        while crossing < binCount - 1, above + mass[crossing] < wanted {
            above += mass[crossing]
            crossing += 1
        }
        var inside = logits.filter { Self.bin(top - $0, binsPerUnit, binCount) == crossing }
        inside.sort(by: >)
        var threshold = inside.first ?? top
        for value in inside {
            guard above < wanted else { break }
            threshold = value
            above += Double(expf(value - top))
        }
        return threshold
    }

    private static func bin(_ distance: Float, _ perUnit: Float, _ count: Int) -> Int {
        let scaled = distance * perUnit
        return scaled < Float(count - 1) ? Int(scaled) : count - 1
    }
}
