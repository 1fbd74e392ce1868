import Foundation
import Testing

@testable import BolsterInference

@Suite(.enabled(if: TestModels.hasRuntime)) struct CaptionerTests {
    private func captioner(_ package: ModelPackage) throws -> Captioner {
        try Captioner(package, runtime: try #require(TestModels.runtime), device: .cpu, threads: 1)
    }

    private func pixels(_ captioner: Captioner) throws -> [Float] {
        try CaptionerProbe(captioner.package, shape: captioner.shape).pixels
    }

    private let keys = (0..<16).map { "sample-\($0)" }

    @Test("The demo's captioners pass their probes", arguments: ["captioner-a", "captioner-b"])
    func demoProbe(name: String) throws {
        try captioner(try TestModels.demo(name)).runProbe()
    }

    @Test("A captioner in half precision passes its probe", .enabled(if: TestModels.canGenerate))
    func halfProbe() throws {
        let captioner = try captioner(try TestModels.package("captioner-half"))
        try captioner.runProbe()
        let texts = try pixels(captioner).withUnsafeBufferPointer {
            try captioner.captions(
                pixels: $0, keys: keys, captionsPerImage: 2, seed: 1,
                decoding: CaptionDecoding(method: .topP, maxLength: 20),
                keep: .everything, batch: 5)
        }
        #expect(texts.count == 16 && texts.allSatisfy { $0.count == 2 })
    }

    @Test(
        "Greedy texts equal open_clip's generate token for token", .enabled(if: TestModels.canGenerate),
        arguments: [("greedy", 20, 5, 1.0), ("short", 9, 2, 1.0), ("penalised", 16, 3, 1.3)])
    func greedy(name: String, maxLength: Int, minLength: Int, penalty: Double) throws {
        let captioner = try captioner(try TestModels.package("captioner"))
        try captioner.runProbe()
        let expected = try TestModels.reference().array(name, type: "<i8", shape: [16, maxLength]).integers
        let decoding = CaptionDecoding(
            method: .greedy, minLength: minLength, maxLength: maxLength, repetitionPenalty: penalty)
        // Seven slots for sixteen images: rows of different age share every batch.
        var run = try captioner.begin(
            captionsPerImage: 1, seed: 1, decoding: decoding, keep: .everything, batch: 7)
        try pixels(captioner).withUnsafeBufferPointer { try run.add(pixels: $0, keys: keys) }
        let tokens = try run.finishTokens()
        for index in 0..<16 {
            let row = expected[index * maxLength..<(index + 1) * maxLength]
            #expect(
                tokens[index][0] == row.prefix { $0 != captioner.tokenizer.end && $0 != 0 }.map { Int($0) })
        }
    }

    @Test("Sampled captions depend on seed, key and index, not on the batch")
    func composition() throws {
        let captioner = try captioner(try TestModels.demo("captioner-a"))
        let pixels = try pixels(captioner)
        let decoding = CaptionDecoding(method: .topP, topP: 0.95)
        func captions(_ range: Range<Int>, batch: Int, seed: UInt64 = 3) throws -> [[String]] {
            let width = pixels.count / 16
            return try pixels[range.lowerBound * width..<range.upperBound * width].withUnsafeBufferPointer {
                try captioner.captions(
                    pixels: $0, keys: Array(keys[range]), captionsPerImage: 3, seed: seed, decoding: decoding,
                    keep: .everything, batch: batch)
            }
        }
        let all = try captions(0..<16, batch: 64)
        #expect(all == (try captions(0..<16, batch: 5)))
        #expect(Array(all[4..<9]) == (try captions(4..<9, batch: 64)))
        #expect(all[0] == (try captions(0..<1, batch: 1))[0])
        #expect(all != (try captions(0..<16, batch: 64, seed: 4)))
        #expect(Set(all.flatMap { $0 }).count > 16)
    }

    @Test("Images that come in groups have the captions of images that come at once")
    func groups() throws {
        let captioner = try captioner(try TestModels.demo("captioner-a"))
        let pixels = try pixels(captioner)
        let width = pixels.count / 16
        func captions(groups: [Range<Int>], batch: Int) throws -> [[String]] {
            var run = try captioner.begin(
                captionsPerImage: 5, seed: 3, decoding: CaptionDecoding(method: .topP), keep: .firstSentence,
                batch: batch)
            for group in groups {
                try pixels[group.lowerBound * width..<group.upperBound * width].withUnsafeBufferPointer {
                    try run.add(pixels: $0, keys: Array(keys[group]))
                }
            }
            return try run.finish()
        }
        let all = try captions(groups: [0..<16], batch: 64)
        #expect(all.count == 16 && all.allSatisfy { $0.count == 5 })
        #expect(all == (try captions(groups: [0..<1, 1..<2, 2..<9, 9..<16], batch: 6)))
        #expect(all == (try captions(groups: [0..<15, 15..<16], batch: 3)))
        #expect(all == (try captions(groups: [0..<3, 3..<16], batch: 1)))
    }

    @Test("An image's captions share the start token's step")
    func sharing() throws {
        let captioner = try captioner(try TestModels.demo("captioner-a"))
        _ = try pixels(captioner).withUnsafeBufferPointer {
            try captioner.captions(
                pixels: $0, keys: keys, captionsPerImage: 5, seed: 1,
                decoding: CaptionDecoding(method: .topP),
                keep: .firstSentence, batch: 8)
        }
        #expect(captioner.usage.sharedRows > 40, "\(captioner.usage)")
    }

    @Test("Cache memory bounds the slots, and too little of it is told in bytes")
    func cacheMemory() throws {
        let package = try TestModels.demo("captioner-a")
        let runtime = try #require(TestModels.runtime)
        let roomy = try captioner(package)
        let slot = roomy.slotBytes(maxLength: 20)
        for slots in [1, 3] {
            // Eight encoded images take less than eight slots do.
            let tight = try Captioner(
                package, runtime: runtime, device: .cpu, threads: 1, cacheMemory: (slots + 8) * slot)
            #expect((slots...slots + 8).contains(try tight.slots(batch: 99, maxLength: 20)))
        }
        let poor = try Captioner(package, runtime: runtime, device: .cpu, threads: 1, cacheMemory: 1000)
        let error = #expect(throws: InferenceError.self) { try poor.slots(batch: 9, maxLength: 20) }
        #expect(error?.code == .outOfMemory)
        #expect(error?.message.contains("1000 bytes of cache memory hold no caption") == true)
        #expect(try roomy.slots(batch: 9, maxLength: 20) == 9)
    }

    @Test("The first sentence is the whole text cut at its full stop")
    func firstSentence() throws {
        let captioner = try captioner(try TestModels.demo("captioner-b"))
        let decoding = CaptionDecoding(method: .topP, topP: 0.98, temperature: 3)
        func captions(_ keep: CaptionKeeping) throws -> [String] {
            try pixels(captioner).withUnsafeBufferPointer {
                try captioner.captions(
                    pixels: $0, keys: keys, captionsPerImage: 4, seed: 9, decoding: decoding, keep: keep,
                    batch: 8)
            }.flatMap { $0 }
        }
        let whole = try captions(.everything)
        let first = try captions(.firstSentence)
        #expect(whole.contains { $0.contains(".") })
        for (text, sentence) in zip(whole, first) {
            let cut = text.prefix { $0 != "." }
            #expect(sentence == String(cut.reversed().drop { $0.isWhitespace }.reversed()))
        }
    }

    @Test("No images give no captions")
    func none() throws {
        let captioner = try captioner(try TestModels.demo("captioner-a"))
        let captions = try captioner.captions(
            pixels: UnsafeBufferPointer(start: nil, count: 0), keys: [], captionsPerImage: 5, seed: 0,
            decoding: CaptionDecoding(method: .topP), keep: .firstSentence, batch: 4)
        #expect(captions.isEmpty)
    }

    @Test("Decoding settings that contradict the model or each other are refused")
    func wrongDecoding() throws {
        let wrong: [(CaptionDecoding, String)] = [
            (CaptionDecoding(method: .topP, topP: 0), "top_p is 0.0"),
            (CaptionDecoding(method: .topP, topP: 1.5), "top_p is 1.5"),
            (CaptionDecoding(method: .topK, topK: 0), "top_k is 0"),
            (CaptionDecoding(method: .topP, temperature: 0), "temperature is 0.0"),
            (
                CaptionDecoding(method: .greedy, minLength: 9, maxLength: 9),
                "more than min_length, which is 9"
            ),
            (CaptionDecoding(method: .greedy, maxLength: 31), "this model takes 3 to 30 tokens"),
            (CaptionDecoding(method: .greedy, repetitionPenalty: 0), "repetition_penalty is 0.0"),
        ]
        for (decoding, words) in wrong {
            let error = #expect(throws: InferenceError.self) { try decoding.validate(maximumLength: 30) }
            #expect(error?.code == .decodingInvalid)
            #expect(error?.message.contains(words) == true)
        }
    }
}
