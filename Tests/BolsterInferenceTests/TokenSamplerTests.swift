import BolsterDeterminism
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
        let threshold = values.withUnsafeMutableBufferPointer { sampler.keptThreshold($0) }
        return Set(logits.indices.filter { logits[$0] >= threshold })
    }

    @Test(
        "The nucleus equals that of transformers' warper on PyTorch", .enabled(if: PythonOracle.hasOpenCLIP))
    func nucleus() throws {
        struct Question: Encodable {
            let logits: [Float]
            let mass: Double
        }
        var questions: [Question] = []
        for (index, spread) in [0.01, 0.5, 3.0, 12.0, 60.0].enumerated() {
            for mass in [0.1, 0.5, 0.9, 0.99] {
                questions.append(
                    Question(logits: Self.logits(3000, seed: UInt64(index), spread: spread), mass: mass))
            }
        }
        let program = """
            import json, sys, torch
            answers = []
            for question in json.load(sys.stdin):
                ordered, indices = torch.tensor([question["logits"]]).sort(descending=False)
                gone = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1 - question["mass"]
                gone[:, -1] = False
                answers.append(indices[~gone].sort()[0].tolist())
            print(json.dumps(answers))
            """
        let answers = try PythonOracle.ask(program, questions, as: [[Int]].self)
        for (question, answer) in zip(questions, answers) {
            let found = kept(CaptionDecoding(method: .topP, topP: question.mass), question.logits)
            // PyTorch adds in fp32, so that a token exactly at the border may fall on either side.
            #expect(found.symmetricDifference(answer).count <= 1, "mass \(question.mass)")
        }
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
}
