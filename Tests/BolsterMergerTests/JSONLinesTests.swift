import BolsterDataset
import BolsterRecords
import Foundation
import Testing

@testable import BolsterMerger

/// `merge.format: jsonl`.
@Suite struct JSONLinesTests {
    @Test("A line has the peer's names, and its embeddings are those of the tar")
    func fields() throws {
        let run = try RunFixture()
        try run.addShard("x", (0..<5).map(RunFixture.sample))
        try run.merge(output: "tars")
        run.manifest.merge.format = .jsonl
        #expect(try run.merge(output: "lines").total.merged == 5)
        let lines = try #require(try run.contents("lines")["x.jsonl"]).split(separator: 0x0A).map {
            Array($0)
        }
        #expect(lines.count == 5)
        let line = try JSONValue(parsing: lines[2])
        #expect(line["uid"] == .string("2") && line["key"] == .string("set/1002"))
        #expect(line["url"] == .string("http://example.org/2") && line["text"] == .string("a text of 2"))
        #expect(line["syn_text"]?.strings == ["caption of set/1002", "naïve «1»"])
        #expect(line["param_aug"]?.values.count == 2)
        #expect(line["caption_scores"]?["syn_text"]?.values.count == 2)
        let image = Data(base64Encoded: line["image"]?.text ?? "") ?? Data()
        #expect([UInt8](image) == RunFixture.sample(2).members[0].bytes)
        let npz = try run.samples(of: "tars/x.tar")[2].member("npz")?.bytes ?? []
        for expected in try NumpyArchive.matrices(of: npz, name: "npz") {
            let packed = [UInt8](Data(base64Encoded: line[expected.name]?.text ?? "") ?? Data())
            #expect(try NumpyPickle.matrix(of: packed, name: expected.name) == expected)
        }
    }

    @Test("sizes.json and info.json name the files that are there")
    func companions() throws {
        let run = try RunFixture()
        try run.addShard("x", (0..<5).map(RunFixture.sample))
        run.manifest.merge.format = .jsonl
        try run.merge()
        let files = try run.contents("dataset")
        #expect(try JSONValue(parsing: files["sizes.json"] ?? [])["x.jsonl"] == .number(5))
        #expect(try JSONValue(parsing: files["info.json"] ?? [])["lengths"]?["x.jsonl"] == .number(5))
        let card = String(decoding: files["README.md"] ?? [], as: UTF8.self)
        #expect(card.hasPrefix("---\n") && card.contains("path: \"*.jsonl\""))
    }
}
