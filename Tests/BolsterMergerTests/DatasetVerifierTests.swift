import BolsterDataset
import BolsterRecords
import Foundation
import Testing

@testable import BolsterMerger

@Suite struct DatasetVerifierTests {
    /// A merged dataset whose first sample's member is replaced (nil removes it).
    private func codes(replacing extensionName: String, by bytes: [UInt8]?) throws -> [String] {
        let run = try RunFixture()
        try run.addShard("x", (0..<3).map(RunFixture.sample))
        try run.merge()
        var samples = try run.samples(of: "dataset/x.tar")
        let place = try #require(samples[0].members.firstIndex { $0.extension == extensionName })
        if let bytes { samples[0].members[place].bytes = bytes } else { samples[0].members.remove(at: place) }
        let changed = samples.map { sample in
            RunFixture.SourceSample(
                key: sample.key, members: sample.members.map { ($0.name, $0.bytes) }, texts: [])
        }
        try Data(RunFixture.tar(changed)).write(to: run.folder.appendingPathComponent("dataset/x.tar"))
        let report = try DatasetVerifier().verify(directory: run.path("dataset"))
        // Any change shows in the shard's hash; what else does is the question here.
        #expect(report.faults.filter { $0.code == "changed_shard" }.map(\.shard) == ["x.tar"])
        let faults = report.faults.filter { $0.code != "changed_shard" }
        #expect(faults.allSatisfy { $0.shard == "x.tar" && $0.key == "set/1000" })
        return faults.map(\.code)
    }

    private func npz(_ change: (inout [Float]) -> Void) -> [UInt8] {
        let stages: [(String, StageID, Int)] = [
            ("image_emb", .views, 2), ("text_emb", .groundTruth, 1),
            ("syn_text_emb", RunFixture.captionTexts, 2),
        ]
        return NumpyArchive.bytes(
            of: stages.map { name, stage, rows in
                var values = (0..<rows).flatMap { RunFixture.embedding("set/1000", stage, $0, seed: 1) }
                if name == "image_emb" { change(&values) }
                return EmbeddingMatrix(
                    name: name, rows: values.count / 7, width: 7, type: .fp32,
                    bytes: values.withUnsafeBytes { Array($0) })
            })
    }

    @Test("Each kind of damage has its fault")
    func faults() throws {
        #expect(try codes(replacing: "npz", by: npz { _ in }) == [])
        #expect(try codes(replacing: "npz", by: npz { $0[0] += 0.5 }) == ["bad_norm"])
        #expect(try codes(replacing: "npz", by: npz { $0[3] = .nan }) == ["not_finite"])
        #expect(try codes(replacing: "npz", by: npz { $0.removeLast(7) }) == ["bad_shape"])
        #expect(try codes(replacing: "npz", by: [1, 2, 3]) == ["bad_embeddings"])
        #expect(try codes(replacing: "npz", by: nil) == ["no_embeddings"])
        #expect(try codes(replacing: "syn.json", by: Array("{".utf8)) == ["bad_captions"])
        #expect(
            try codes(replacing: "syn.json", by: Array(#"{"syn_text": ["one"]}"#.utf8)) == ["bad_captions"])
        #expect(
            try codes(replacing: "paug.json", by: Array(#"{"param_aug": [[1], ["a"]]}"#.utf8)) == [
                "bad_parameters"
            ])
        #expect(try codes(replacing: "jpg", by: Array("GIF".utf8)) == ["no_image"])
        #expect(try codes(replacing: "json", by: Array("{]".utf8)) == ["bad_json"])
        let scores = #"{"caption_scores": {"text": [0.9], "syn_text": [0.6173, 0.6321]}}"#
        #expect(try codes(replacing: "json", by: Array(scores.utf8)) == ["bad_score"])
        #expect(try codes(replacing: "txt", by: [0xFF]) == ["bad_text"])
    }

    @Test("Missing, unknown and truncated shards are found")
    func shards() throws {
        let run = try RunFixture()
        try run.addShard("x", (0..<3).map(RunFixture.sample))
        try run.addShard("y", (5..<8).map(RunFixture.sample))
        try run.merge()
        let manager = FileManager.default
        let bytes = try Data(contentsOf: URL(fileURLWithPath: run.path("dataset/x.tar")))
        try bytes.prefix(5000).write(to: URL(fileURLWithPath: run.path("dataset/x.tar")))
        try manager.moveItem(atPath: run.path("dataset/y.tar"), toPath: run.path("dataset/z.tar"))
        let report = try DatasetVerifier().verify(directory: run.path("dataset"))
        #expect(
            Set(report.faults.map(\.code)) == [
                "damaged_shard", "counts_differ", "missing_shard", "unknown_shard",
            ])
    }

    @Test("A folder that is no dataset is an error, not a report")
    func noDataset() throws {
        let run = try RunFixture()
        #expect(throws: MergerError.self) { try DatasetVerifier().verify(directory: run.path("nothing")) }
    }

    @Test("config.json has what the trainer's patch reads")
    func trainerConfiguration() throws {
        let run = try RunFixture()
        try run.addShard("x", (0..<3).map(RunFixture.sample))
        try run.merge()
        let config = try JSONValue(parsing: try run.contents("dataset")["config.json"] ?? [])
        let augmentation = config["reinforce"]?["image_augmentation"]
        #expect(augmentation?["random_resized_crop"]?["size"] == .number(32))
        #expect(augmentation?["random_resized_crop"]?["interpolation"] == .string("bicubic"))
        #expect(augmentation?["rand_augment"]?["enable"] == .bool(true))
        // torchvision's RandAugment refuses a filter's name, and nearest is its default.
        #expect(augmentation?["rand_augment"]?["interpolation"] == nil)
        #expect(augmentation?["normalize"]?["mean"] != nil)
        #expect(augmentation?["random_erase"] == nil)
    }
}
