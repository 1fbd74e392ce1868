import BolsterDataset
import BolsterRecords
import Foundation
import Testing

@testable import BolsterMerger

@Suite struct JoinerTests {
    @Test("By key: both sides' files under one key, in the published order; dead links are counted")
    func byKey() throws {
        let join = try JoinFixture()
        let published = try join.write("dr/00000", (0..<8).map { JoinFixture.reinforcement($0) })
        // Another order, one sample gone, one that nobody asks for, and a leading "./".
        let sources = [5, 1, 0, 7, 2, 4, 6, 40].map { index in
            JoinFixture.source(index).map { (name: "./" + $0.name, bytes: $0.bytes) }
        }
        let source = try join.write("images/00000", sources)
        let report = try Joiner(join.configuration([published], [source])).run(threads: 2)
        #expect(report.input == 8 && report.joined == 7 && report.missing == 1 && report.isWhole)
        #expect(report.withoutImage == 0 && report.packedParameters == 7)
        let samples = try join.samples(of: "out/00000.tar")
        #expect(samples.map(\.key) == [0, 1, 2, 4, 5, 6, 7].map { "k\(1000 + $0)" })
        #expect(
            samples[3].members.map(\.extension) == [
                "jpg", "txt", "url.txt", "syn.json", "paug.json", "pth.gz", "json",
            ])
        // Unpacked into one folder, the published json would replace the source's.
        #expect(samples[3].member("json")?.bytes == JoinFixture.reinforcement(4)[4].bytes)
        #expect(samples[3].member("jpg")?.bytes == JoinFixture.source(4)[0].bytes)
        #expect(samples[3].member("paug.json")?.bytes == JoinFixture.reinforcement(4)[2].bytes)
        let sizes = try JSONValue(parsing: join.contents("out")["sizes.json"] ?? [])
        #expect(sizes["00000.tar"] == .number(7))
    }

    @Test("By uid: wherever the source lies and whatever its key; the first of equal uids counts")
    func byUID() throws {
        let join = try JoinFixture()
        let published = try [
            join.write("dr/00000", (0..<4).map { JoinFixture.reinforcement($0) }),
            join.write("dr/00001", (4..<9).map { JoinFixture.reinforcement($0) }),
        ]
        let sources = try [
            join.write("images/a", [8, 0, 20].map { JoinFixture.source($0, key: "x\($0)") }),
            join.write("images/b", [3, 6, 5, 4].map { JoinFixture.source($0, key: "y\($0)") }),
            join.write("images/c", [5, 1].map { JoinFixture.source($0, key: "z\($0)") }),
        ]
        let configuration = join.configuration(published, sources, naming: .uid(field: "uid"))
        let report = try Joiner(configuration).run(threads: 3)
        #expect(report.input == 9 && report.joined == 7 && report.missing == 2)
        #expect(try join.samples(of: "out/00000.tar").map(\.key) == ["k1000", "k1001", "k1003"])
        let second = try join.samples(of: "out/00001.tar")
        #expect(second.map(\.key) == ["k1004", "k1005", "k1006", "k1008"])
        #expect(second[1].members.first?.name == "k1005.jpg")
        #expect(second[1].member("jpg")?.bytes == JoinFixture.source(5)[0].bytes)

        var small = configuration
        small.indexBytesMax = 100
        small.output = join.path("small")
        let error = #expect(throws: MergerError.self) { try Joiner(small).run(threads: 1) }
        #expect(error?.code == .tooLarge)
    }

    @Test("Threads and repetition change no byte; a finished shard is kept, a changed source joined again")
    func resume() throws {
        let join = try JoinFixture()
        var published: [Shard] = []
        var sources: [Shard] = []
        for shard in 0..<5 {
            let samples = (shard * 10)..<(shard * 10 + 6)
            published.append(
                try join.write("dr/0000\(shard)", samples.map { JoinFixture.reinforcement($0) }))
            sources.append(try join.write("images/0000\(shard)", samples.map { JoinFixture.source($0) }))
        }
        let one = try Joiner(join.configuration(published, sources, output: "one")).run(threads: 1)
        let many = try Joiner(join.configuration(published, sources, output: "many")).run(threads: 4)
        #expect(one == many && one.joined == 30)
        for (name, bytes) in try join.contents("one") where !name.hasPrefix(".") {
            #expect(try join.contents("many")[name] == bytes, "\(name)")
        }
        let kept = try inode(join.path("one/00001.tar"))
        try FileManager.default.removeItem(atPath: join.path("one/00002.tar"))
        sources[3].identity.version = "2"
        let changed = try inode(join.path("one/00003.tar"))
        #expect(try Joiner(join.configuration(published, sources, output: "one")).run(threads: 2) == one)
        #expect(try inode(join.path("one/00001.tar")) == kept)
        #expect(try inode(join.path("one/00003.tar")) != changed)

        let parts = Joiner(join.configuration(published, sources, output: "parts"))
        _ = try parts.run(threads: 1, part: MergePart("0/2"))
        #expect(throws: MergerError.self) { try parts.close() }
        _ = try parts.run(threads: 1, part: MergePart("1/2"))
        #expect(try parts.close() == many)
        #expect(try join.contents("parts")["coverage.json"] == (try join.contents("many")["coverage.json"]))
    }

    @Test("After a start of the machine a shard that was not synced is kept only if its bytes are right")
    func powerFailure() throws {
        let join = try JoinFixture()
        let published = try join.write("dr/0", (0..<4).map { JoinFixture.reinforcement($0) })
        let source = try join.write("images/0", (0..<4).map { JoinFixture.source($0) })
        let joiner = Joiner(join.configuration([published], [source]))
        _ = try joiner.run(threads: 1)
        let tar = join.path("out/0.tar")
        let whole = try Data(contentsOf: URL(fileURLWithPath: tar))
        let receipt = join.path("out/.bolster/join/0.json")
        let text = try String(contentsOfFile: receipt, encoding: .utf8)
        let boot = try JoinReceipt.currentBoot()
        try text.replacing(boot, with: "another").write(toFile: receipt, atomically: true, encoding: .utf8)
        let kept = try inode(tar)
        _ = try joiner.run(threads: 1)
        #expect(try inode(tar) == kept)
        try (whole.prefix(3000) + Data(count: whole.count - 3000)).write(to: URL(fileURLWithPath: tar))
        _ = try joiner.run(threads: 1)
        #expect(try Data(contentsOf: URL(fileURLWithPath: tar)) == whole)
    }

    @Test("With unpacked parameters param_aug is the list that the trainer reads, and all else is as it was")
    func parameters() throws {
        let join = try JoinFixture()
        let published = try join.write("dr/0", (0..<3).map { JoinFixture.reinforcement($0) })
        let source = try join.write("images/0", (0..<3).map { JoinFixture.source($0) })
        var configuration = join.configuration([published], [source])
        configuration.unpacksParameters = true
        #expect(try Joiner(configuration).run(threads: 1).packedParameters == 0)
        let sample = try join.samples(of: "out/0.tar")[1]
        let text = String(decoding: sample.member("paug.json")?.bytes ?? [], as: UTF8.self)
        #expect(text == #"{"param_aug": [[[0, 1, 20, 31], [[4, 0.5], [1, 0.25]]]]}"#)
        #expect(sample.member("pth.gz")?.bytes == JoinFixture.reinforcement(1)[3].bytes)
    }

    @Test("What a damaged shard had before its damage is joined, and the damage is told")
    func damage() throws {
        let join = try JoinFixture()
        let published = try join.write("dr/0", (0..<6).map { JoinFixture.reinforcement($0) })
        let source = try join.write("images/0", (0..<6).map { JoinFixture.source($0) }) { bytes in
            bytes.removeLast(bytes.count - 13_000)
        }
        var report = try Joiner(join.configuration([published], [source], output: "a")).run(threads: 1)
        #expect(!report.isWhole && report.joined > 0 && report.joined < 6)
        #expect(report.joined + report.missing == 6)
        let cut = try join.write("cut/0", (0..<6).map { JoinFixture.reinforcement($0) }) { bytes in
            bytes.removeLast(bytes.count - 12_000)
        }
        let whole = try join.write("images/0", (0..<6).map { JoinFixture.source($0) })
        report = try Joiner(join.configuration([cut], [whole], output: "b")).run(threads: 1)
        #expect(!report.isWhole && report.input < 6)
        #expect(try join.samples(of: "b/0.tar").count == report.joined)
    }

    @Test("A source shard that is not there leaves its samples without a source")
    func noShard() throws {
        let join = try JoinFixture()
        let published = try join.write("dr/0", (0..<3).map { JoinFixture.reinforcement($0) })
        let source = try join.write("images/1", (0..<3).map { JoinFixture.source($0) })
        let report = try Joiner(join.configuration([published], [source])).run(threads: 1)
        #expect(report.joined == 0 && report.missing == 3 && report.isWhole)
        #expect(try join.samples(of: "out/0.tar").isEmpty)
    }

    @Test(
        "A name that leaves its folder is refused and writes nothing",
        arguments: ["../../x.jpg", "/etc/x.jpg", "a/../../x.jpg"])
    func unsafeNames(name: String) throws {
        let join = try JoinFixture()
        let bad: JoinFixture.Files = [(name, [1]), (name.replacing("jpg", with: "json"), [2])]
        let published = try join.write("dr/0", [bad, JoinFixture.reinforcement(1)])
        let source = try join.write("images/0", [bad, JoinFixture.source(1)])
        let report = try Joiner(join.configuration([published], [source])).run(threads: 1)
        #expect(report.joined == 0 && report.shards[0].damage.allSatisfy { $0.contains("..") })
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: join.folder.path).sorted() == [
                "dr", "images", "out",
            ])
    }

    private func inode(_ path: String) throws -> UInt64? {
        try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? UInt64
    }
}
