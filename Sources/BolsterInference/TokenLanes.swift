import BolsterDeterminism
import Dispatch

/// The next tokens of a step's rows, drawn by several threads side by side: the softmax and the nucleus of a
/// full batch would take one thread about as long as a GPU takes for the step itself.
///
/// Rows are dealt to the lanes in turn. A row's token depends on its own logits and its own random stream
/// alone, so that the number of lanes changes nothing.
struct TokenLanes {
    /// A row's next token, and its random stream after the draw.
    struct Choice {
        let token: Int
        let random: CounterRandom
    }

    /// Logits below which a second lane costs more than it saves.
    private static let logitsMin = 1 << 16

    private var samplers: [TokenSampler]
    private let vocabularySize: Int

    /// - Parameter threads: lanes at most.
    init(_ decoding: CaptionDecoding, vocabularySize: Int, end: Int, threads: Int) {
        let sampler = TokenSampler(decoding, vocabularySize: vocabularySize, end: end)
        samplers = Array(repeating: sampler, count: threads)
        self.vocabularySize = vocabularySize
    }

    /// Draws a token after each text.
    ///
    /// - Parameters:
    ///   - rows: the texts so far.
    ///   - logits: [rows, V]; changed in place by the processors.
    /// - Returns: nil for a row whose logits are not all finite.
    mutating func choose(
        _ rows: [CaptionQueue.Row], from logits: UnsafeMutableBufferPointer<Float>
    ) -> [Choice?] {
        precondition(logits.count == rows.count * vocabularySize, "\(logits.count) logits")
        let width = vocabularySize
        let lanes = logits.count < Self.logitsMin ? 1 : min(samplers.count, rows.count)
        var choices = [Choice?](repeating: nil, count: rows.count)
        samplers.withUnsafeMutableBufferPointer { samplers in
            choices.withUnsafeMutableBufferPointer { choices in
                // A lane has its own sampler and writes its own rows' logits and choices.
                nonisolated(unsafe) let (samplers, choices, logits) = (samplers, choices, logits)
                DispatchQueue.concurrentPerform(iterations: lanes) { lane in
                    for index in stride(from: lane, to: rows.count, by: lanes) {
                        let row = UnsafeMutableBufferPointer(
                            rebasing: logits[index * width..<(index + 1) * width])
                        choices[index] = Self.choice(&samplers[lane], rows[index], row)
                    }
                }
            }
        }
        return choices
    }

    /// One row's token, on the caller's thread.
    mutating func choose(_ row: CaptionQueue.Row, from logits: UnsafeMutableBufferPointer<Float>) -> Choice? {
        Self.choice(&samplers[0], row, logits)
    }

    private static func choice(
        _ sampler: inout TokenSampler, _ row: CaptionQueue.Row, _ logits: UnsafeMutableBufferPointer<Float>
    ) -> Choice? {
        guard logits.allSatisfy({ $0.isFinite }) else { return nil }
        var random = row.random
        let token = sampler.next(logits, after: row.tokens, random: &random)
        return Choice(token: token, random: random)
    }
}
