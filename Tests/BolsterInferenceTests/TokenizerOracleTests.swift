import BolsterOracles
import Foundation
import Testing

@testable import BolsterInference

/// Captions that tools/oracles/tokenizer_captions.py mutates, against open_clip. As many as
/// BOLSTER_TOKENIZER_CASES says; the full comparison is 100,000.
@Suite(.enabled(if: PythonOracle.hasOpenCLIP)) struct TokenizerOracleTests {
    private struct Case: Decodable {
        let kind: String
        let text: String
        let tokens: [Int]

        init(from decoder: any Decoder) throws {
            var list = try decoder.unkeyedContainer()
            kind = try list.decode(String.self)
            text = try list.decode(String.self)
            tokens = try list.decode([Int].self)
        }
    }

    @Test("Mutated captions in many scripts give open_clip's tokens")
    func mutations() throws {
        let tokenizer = try TokenizerTests.tokenizer.get()
        let count = ProcessInfo.processInfo.environment["BOLSTER_TOKENIZER_CASES"] ?? "2000"
        let seed = ProcessInfo.processInfo.environment["BOLSTER_TOKENIZER_SEED"] ?? "2026"
        let script = Python.checkout.appendingPathComponent("tools/oracles/tokenizer_captions.py").path
        let output = try Python.run([script, count, seed])
        var seen: [String: Int] = [:]
        var wrong: [String: [Case]] = [:]
        for line in output.split(separator: UInt8(ascii: "\n")) {
            let example = try JSONDecoder().decode(Case.self, from: line)
            seen[example.kind, default: 0] += 1
            if tokenizer.encode(example.text) != example.tokens {
                wrong[example.kind, default: []].append(example)
            }
        }
        for kind in ["plain", "mojibake"] {
            let differing = wrong[kind] ?? []
            print("\(kind): \(seen[kind] ?? 0) captions, \(differing.count) differ")
            for example in differing.prefix(5) { print("  \(example.text.debugDescription)") }
        }
        #expect(wrong["plain"] == nil)
        #expect((wrong["mojibake"]?.count ?? 0) * 20 < seen["mojibake"] ?? 0)
    }

    private struct Hostile: Decodable {
        let text: String
        let tokens: [Int]
        let whitespace: String
        let canonical: String

        init(from decoder: any Decoder) throws {
            var list = try decoder.unkeyedContainer()
            text = try list.decode(String.self)
            tokens = try list.decode([Int].self)
            whitespace = try list.decode(String.self)
            canonical = try list.decode(String.self)
        }
    }

    @Test("What a hostile web holds gives open_clip's tokens and cleaned texts")
    func hostile() throws {
        let tokenizer = try TokenizerTests.tokenizer.get()
        let environment = ProcessInfo.processInfo.environment
        let script = Python.checkout.appendingPathComponent("tools/oracles/tokenizer_hostile.py").path
        let output = try Python.run([
            script, environment["BOLSTER_TOKENIZER_CASES"] ?? "500",
            environment["BOLSTER_TOKENIZER_SEED"] ?? "2026",
        ])
        var seen = 0
        for line in output.split(separator: UInt8(ascii: "\n")) {
            let example = try JSONDecoder().decode(Hostile.self, from: line)
            seen += 1
            let shown = String(example.text.prefix(200)).debugDescription
            #expect(tokenizer.encode(example.text) == example.tokens, "\(shown)")
            // Swift's == takes canonically equal texts for equal.
            let whitespace = Array(TextCleaning.whitespace.clean(example.text).utf8)
            #expect(whitespace == Array(example.whitespace.utf8), "\(shown)")
            let canonical = Array(TextCleaning.canonicalize.clean(example.text).utf8)
            #expect(canonical == Array(example.canonical.utf8), "\(shown)")
        }
        #expect(seen > 100)
    }
}
