import BolsterDataset
import BolsterRecords
import Foundation
import Testing

@testable import BolsterMerger

/// `bolster verify`: the dataset against its source, its sizes and hashes, and JSONL datasets.
@Suite struct SourceCheckTests {
    private func fixture(_ change: (inout [RunFixture.SourceSample]) -> Void = { _ in }) throws -> RunFixture
    {
        let run = try RunFixture()
        var samples = (0..<6).map(RunFixture.sample)
        change(&samples)
        try run.addShard("x", samples)
        try run.addShard("y", (10..<13).map(RunFixture.sample))
        return run
    }

    private func codes(_ run: RunFixture) throws -> [String] {
        try DatasetVerifier(sources: run.shards).verify(directory: run.path("dataset")).faults.map(\.code)
    }

    @Test("A dataset agrees with the source that it was merged from, left out samples included")
    func good() throws {
        let run = try fixture { $0[2].skips[.views] = Skip(reason: "undecodable_image") }
        try run.merge()
        let report = try DatasetVerifier(sources: run.shards).verify(directory: run.path("dataset"))
        #expect(report.isGood, "\(report.summary)")
        #expect(report.sourceSamples == 9 && report.samples == 8)
    }

    @Test("Another image, another order, a sample too many and a missing shard are found")
    func different() throws {
        let run = try fixture()
        try run.merge()
        let old = run.shards
        // The same keys with another image, then another order, then fewer samples.
        var samples = (0..<6).map(RunFixture.sample)
        samples[3].members[0].bytes[500] ^= 1
        samples[4].members[2].bytes = Array("another text".utf8)
        try Data(RunFixture.tar(samples)).write(to: URL(fileURLWithPath: old[0].location))
        #expect(try codes(run) == ["image_differs", "text_differs"])
        samples = (0..<6).map(RunFixture.sample)
        samples.swapAt(1, 4)
        try Data(RunFixture.tar(samples)).write(to: URL(fileURLWithPath: old[0].location))
        #expect(try codes(run) == ["not_in_source"])
        try Data(RunFixture.tar((0..<8).map(RunFixture.sample))).write(
            to: URL(fileURLWithPath: old[0].location))
        #expect(try codes(run) == ["coverage_differs"])
        try Data(RunFixture.tar((0..<6).map(RunFixture.sample))).write(
            to: URL(fileURLWithPath: old[0].location))
        run.shards.append(
            Shard(index: 2, name: "z", location: old[0].location, identity: old[0].identity))
        #expect(try codes(run) == ["missing_shard"])
    }

    @Test("A bit that flips where no format notices is told by the shard's hash")
    func hash() throws {
        let run = try fixture()
        try run.merge()
        let path = run.path("dataset/x.tar")
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        bytes[512 + 600] ^= 4
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let report = try DatasetVerifier().verify(directory: run.path("dataset"))
        #expect(report.faults.map(\.code) == ["changed_shard"])
    }

    @Test("A JSONL dataset is checked as a tar is")
    func lines() throws {
        let run = try fixture()
        run.manifest.merge.format = .jsonl
        try run.merge()
        let report = try DatasetVerifier(sources: run.shards).verify(directory: run.path("dataset"))
        #expect(report.isGood, "\(report.summary)")
        #expect(report.samples == 9 && report.files["npz"] == 9 && report.files["jpg"] == 9)
        let path = run.path("dataset/x.jsonl")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try text.replacing("[[0, 1, 20, 30]", with: "[[0, 1, 20, -3]").write(
            toFile: path, atomically: true, encoding: .utf8)
        let faults = try DatasetVerifier().verify(directory: run.path("dataset")).faults.map(\.code)
        #expect(Set(faults) == ["bad_parameters", "changed_shard"])
        try String(text.dropLast(100)).write(toFile: path, atomically: true, encoding: .utf8)
        let cut = try DatasetVerifier().verify(directory: run.path("dataset")).faults.map(\.code)
        #expect(Set(cut) == ["damaged_shard", "counts_differ"])
    }
}

@Suite struct ParameterCheckTests {
    private func check(_ transforms: String) throws -> ParameterCheck {
        ParameterCheck(try JSONValue(parsing: Array(transforms.utf8)))
    }

    private func isGood(_ check: ParameterCheck, _ view: String, _ image: ImageHeader? = nil) throws -> Bool {
        check.mistake(in: try JSONValue(parsing: Array(view.utf8)), of: image) == nil
    }

    @Test("Each transform's parameters have their form and range")
    func ranges() throws {
        let check = try check(
            #"{"random_resized_crop": {"size": 224}, "random_horizontal_flip": {"p": 0.5}, "#
                + #""rand_augment": {"num_ops": 2}, "to_tensor": {}, "random_erase": {"enable": false}}"#)
        #expect(try isGood(check, "[[0, 0, 10, 10], true, [[1, 0.09], [13, 0.0]]]"))
        #expect(try isGood(check, "[[0, 0, 10, 10], false, null]"))
        for bad in [
            "[[0, 0, 10, 10], true]", "[[0, 0, 10], true, null]", "[[0, 0, 0, 10], true, null]",
            "[[0, -1, 5, 10], true, null]", "[[0, 0, 1.5, 10], true, null]", "[[0, 0, 5, 10], 2, null]",
            "[[0, 0, 5, 10], true, [[1, 0.09]]]", "[[0, 0, 5, 10], true, [[1, 0.5], [1, 0.1]]]",
            "[[0, 0, 5, 10], true, [[14, 0.5], [1, 0.1]]]", "{}",
            "[[0, 0, 5, 10], true, [[5, 31], [1, 0.1]]]",
        ] {
            #expect(try !isGood(check, bad), "\(bad)")
        }
    }

    @Test("A crop lies inside the image whose header states its size")
    func inside() throws {
        let check = try check(#"{"random_resized_crop": {"size": 224}}"#)
        let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82]
        let header = try #require(ImageHeader(png + [0, 0, 0, 40, 0, 0, 0, 30, 8, 2, 0, 0, 0]))
        #expect(header.width == 40 && header.height == 30)
        #expect(try isGood(check, "[[0, 10, 30, 30]]", header))
        #expect(try !isGood(check, "[[1, 10, 30, 30]]", header))
        #expect(try !isGood(check, "[[0, 11, 30, 30]]", header))
        // After another crop the image's size says nothing.
        let second = try self.check(#"{"center_crop": {"size": 9}, "random_resized_crop": {"size": 224}}"#)
        #expect(try isGood(second, "[[1, 10, 30, 30]]", header))
    }

    @Test("JPEG and WebP headers state their sizes, damaged ones none")
    func headers() {
        let jpeg: [UInt8] =
            [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC2, 0, 17, 8, 1, 0x90, 2, 0, 3, 1, 0x22, 0]
        #expect(ImageHeader(jpeg).map { [$0.width, $0.height] } == [512, 400])
        #expect(ImageHeader(Array(jpeg.prefix(14))) == nil)
        let riff = Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WEBP".utf8)
        let extended = riff + Array("VP8X".utf8) + [10, 0, 0, 0, 0, 0, 0, 0, 0xFF, 1, 0, 0x8F, 1, 0]
        #expect(ImageHeader(extended).map { [$0.width, $0.height] } == [512, 400])
        let lossy = riff + Array("VP8 ".utf8) + [0, 0, 0, 0, 0, 0, 0, 0x9D, 1, 0x2A, 0, 2, 0x90, 1]
        #expect(ImageHeader(lossy).map { [$0.width, $0.height] } == [512, 400])
        for count in 0..<lossy.count { _ = ImageHeader(Array(lossy.prefix(count))) }
        for count in 0..<jpeg.count { _ = ImageHeader(Array(jpeg.prefix(count))) }
        #expect(ImageHeader([1, 2, 3]) == nil)
    }
}
