import BolsterDataset
import BolsterRecords
import BolsterStorage
import Foundation
import Testing

@testable import BolsterMerger

/// What `merge:` leaves out, and merges in parts.
@Suite struct MergeSelectionTests {
    private func fixture() throws -> RunFixture {
        let run = try RunFixture()
        try run.addShard("00000", (0..<10).map(RunFixture.sample))
        try run.addShard("00001", (20..<24).map(RunFixture.sample))
        try run.addShard("00002", (30..<35).map(RunFixture.sample))
        return run
    }

    @Test("Samples whose uid is not kept, or whose score is too low, are excluded with the key that did it")
    func excluded() throws {
        let run = try fixture()
        run.keep = SampleSelection(
            field: "uid", uids: try UIDSet(file: "keep.txt", Array("3\n7\n21\n99\n".utf8)))
        var coverage = try run.merge(output: "kept")
        #expect(coverage.total.merged == 3 && coverage.total.excluded == 16)
        #expect(coverage.exclusions == ["keep_uids": 16])
        #expect(coverage.total.addUp && coverage.shards.allSatisfy { $0.counts.addUp })
        #expect(try run.samples(of: "kept/00000.tar").map(\.key) == ["set/1003", "set/1007"])

        run.keep = nil
        run.manifest.merge.minimumScore = 0
        coverage = try run.merge(output: "scored")
        #expect(coverage.total.merged > 2 && coverage.total.excluded > 2)
        #expect(coverage.exclusions == ["minimum_score": coverage.total.excluded])
        for sample in try run.samples(of: "scored/00000.tar") {
            let json = try JSONValue(parsing: sample.member("json")?.bytes ?? [])
            guard case .number(let score)? = json["caption_scores"]?["text"]?.values.first else {
                Issue.record("\(sample.key) has no score")
                continue
            }
            #expect(Double(score) ?? -1 >= 0)
        }
        let info = try JSONValue(parsing: run.contents("scored")["info.json"] ?? [])
        #expect(info["merge"]?["minimum_score"] == .number("0.0"))
        let report = try DatasetVerifier().verify(directory: run.path("scored"))
        #expect(report.isGood, "\(report.summary)")
    }

    @Test("What input.keep did not select is excluded, whatever else the records say of it")
    func unselected() throws {
        let run = try RunFixture()
        var samples = (0..<6).map(RunFixture.sample)
        for index in [1, 4] {
            for stage in run.stages { samples[index].skips[stage.id] = Skip(reason: SampleSelection.reason) }
        }
        samples[2].skips[.views] = Skip(reason: "undecodable_image")
        try run.addShard("x", samples)
        let coverage = try run.merge()
        #expect(coverage.total.merged == 3 && coverage.total.excluded == 2 && coverage.total.skipped == 1)
        #expect(coverage.exclusions == ["input.keep": 2])
        #expect(coverage.reasons == ["views": ["undecodable_image": 1]])
    }

    @Test("A score is the mean cosine of a text with the merged views, per teacher")
    func scores() throws {
        let run = try fixture()
        try run.merge()
        let sample = try run.samples(of: "dataset/00000.tar")[0]
        let npz = try NumpyArchive.matrices(of: sample.member("npz")?.bytes ?? [], name: "npz")
        let json = try JSONValue(parsing: sample.member("json")?.bytes ?? [])
        let scores = json["caption_scores"]?["syn_text"]?.values ?? []
        for (row, score) in scores.enumerated() {
            var sum = 0.0
            for view in 0..<2 {
                for column in 0..<7 {
                    sum += Double(npz[0].floats[view * 7 + column] * npz[2].floats[row * 7 + column])
                }
            }
            guard case .number(let text) = score, let told = Double(text) else {
                Issue.record("no number")
                continue
            }
            #expect(abs(told - sum / 4) < 0.00006)
        }
        #expect(scores.count == 2)
    }

    @Test("Fewer views and chosen captioners: what is not merged is neither read nor required")
    func partsOfRecords() throws {
        let run = try RunFixture()
        run.manifest.captioners.append(.init(name: "late", model: "captioner", captions: 2))
        // The fixture makes no records of the second captioner.
        try run.addShard("x", (0..<6).map(RunFixture.sample))
        for stage in [StageID.captions(column: "syn_text_late"), .texts(column: "syn_text_late")] {
            for name in try run.records.list(prefix: "records/\(stage.name)/") {
                try run.records.delete(name)
            }
        }
        #expect(throws: MergerError.self) { try run.merge() }
        run.manifest.merge.captions = "^syn_text$"
        run.manifest.merge.views = 1
        #expect(try run.merge().total.merged == 6)
        let sample = try run.samples(of: "dataset/x.tar")[0]
        let npz = try NumpyArchive.matrices(of: sample.member("npz")?.bytes ?? [], name: "npz")
        #expect(npz.map(\.rows) == [1, 1, 2])
        #expect(
            try JSONValue(parsing: sample.member("paug.json")?.bytes ?? [])["param_aug"]?.values.count == 1)
        let report = try DatasetVerifier().verify(directory: run.path("dataset"))
        #expect(report.isGood, "\(report.summary)")
    }

    @Test("Parts that are closed give the dataset of one merge; a part that is not merged cannot be closed")
    func parts() throws {
        let run = try fixture()
        let whole = try run.merge(output: "whole")
        let merger = Merger(run.configuration(output: "parts"))
        let first = try merger.run(part: MergePart("0/2"))
        #expect(first.shards.map(\.shard) == ["00000", "00002"])
        #expect(FileManager.default.fileExists(atPath: run.path("parts/info.json")) == false)
        let error = #expect(throws: MergerError.self) { try merger.close() }
        #expect(error?.code == .unfinished && error?.evidence == ["00001"])
        _ = try merger.run(part: MergePart("1/2"))
        #expect(try merger.close() == whole)
        #expect(try run.contents("parts") == (try run.contents("whole")))

        run.manifest.merge.layout = .datacompdr
        #expect(throws: MergerError.self) { try Merger(run.configuration(output: "parts")).close() }
    }

    @Test("A part is i/n with 0 ≤ i < n")
    func partNames() {
        for text in ["", "1", "2/2", "3/2", "a/b", "1/2/3", "-1/2", "1/0", "1/"] {
            #expect(MergePart(text) == nil)
        }
        #expect(MergePart("0/2")?.description == "0/2")
    }

    @Test("A killed part's leftovers go, another part's stay")
    func leftovers() throws {
        let run = try fixture()
        try FileManager.default.createDirectory(
            atPath: run.path("dataset"), withIntermediateDirectories: true)
        let own = run.path("dataset/.00000.tar.1-x.tmp")
        let other = run.path("dataset/.00001.tar.1-x.tmp")
        for path in [own, other] { try Data([1]).write(to: URL(fileURLWithPath: path)) }
        _ = try Merger(run.configuration()).run(part: MergePart("0/2"))
        #expect(FileManager.default.fileExists(atPath: own) == false)
        #expect(FileManager.default.fileExists(atPath: other))
    }

    @Test("A merge leaves alone what another one is writing")
    func meeting() throws {
        let run = try fixture()
        var other = try ObjectStore(root: run.path("dataset")).writer("00000.tar")
        try other.append([1, 2, 3])
        try run.merge()
        try other.commit()
        #expect(try run.contents("dataset")["00000.tar"] == [1, 2, 3])
    }

    @Test("The card names what the trainer cannot do without: widths, a scale per teacher, captions")
    func trainersFlags() throws {
        let run = try fixture()
        try run.merge(output: "whole")
        run.manifest.merge.captions = "^$"
        try run.merge(output: "bare")
        func card(_ output: String) throws -> String {
            String(decoding: try run.contents(output)["README.md"] ?? [], as: UTF8.self)
        }
        for output in ["whole", "bare"] {
            let text = try card(output)
            #expect(text.contains("--distill-teacher-dimension 3 4 --distill-average-after-softmax\n"))
            #expect(text.contains("--distill-logit-scale 100 100\n"))
        }
        #expect(try card("bare").contains("add a captioner"))
        #expect(try !card("whole").contains("add a captioner"))
    }
}
