import BolsterDataset
import BolsterOracles
import BolsterRecords
import BolsterStorage
import Foundation
import Testing

@testable import BolsterMerger

/// Sets in the published form, written by webdataset, NumPy and PyTorch: joined, described and verified.
@Suite struct JoinedSetTests {
    static let hasWebDataset = Python.has("webdataset", "numpy", "PIL")
    static let hasTorch = hasWebDataset && Python.has("torch")

    /// A published set and its images, joined.
    private func joined(
        _ kind: String, text: Bool = true, _ change: (inout JoinConfiguration) -> Void = { _ in }
    ) throws -> (JoinFixture, JoinReport) {
        let join = try JoinFixture()
        let script = Python.checkout.appendingPathComponent("tools/oracles/published_set.py").path
        try Python.run([script, join.path("set"), kind] + (text ? ["text"] : []))
        let (dr, images) = (join.path("set/dr/*.tar"), join.path("set/images/*.tar"))
        var configuration = join.configuration(
            try InputShards.find(patterns: [dr], manifestDirectory: "/"),
            try InputShards.find(patterns: [images], manifestDirectory: "/"))
        change(&configuration)
        return (join, try Joiner(configuration).run(threads: 2))
    }

    private func verify(_ join: JoinFixture) throws -> VerifyReport {
        try DatasetVerifier().verify(directory: join.path("out"))
    }

    @Test(
        "A joined set has what a merge writes beside its shards, and verify finds no fault in it",
        .enabled(if: hasTorch, "needs torch, webdataset and NumPy (BOLSTER_PYTHON)"))
    func whole() throws {
        let (join, report) = try joined("pth.gz") { $0.unpacksParameters = true }
        #expect(report.joined == 8 && report.missing == 2 && report.isWhole)
        let verified = try verify(join)
        #expect(verified.isGood && verified.warnings.isEmpty, "\(verified.summary)")
        #expect(verified.samples == 8 && verified.files["pth.gz"] == 8 && verified.normErrorMax < 0.01)
        let files = try join.contents("out")
        #expect(
            Set(files.keys.filter { !$0.hasPrefix(".") && !$0.hasSuffix(".tar") })
                == Set(DatasetDescription.names + [DatasetDescription.sums]))
        let info = try JSONValue(parsing: files["info.json"] ?? [])
        #expect(info["views"] == .number(3) && info["name"] == .string("dr with images"))
        #expect(info["teachers"]?.values.map { $0["width"]?.integer } == [48, 48])
        #expect(info["captioners"]?.values.map { $0["captions"]?.integer } == [5])
        #expect(info["merge"]?["layout"] == .string("datacompdr"))
        let trainer = try JSONValue(parsing: files["config.json"] ?? [])["reinforce"]?["image_augmentation"]
        #expect(trainer?["random_resized_crop"]?["size"] == .number(224) && trainer?["normalize"] != nil)
        let card = String(decoding: files["README.md"] ?? [], as: UTF8.self)
        #expect(card.contains("8 samples in 2 WebDataset shards") && card.contains("8 images (8 jpeg)"))
        #expect(card.contains("`image_emb` [3, 96], `text_emb` [1 + captions, 96]"))
    }

    @Test(
        "npz as numpy.savez and savez_compressed write them are read as well",
        .enabled(if: hasWebDataset, "needs webdataset and NumPy (BOLSTER_PYTHON)"),
        arguments: ["npz", "npz-compressed"])
    func archives(kind: String) throws {
        let (join, _) = try joined(kind) { $0.unpacksParameters = true }
        let verified = try verify(join)
        #expect(verified.isGood && verified.files["npz"] == 8, "\(verified.summary)")
    }

    @Test(
        "param_aug as a string is checked too, with a warning; a sample without a text is a fault",
        .enabled(if: hasWebDataset, "needs webdataset and NumPy (BOLSTER_PYTHON)"))
    func published() throws {
        let (join, report) = try joined("npz", text: false)
        #expect(report.packedParameters == 8)
        #expect(report.summary.contains("8 joined samples have no text of their own"))
        let verified = try verify(join)
        #expect(verified.warnings.map(\.code) == ["packed_parameters"])
        #expect(verified.faults.map(\.code) == Array(repeating: "no_text", count: 8))
    }

    @Test(
        "Swapped numbers, other views, a crop outside its image and a second uid are found",
        .enabled(if: hasWebDataset, "needs webdataset and NumPy (BOLSTER_PYTHON)"))
    func damaged() throws {
        let (join, _) = try joined("npz") { $0.unpacksParameters = true }
        func codes(_ shard: String, _ place: Int, _ kind: String, _ bytes: [UInt8]) throws -> [String] {
            let path = join.path("out/\(shard).tar")
            let good = try Data(contentsOf: URL(fileURLWithPath: path))
            var samples = try join.samples(of: "out/\(shard).tar")
            let member = try #require(samples[place].members.firstIndex { $0.extension == kind })
            samples[place].members[member].bytes = bytes
            try join.write("out/\(shard)", samples.map { $0.members.map { ($0.name, $0.bytes) } })
            let report = try verify(join)
            try good.write(to: URL(fileURLWithPath: path))
            return (report.faults + report.warnings).map(\.code).filter { $0 != "changed_shard" }
        }
        let first = try join.samples(of: "out/00000000.tar")
        let npz = try NumpyArchive.matrices(of: first[0].member("npz")?.bytes ?? [], name: "npz")
        let short = npz.map { $0.name == "image_emb" ? $0.first(2) : $0 }
        #expect(try codes("00000000", 0, "npz", NumpyArchive.bytes(of: short)) == ["bad_shape"])
        let outside = #"{"param_aug": [[[1, 2, 20, 63], null], [[0, 0, 9, 9], null], [[0, 0, 9, 9], null]]}"#
        #expect(try codes("00000000", 1, "paug.json", Array(outside.utf8)) == ["bad_parameters"])
        let other = first[0].member("json")?.bytes ?? []
        #expect(try codes("00000001", 3, "json", other) == ["repeated_uid"])
    }

    @Test(
        "Sources and published shards may be compressed; nothing is left in the scratch folder",
        arguments: [true, false])
    func compressed(byUID: Bool) throws {
        let join = try JoinFixture()
        let published = try join.write("dr/00000", (0..<8).map { JoinFixture.reinforcement($0) })
        let source = try join.write("images/00000", (0..<7).map { JoinFixture.source($0) })
        let naming = byUID ? JoinConfiguration.Naming.uid(field: "uid") : .key
        let plain = try Joiner(join.configuration([published], [source], output: "a", naming: naming)).run(
            threads: 1)
        for (program, ending) in [("gzip", "gz"), ("zstd", "zst")] {
            var shards = [published, source]
            for place in shards.indices {
                shards[place].location += ".\(ending)"
                try compress(shards[place].location, with: program)
            }
            var configuration = join.configuration([shards[0]], [shards[1]], output: ending, naming: naming)
            configuration.scratch = join.path("scratch")
            let report = try Joiner(configuration).run(threads: 1)
            #expect(report.joined == plain.joined && report.joined == 7)
            #expect(try join.contents(ending)["00000.tar"] == (try join.contents("a")["00000.tar"]))
            #expect(try FileManager.default.contentsOfDirectory(atPath: join.path("scratch")).isEmpty)
        }
        // A source that is cut off: what came before it is joined, and the file is named with the place.
        let zst = URL(fileURLWithPath: source.location + ".zst")
        try Data(contentsOf: zst).dropLast(40).write(to: zst)
        var cut = source
        cut.location += ".zst"
        var configuration = join.configuration([published], [cut], output: "cut", naming: naming)
        configuration.scratch = join.path("scratch")
        let report = try Joiner(configuration).run(threads: 1)
        #expect(!report.isWhole && report.input == 8 && report.joined < 7)
        #expect(report.summary.contains("00000.tar.zst"), "\(report.summary)")
    }

    private func compress(_ location: String, with program: String) throws {
        let plain = (location as NSString).deletingPathExtension
        try #require(try OtherProgram.run([program, "-q", "-f", "-k", plain]).status == 0)
    }

    @Test("Repeated uids are counted and found whether they fit into memory or not")
    func repeatedUIDs() throws {
        let folder = try JoinFixture()
        var small = RepeatedUIDs(folder: folder.folder.path, partMarksMax: 16)
        // Some forty in each of the 256 parts, so that most of them go to the disk.
        let count = 10_000
        for index in 0..<count {
            let uid = index == 77 || index == 9_999 ? "twice" : String(index, radix: 36)
            try small.append(uid, at: .init(shard: UInt32(index / 100), sample: UInt32(index % 100)))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.folder.path).count == 1)
        let found = try small.repeated(groupsMax: 20)
        #expect(found.count == 1)
        #expect(found.groups == [[.init(shard: 0, sample: 77), .init(shard: 99, sample: 99)]])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.folder.path).isEmpty)
    }
}
