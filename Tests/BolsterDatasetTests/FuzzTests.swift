import Foundation
import Testing

@testable import BolsterDataset

@Suite("Mutated input")
struct FuzzTests {
    @Test("A mutated manifest parses, or has mistakes within the file")
    func manifests() {
        let words = [
            "[", "]", "{", "}", ":", ": ", "- ", "\n", "  ", "&a ", "*a", "!!int ", "\"", "'", "|", ">", "#",
            "? ", "%",
            "---\n", "\t", "null", "~", "1e999", "-0", "0x7fffffffffffffff", "99999999999999999999", "\u{0}",
            "{0..99999999}", "<<: ", "\u{FEFF}", "é", "(?<a", "s3://",
        ].map { Array($0.utf8) }
        let example = Array(wholeManifest.utf8)
        for input in FuzzedInputs("manifest", of: example, words: words, rounds: 400) {
            let text = String(decoding: input.bytes, as: UTF8.self)
            // YAML 1.1's breaks: a carriage return alone is one too.
            let lines =
                text.unicodeScalars.count { "\n\r\u{85}\u{2028}\u{2029}".unicodeScalars.contains($0) } + 2
            do {
                let manifest = try Manifest.parse(text, file: "m")
                #expect(!manifest.stageIDs.isEmpty, "\(input.name)")
            } catch {
                #expect(!error.mistakes.isEmpty, "\(input.name)")
                #expect(
                    error.mistakes.allSatisfy { (1...lines).contains($0.line) && $0.column >= 1 },
                    "\(input.name)")
            }
        }
    }

    @Test(
        "A mutated tar gives ordered samples within it, the same whole and in pieces"
    )
    func tars() {
        let archive =
            tarMember("a.jpg", String(repeating: "1", count: 700)) + tarMember("a.txt", "A")
            + tarMember("L", "long/name.txt\0", type: "L") + tarMember("x", "1")
            + tarMember("p", "17 path=b/ü.txt\n", type: "x") + tarMember("x", "2")
            + tarMember("z.json", "{}")
            + tarEnd
        #expect(Reading(archive).keys == ["a", "long/name", "b/ü", "z"])
        let words = [
            tarHeader("a.txt"), tarHeader("p", size: 9, type: "x"), padded(Array("9 size=1\n".utf8)), tarEnd,
            tarHeader("c.txt", size: 1 << 32), tarHeader("d.jpg", type: "1"),
            [UInt8](repeating: 255, count: 512),
        ]
        for var input in FuzzedInputs("tar", of: archive, words: words, rounds: 150) {
            let bytes = input.bytes
            let whole = Reading(bytes)
            #expect(whole == Reading(bytes, piece: 1 + input.mutator.number(below: 1500)), "\(input.name)")
            var end: Int64 = 0
            for sample in whole.samples {
                #expect(sample.start >= end && sample.end > sample.start, "\(input.name)")
                #expect(sample.end <= Int64(bytes.count), "\(input.name)")
                end = sample.end
            }
            #expect(whole.samples.map(\.index) == Array(0..<whole.samples.count))
            #expect(Set(whole.keys).count == whole.samples.count, "\(input.name)")
        }
    }

    @Test("A mutated shard pattern expands, or says what is wrong")
    func patterns() {
        let words = ["{", "}", ",", "..", "{0..9}", "\\", "{a,b}", "99999999"].map { Array($0.utf8) }
        let example = Array("a/{00..03}/{x,y{1..2}}.tar".utf8)
        for input in FuzzedInputs("pattern", of: example, words: words, rounds: 400) {
            let bytes = input.bytes
            do {
                let names = try ShardList.expandBraces(
                    String(decoding: bytes, as: UTF8.self), countMax: 10_000)
                #expect((1...10_000).contains(names.count), "\(input.name)")
            } catch {
                #expect(error.code == .malformedPattern, "\(input.name)")
            }
        }
    }
}
