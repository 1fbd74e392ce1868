import Foundation
import Testing

@testable import BolsterDataset

private let jpeg: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0] + (0..<200).map { UInt8($0) }

/// The samples before the first error, and the error.
private struct Lines: Equatable {
    var samples: [Sample] = []
    var error: DatasetError?

    init(_ bytes: [UInt8], piece: Int = Int.max, firstSample: Int = 0, from start: Int = 0) {
        var reader = JSONLSampleReader(
            shard: "00012.jsonl", firstSample: firstSample, startOffset: Int64(start))
        var place = start
        do throws(DatasetError) {
            while place < bytes.count {
                let end = piece < bytes.count - place ? place + piece : bytes.count
                reader.append(Array(bytes[place..<end]))
                place = end
                while let sample = try reader.next() { samples.append(sample) }
            }
            reader.finish()
            while let sample = try reader.next() { samples.append(sample) }
        } catch {
            self.error = error
        }
    }

    init(_ text: String, piece: Int = Int.max) { self.init(Array(text.utf8), piece: piece) }

    var keys: [String] { samples.map(\.key) }
}

@Suite("JSONL shards")
struct JSONLSampleReaderTests {
    private static let base64 = Data(jpeg).base64EncodedString()
    private static let shard = """
        {"uid": "aa", "image": "\(base64)", "text": "a boat", "url": "https://x/1"}

        {"text": ["one", "two"], "uid": 7, "n": {"deep": [1, "}", "\\""]}}
        {"caption": "kein Bild", "key": "ordner/ü-1", "uid": "zz", "image": null}

        """

    @Test(
        "Image, key, texts and the other fields of a line become a sample's members",
        arguments: [1, 7, 1 << 20])
    func fields(piece: Int) {
        let lines = Lines(Self.shard, piece: piece)
        #expect(lines.error == nil)
        #expect(lines.keys == ["aa", "7", "ordner/ü-1"])
        #expect(lines.samples[0].members.map(\.name) == ["aa.jpg", "aa.json"])
        #expect(lines.samples[0].image?.bytes == jpeg)
        #expect(
            String(decoding: lines.samples[0].member("json")?.bytes ?? [], as: UTF8.self)
                == #"{"uid": "aa", "text": "a boat", "url": "https://x/1"}"#)
        #expect(lines.samples.map(\.texts) == [["a boat"], ["one", "two"], ["kein Bild"]])
        #expect(lines.samples[1].image == nil && lines.samples[2].image == nil)
        #expect(lines.samples[0].uid(field: "uid") == "aa" && lines.samples[1].uid(field: "uid") == "7")
        #expect(lines.samples[2].uid(field: "__key__") == "ordner/ü-1")
        #expect(lines.samples[2].uid(field: "absent") == nil)
    }

    @Test("Ranges of bytes let a reader begin at any sample")
    func ranges() {
        let bytes = Array(Self.shard.utf8)
        let whole = Lines(bytes)
        for sample in whole.samples {
            #expect(bytes[Int(sample.start)] == UInt8(ascii: "{"))
            #expect(bytes[Int(sample.end) - 1] == 10)
            let later = Lines(bytes, firstSample: sample.index, from: Int(sample.start))
            #expect(later.samples == Array(whole.samples[sample.index...]))
        }
    }

    @Test("Names of the image's field, data URLs, escaped slashes and broken lines of base64")
    func images() {
        let escaped = Self.base64.replacing("/", with: "\\/")
        for field in [
            #""image_base64": "\#(Self.base64)""#, #""jpg": "data:image/jpeg;base64,\#(Self.base64)""#,
            #""image": "\#(escaped)""#,
            #""image": "\#(Self.base64.prefix(76))\n\#(Self.base64.dropFirst(76))""#,
        ] {
            let lines = Lines("{\"uid\": \"a\", \(field)}\n")
            #expect(lines.samples.first?.image?.bytes == jpeg, "\(field.prefix(30))")
        }
        let broken = Lines(#"{"uid": "a", "image": "no base64!"}"# + "\n")
        #expect(broken.samples.first?.image == Member(name: "a.jpg", extension: "jpg", bytes: []))
        let png = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 1]).base64EncodedString()
        #expect(Lines(#"{"uid": "a", "image": "\#(png)"}"#).samples.first?.image?.name == "a.png")
    }

    @Test("Without a key the sample's number is taken; of several fields the first")
    func keys() {
        #expect(Lines("{}\n{}\r\n").keys == ["000000000", "000000001"])
        #expect(Lines(#"{"id": "d", "uid": "u", "__key__": "k", "key": "y"}"#).keys == ["k"])
        #expect(Lines(#"{"uid": "\u00e9\ud83d\ude00\/"}"#).error?.code == .unsafeName)
        #expect(Lines(#"{"uid": "\u00e9\ud83d\ude00"}"#).keys == ["é😀"])
    }

    @Test(
        "Damage is told with its byte, behind the samples before it",
        arguments: [
            ("{\"uid\": \"b\"", DatasetError.Code.truncatedShard), ("{\"uid\": \"b\"\n", .damagedShard),
            ("[1]\n", .damagedShard), ("{\"a\": nope}\n", .damagedShard), ("{\"a\" 1}\n", .damagedShard),
            ("{\"a\": 1} x\n", .damagedShard), ("{\"a\": [1}\n", .damagedShard),
            ("{\"a\": 1,}\n", .damagedShard),
            ("{\"uid\": \"aa\"}\n", .duplicateKey), ("{\"uid\": \"../x\"}\n", .unsafeName),
            ("{\"uid\": \"a.b\"}\n", .unsafeName), ("{\"uid\": \"\"}\n", .unsafeName),
            ("{\"uid\": [1]}\n", .damagedShard),
            ("{\"a\": \(String(repeating: "[", count: 1000))\n", .damagedShard),
        ])
    func damage(line: String, code: DatasetError.Code) {
        let good = "{\"uid\": \"aa\", \"text\": \"x\"}\n"
        for piece in [1, 1 << 20] {
            let lines = Lines(good + line, piece: piece)
            #expect(lines.keys == ["aa"])
            #expect(lines.error?.code == code)
            #expect((lines.error?.offset ?? 0) >= Int64(good.utf8.count))
        }
    }

    @Test("A repeated key names both places")
    func duplicate() {
        let error = Lines("{\"uid\": \"x\"}\n\n{\"uid\": \"y\"}\n{\"uid\": \"x\"}\n").error
        #expect(error?.offset == 27 && error?.message.contains("byte 0") == true)
    }

    @Test("Every truncation gives whole samples and an error, or ends between lines")
    func truncations() {
        let bytes = Array(Self.shard.utf8)
        let whole = Lines(bytes)
        for length in 0..<bytes.count {
            let part = Lines(Array(bytes[..<length]))
            #expect(part.samples.map(\.key) == Array(whole.keys.prefix(part.samples.count)))
            let isBetween = bytes[..<length].split(separator: 10).allSatisfy { $0.last == UInt8(ascii: "}") }
            #expect(part.error == nil || part.error?.code == .truncatedShard)
            if !isBetween { #expect(part.error?.code == .truncatedShard, "\(length)") }
        }
    }

    @Test("A mutated shard gives ordered samples within it, the same whole and in pieces")
    func mutations() {
        let words = ["\"", "\\", "\n", "{", "}", "[", ",", ":", "null", "\\u12", "\"uid\"", "=", "\u{0}"].map
        {
            Array($0.utf8)
        }
        let example = Array(Self.shard.utf8)
        for input in FuzzedInputs("jsonl", of: example, words: words, rounds: 300, salt: 77) {
            let bytes = input.bytes
            let whole = Lines(bytes)
            #expect(whole == Lines(bytes, piece: 5), "\(input.name)")
            var end: Int64 = 0
            for (index, sample) in whole.samples.enumerated() {
                #expect(sample.index == index && sample.start >= end && sample.end > sample.start)
                end = sample.end
            }
            #expect(end <= Int64(bytes.count), "\(input.name)")
        }
    }
}

@Suite("Base64")
struct Base64Tests {
    @Test("Every length decodes as Foundation has it, with and without padding, in both alphabets")
    func lengths() {
        for length in 0..<100 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 * 97 + length) }
            let text = Data(bytes).base64EncodedString()
            let plain = text.replacing("=", with: "")
            let forURLs = text.replacing("+", with: "-").replacing("/", with: "_")
            for variant in [text, plain, forURLs] {
                let decoded = Array(variant.utf8).withUnsafeBytes { Base64.decoded($0) }
                #expect(decoded == bytes, "\(variant)")
            }
        }
    }

    @Test("What is none is told", arguments: ["A", "AB=", "A===", "AB C", "AAA*", "ABCDE", "AA=A"])
    func refused(text: String) {
        #expect(Array(text.utf8).withUnsafeBytes { Base64.decoded($0) } == nil)
    }

    @Test("Half of a surrogate pair becomes the replacement character")
    func halvesOfPairs() throws {
        let line = #"{"uid": "a", "text": "cut \ud83d", "more": ["\ude00\ud83d", "\ud83d\ude00\\ud83d"]}"#
        let lines = Lines(line + "\n")
        #expect(lines.samples.map(\.texts) == [["cut \u{FFFD}"]])
        let parsed = try #require(RepairedJSON.parse(Array(line.utf8))?.value as? [String: Any])
        #expect(parsed["more"] as? [String] == ["\u{FFFD}\u{FFFD}", "😀\\ud83d"])
    }

    @Test("Python's NaN, bytes that are no UTF-8 and a byte order mark cost no sample")
    func repaired() {
        let second = Array("{\"uid\": \"b\", \"text\": \"caf".utf8) + [0xE9] + Array("\", \"x\": 1}\n".utf8)
        let first = #"{"uid": "a", "score": NaN, "low": -Infinity, "text": "NaN, \"Infinity\""}"# + "\n"
        let third = #"{"uid": "c", "text": "c"}"# + "\n"
        let bytes = [0xEF, 0xBB, 0xBF] + Array(first.utf8) + second + Array(third.utf8)
        let lines = Lines(bytes)
        #expect(lines.error == nil && lines.keys == ["a", "b", "c"])
        #expect(lines.samples.map(\.texts) == [["NaN, \"Infinity\""], ["caf\u{FFFD}"], ["c"]])
        #expect(
            lines.samples.map(\.start) == [
                0, Int64(first.utf8.count + 3), Int64(bytes.count - third.utf8.count),
            ])
        #expect(
            String(decoding: lines.samples[0].member("json")?.bytes ?? [], as: UTF8.self)
                == #"{"uid": "a", "score": null, "low": null, "text": "NaN, \"Infinity\""}"#)
        for start in [lines.samples[1].start, lines.samples[2].start] {
            #expect(Lines(bytes, from: Int(start)).samples.last?.key == "c")
        }
        #expect(Lines("{\"uid\": NaNa}\n").error?.code == .damagedShard)
    }
}
