import BolsterDeterminism
import BolsterOracles
import Foundation
import Testing

@testable import BolsterInference

@Suite struct TokenSamplerTests {
    private static func logits(_ count: Int, seed: UInt64, spread: Double) -> [Float] {
        var random = CounterRandom(seed: seed, purpose: .caption, key: "logits", index: 0)
        return (0..<count).map { _ in
            Float((random.double() + random.double() + random.double() - 1.5) * spread)
        }
    }

    private func kept(_ decoding: CaptionDecoding, _ logits: [Float]) -> Set<Int> {
        var sampler = TokenSampler(decoding, vocabularySize: logits.count, end: 1)
        var values = logits
        let kept = values.withUnsafeMutableBufferPointer { sampler.kept($0) }
        return Set(logits.indices.filter { kept.holds($0, logits[$0]) })
    }

    /// One row of logits with what a step does to it.
    private struct Question: Encodable {
        let logits: [Float]
        let text: [Int]
        let method: String
        let topP: Double
        let topK: Int
        let temperature: Double
        let minLength: Int
        let penalty: Double

        var decoding: CaptionDecoding {
            CaptionDecoding(
                method: method == "top_p" ? .topP : .topK, topP: topP, topK: topK, temperature: temperature,
                minLength: minLength, repetitionPenalty: penalty)
        }
    }

    private static let questions: [Question] = {
        var questions: [Question] = []
        for (index, spread) in [0.01, 0.5, 3.0, 12.0, 60.0].enumerated() {
            for (mass, count, penalty) in [(0.1, 1, 1.0), (0.5, 7, 1.3), (0.9, 50, 1.0), (0.99, 400, 2.0)] {
                // Coarse logits, as half precision has them, are often equal.
                for (method, grain) in [("top_p", 0), ("top_k", 0), ("top_p", 4), ("top_k", 4)] {
                    var logits = logits(3000, seed: UInt64(index), spread: spread)
                    if grain > 0 { logits = logits.map { ($0 * Float(grain)).rounded() / Float(grain) } }
                    // The end token would win where nothing forbids it.
                    logits[1] = Float(spread) * 2
                    let length = questions.count % 9 + 1
                    questions.append(
                        Question(
                            logits: logits, text: (0..<length).map { ($0 * 37 + index) % 40 + 2 },
                            method: method, topP: mass, topK: count, temperature: [0.7, 1, 2][index % 3],
                            minLength: 5, penalty: penalty))
                }
            }
        }
        return questions
    }()

    @Test(
        "Kept tokens and probabilities are those of OpenCLIP's processors in their order",
        .enabled(if: PythonOracle.hasSentencePiece))
    func processors() throws {
        struct Answer: Decodable {
            let kept: [Int]
            let probabilities: [Double]
        }
        let program = """
            import functools, json, sys, torch
            from open_clip import coca_model as c
            # PyTorch leaves the order of equal logits open, so that any of them may be kept; a stable sort
            # decides it.
            torch.sort = functools.partial(torch.sort, stable=True)
            answers = []
            for q in json.load(sys.stdin):
                logits, text = torch.tensor([q["logits"]]), torch.tensor([q["text"]])
                processors = c.LogitsProcessorList([
                    c.MinLengthLogitsProcessor(q["minLength"], torch.tensor([1])),
                    c.RepetitionPenaltyLogitsProcessor(float(q["penalty"])),
                ])
                name = q["method"]
                warper = c.GENERATION_TYPES[name](q["topP"] if name == "top_p" else q["topK"])
                filtered = warper(text, processors(text, logits))
                probabilities = torch.softmax(filtered / q["temperature"], dim=-1)[0]
                kept = torch.isfinite(filtered[0]).nonzero()[:, 0]
                answers.append({"kept": kept.tolist(), "probabilities": probabilities[kept].tolist()})
            print(json.dumps(answers))
            """
        let answers = try Python.ask(program, Self.questions, as: [Answer].self)
        for (question, answer) in zip(Self.questions, answers) {
            let (kept, probabilities) = keptProbabilities(question)
            // PyTorch adds in fp32, so that a token exactly at the nucleus' border may fall on either side.
            let differing = Set(kept).symmetricDifference(answer.kept).count
            #expect(differing <= (question.method == "top_p" ? 1 : 0), "\(question.method) \(question.topP)")
            if differing == 0 {
                for (ours, theirs) in zip(probabilities, answer.probabilities) {
                    #expect(abs(ours - theirs) <= 1e-6 + 1e-4 * theirs)
                }
            }
            #expect(kept.contains(1) == answer.kept.contains(1))
        }
        #expect(answers.count == 80)
    }

    /// The tokens that a step may draw, in the vocabulary's order, with their probabilities.
    private func keptProbabilities(_ question: Question) -> ([Int], [Double]) {
        var sampler = TokenSampler(question.decoding, vocabularySize: question.logits.count, end: 1)
        var logits = question.logits
        let found = logits.withUnsafeMutableBufferPointer {
            sampler.process($0, after: question.text)
            return sampler.kept($0)
        }
        let kept = logits.indices.filter { found.holds($0, logits[$0]) && logits[$0].isFinite }
        let top = Double(logits.max()!)
        let weights = kept.map { exp((Double(logits[$0]) - top) / question.temperature) }
        let sum = weights.reduce(0, +)
        return (kept, weights.map { $0 / sum })
    }

    @Test("Top-k keeps the k largest and what equals the last of them")
    func topK() {
        let logits: [Float] = [1, 5, 3, 3, 2, -.infinity, 4, 3]
        #expect(kept(CaptionDecoding(method: .topK, topK: 1), logits) == [1])
        #expect(kept(CaptionDecoding(method: .topK, topK: 2), logits) == [1, 6])
        #expect(kept(CaptionDecoding(method: .topK, topK: 3), logits) == [1, 2, 3, 6, 7])
        #expect(kept(CaptionDecoding(method: .topK, topK: 99), logits) == Set(0...7))
        let many = Self.logits(2000, seed: 4, spread: 5)
        let sorted = many.sorted(by: >)
        for count in [1, 2, 7, 50, 1999] {
            #expect(kept(CaptionDecoding(method: .topK, topK: count), many).count >= count)
            #expect(
                kept(CaptionDecoding(method: .topK, topK: count), many).allSatisfy {
                    many[$0] >= sorted[count - 1]
                })
        }
    }

    @Test("Draws follow softmax of the kept logits over the temperature", arguments: [0.5, 1.0, 2.0])
    func distribution(temperature: Double) {
        let logits: [Float] = [0, 1, 2, -40, 1.5, 0.5]
        var sampler = TokenSampler(
            CaptionDecoding(method: .topP, topP: 1, temperature: temperature, minLength: 0),
            vocabularySize: 6, end: 3)
        var counts = [Double](repeating: 0, count: 6)
        let draws = 20_000
        for index in 0..<draws {
            var values = logits
            var random = CounterRandom(seed: 1, purpose: .caption, key: "k", index: index)
            counts[values.withUnsafeMutableBufferPointer { sampler.next($0, after: [0], random: &random) }] +=
                1
        }
        let weights = logits.map { exp(Double($0) / temperature) }
        let total = weights.reduce(0, +)
        for index in 0..<6 {
            let probability = weights[index] / total
            let deviation = (probability * (1 - probability) / Double(draws)).squareRoot()
            #expect(abs(counts[index] / Double(draws) - probability) <= 5 * deviation + 1e-9)
        }
    }

    @Test("The end token is forbidden below the minimum length, and only there")
    func minimumLength() {
        let sampler = TokenSampler(CaptionDecoding(method: .greedy, minLength: 3), vocabularySize: 4, end: 1)
        for (length, isForbidden) in [(1, true), (2, true), (3, false), (4, false)] {
            var logits: [Float] = [0, 9, 1, 2]
            logits.withUnsafeMutableBufferPointer {
                sampler.process($0, after: Array(repeating: 0, count: length))
            }
            #expect((logits[1] == -.infinity) == isForbidden)
        }
    }

    @Test("The repetition penalty touches each token of the text once")
    func penalty() {
        let sampler = TokenSampler(
            CaptionDecoding(method: .greedy, minLength: 0, repetitionPenalty: 2), vocabularySize: 4, end: 1)
        var logits: [Float] = [4, 1, -3, 8]
        logits.withUnsafeMutableBufferPointer { sampler.process($0, after: [0, 2, 2, 0]) }
        #expect(logits == [2, 1, -6, 8])
    }

    @Test("Tokens are the same on one lane and on many, and a row with NaN has none")
    func lanes() {
        let (rows, width) = (9, 20_000)
        let texts = (0..<rows).map { index in
            CaptionQueue.Row(
                image: index, caption: 0, tokens: [0, 5, 7],
                random: CounterRandom(seed: 4, purpose: .caption, key: "row", index: index))
        }
        func tokens(threads: Int) -> [Int?] {
            var lanes = TokenLanes(
                CaptionDecoding(method: .topP, topP: 0.99), vocabularySize: width, end: 1, threads: threads)
            var logits = Self.logits(rows * width, seed: 6, spread: 4)
            logits[7 * width + 19] = .nan
            return logits.withUnsafeMutableBufferPointer { lanes.choose(texts, from: $0) }.map { $0?.token }
        }
        let one = tokens(threads: 1)
        #expect(one == tokens(threads: 4) && one == tokens(threads: 64))
        #expect(one.indices.filter { one[$0] == nil } == [7])
        #expect(Set(one).count > 5)
    }
}
