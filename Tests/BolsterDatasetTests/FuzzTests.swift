import Foundation
import Testing

@testable import BolsterDataset

/// Mutations by a fixed seed, so that a failing round can be run again. `BOLSTER_FUZZ_ROUNDS` raises their
/// number for a long run.
struct Mutator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    static func rounds(_ preset: Int) -> Int {
        ProcessInfo.processInfo.environment["BOLSTER_FUZZ_ROUNDS"].flatMap(Int.init) ?? preset
    }

    /// xorshift64*.
    mutating func number(below bound: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % max(1, bound)
    }

    /// One to four changes: a flipped bit, a byte set, a run removed, doubled, moved, or one of `words` put
    /// in.
    mutating func mutate(_ bytes: [UInt8], words: [[UInt8]]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...number(below: 4) where !bytes.isEmpty {
            let place = number(below: bytes.count)
            let end = min(bytes.count, place + 1 + number(below: 1 << number(below: 12)))
            switch number(below: 6) {
            case 0: bytes[place] ^= 1 << UInt8(number(below: 8))
            case 1: bytes[place] = UInt8(number(below: 256))
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: number(below: bytes.count))
            default: bytes.insert(contentsOf: words[number(below: words.count)], at: place)
            }
        }
        return bytes
    }
}

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
        for round in 0..<Mutator.rounds(400) {
            var mutator = Mutator(seed: UInt64(round) + 1)
            let text = String(
                decoding: mutator.mutate(Array(wholeManifest.utf8), words: words), as: UTF8.self)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count + 1
            do {
                let manifest = try Manifest.parse(text, file: "m")
                #expect(!manifest.stageIDs.isEmpty, "round \(round)")
            } catch {
                #expect(!error.mistakes.isEmpty, "round \(round)")
                #expect(
                    error.mistakes.allSatisfy { (1...lines).contains($0.line) && $0.column >= 1 },
                    "round \(round)")
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
        for round in 0..<Mutator.rounds(150) {
            var mutator = Mutator(seed: UInt64(round) + 1)
            let bytes = mutator.mutate(archive, words: words)
            let whole = Reading(bytes)
            #expect(whole == Reading(bytes, piece: 1 + mutator.number(below: 1500)), "round \(round)")
            var end: Int64 = 0
            for sample in whole.samples {
                #expect(sample.start >= end && sample.end > sample.start, "round \(round)")
                #expect(sample.end <= Int64(bytes.count), "round \(round)")
                end = sample.end
            }
            #expect(whole.samples.map(\.index) == Array(0..<whole.samples.count))
            #expect(Set(whole.keys).count == whole.samples.count, "round \(round)")
        }
    }

    @Test("A mutated shard pattern expands, or says what is wrong")
    func patterns() {
        let words = ["{", "}", ",", "..", "{0..9}", "\\", "{a,b}", "99999999"].map { Array($0.utf8) }
        for round in 0..<Mutator.rounds(400) {
            var mutator = Mutator(seed: UInt64(round) + 1)
            let bytes = mutator.mutate(Array("a/{00..03}/{x,y{1..2}}.tar".utf8), words: words)
            do {
                let names = try ShardList.expandBraces(
                    String(decoding: bytes, as: UTF8.self), countMax: 10_000)
                #expect((1...10_000).contains(names.count), "round \(round)")
            } catch {
                #expect(error.code == .malformedPattern, "round \(round)")
            }
        }
    }
}
