import Testing

@testable import BolsterDataset

@Suite("Sample")
struct SampleTests {
    private func sample(_ members: [(String, [UInt8])]) -> Sample {
        Sample(
            index: 0, key: "k",
            members: members.map { Member(name: "k." + $0.0, extension: $0.0, bytes: $0.1) },
            start: 0, end: 0)
    }

    private func texts(_ members: [(String, String)]) -> [String] {
        sample(members.map { ($0.0, Array($0.1.utf8)) }).texts
    }

    @Test("An image is told by its bytes, whatever it is called")
    func image() {
        let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0]
        #expect(sample([("txt", [65]), ("jpg", png)]).image?.extension == "jpg")
        #expect(sample([("jpg", [1]), ("data", png)]).image?.extension == "data")
        #expect(sample([("bin", [0xFF, 0xD8, 0xFF, 0xE0])]).image?.extension == "bin")
        #expect(sample([("bin", Array("RIFF....WEBPVP8 ".utf8))]).image?.extension == "bin")
        #expect(sample([("txt", Array("RIFF....WAVE".utf8))]).image == nil)
    }

    @Test("A member that is named like an image stands for one that cannot be decoded")
    func undecodable() {
        #expect(sample([("txt", []), ("webp", [])]).image?.extension == "webp")
        #expect(sample([("seg.png", [1])]).image?.extension == "seg.png")
        #expect(sample([("txt", [])]).image == nil)
    }

    @Test("A text is the txt, else the JSON's caption, else its text")
    func texts() {
        #expect(texts([("json", #"{"caption": "c"}"#), ("txt", " a b \n")]) == ["a b"])
        #expect(texts([("json", #"{"text": "t", "caption": "c"}"#)]) == ["c"])
        #expect(texts([("json", #"{"text": ["t", "", 3, "ü"]}"#)]) == ["t", "ü"])
        #expect(texts([("json", #"{"caption": null, "text": "t"}"#)]) == ["t"])
        #expect(texts([("txt", "  "), ("json", #"{"caption": "c"}"#)]) == ["c"])
    }

    @Test("No text, and JSON that is none or no object, give no texts")
    func noTexts() {
        #expect(texts([("jpg", "x")]).isEmpty)
        for json in ["", "{", "[1]", "3", #"{"caption": 3}"#, "{\"caption\": \"\u{0}"] {
            #expect(texts([("json", json)]).isEmpty)
        }
    }

    @Test("Bytes that are no UTF-8 are repaired")
    func repaired() {
        #expect(sample([("txt", [65, 0xFF])]).texts == ["A\u{FFFD}"])
    }

    @Test("Fields that would meet the captioners' own are named")
    func captionFields() {
        let members = [("json", #"{"syn_text_b": 1, "a": 2}"#), ("syn.json", #"{"syn_text": []}"#)]
        #expect(sample(members.map { ($0.0, Array($0.1.utf8)) }).captionFields == ["syn_text", "syn_text_b"])
    }

    @Test("Numbers that are none, as Python writes them, cost a sample neither its texts nor its uid")
    func notANumber() {
        let json = Array(#"{"caption": "a NaN", "similarity": NaN, "uid": "7", "deep": [Infinity]}"#.utf8)
        let sample = Sample(
            index: 0, key: "k", members: [Member(name: "k.json", extension: "json", bytes: json)], start: 0,
            end: 1)
        #expect(sample.texts == ["a NaN"] && sample.uid(field: "uid") == "7")
    }
}
