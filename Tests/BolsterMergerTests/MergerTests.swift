import BolsterCompression
import BolsterDataset
import BolsterDeterminism
import BolsterRecords
import BolsterStorage
import Foundation
import Testing

@testable import BolsterMerger

@Suite struct MergerTests {
    private func fixture(_ count: Int = 10) throws -> RunFixture {
        let run = try RunFixture()
        try run.addShard("00000", (0..<count).map(RunFixture.sample))
        try run.addShard("00001", (100..<104).map(RunFixture.sample))
        return run
    }

    @Test("A finished run merges into every file of every sample, in the source's order")
    func good() throws {
        let run = try fixture()
        let coverage = try run.merge()
        #expect(coverage.isComplete)
        #expect(coverage.total.input == 14 && coverage.total.merged == 14)
        let samples = try run.samples(of: "dataset/00000.tar")
        #expect(samples.map(\.key) == (0..<10).map { "set/\(1000 + $0)" })
        let sample = try #require(samples.first)
        #expect(
            sample.members.map(\.extension) == [
                "jpg", "txt", "url.txt", "syn.json", "paug.json", "npz", "json",
            ])
        #expect(sample.members[0].bytes == RunFixture.sample(0).members[0].bytes)
        #expect(String(decoding: sample.members[1].bytes, as: UTF8.self) == "a text of 0")
        #expect(String(decoding: sample.members[2].bytes, as: UTF8.self) == "http://example.org/0")
        #expect(
            String(decoding: sample.members[3].bytes, as: UTF8.self)
                == #"{"syn_text": ["caption of set/1000", "na\u00efve \u00ab1\u00bb"]}"#)
        #expect(
            String(decoding: sample.members[4].bytes, as: UTF8.self)
                == #"{"param_aug": [[[0, 1, 20, 30], [[4, 0.09000000357627869], [13, 0.0]]], "#
                + "[[2, 0, 9, 8], null]]}")
        let matrices = try NumpyArchive.matrices(of: sample.members[5].bytes, name: "npz")
        #expect(matrices.map(\.name) == ["image_emb", "text_emb", "syn_text_emb"])
        #expect(matrices.map(\.rows) == [2, 1, 2])
        let exact = RunFixture.embedding("set/1000", .views, 1, seed: 1)
        #expect(zip(matrices[0].floats[7...], exact).allSatisfy { abs($0 - $1) < 0.004 })
        let json = String(decoding: sample.members[6].bytes, as: UTF8.self)
        let source = String(decoding: RunFixture.sample(0).members[1].bytes, as: UTF8.self)
        #expect(
            json == source.dropLast()
                + #", "caption_scores": {"text": [0.0064], "syn_text": [0.6173, 0.6321]}}"#)
        let report = try DatasetVerifier().verify(directory: run.path("dataset"))
        #expect(report.isGood, "\(report.summary)")
        #expect(report.samples == 14)
    }

    @Test("A source's JSON with Python's NaN is JSON in the dataset, and its url is found")
    func notANumber() throws {
        let run = try RunFixture()
        var odd = RunFixture.sample(0)
        odd.members[1].bytes = Array(#"{"url": "http://example.org/0", "similarity": NaN}"#.utf8)
        try run.addShard("00000", [odd])
        #expect(try run.merge().total.merged == 1)
        let sample = try #require(try run.samples(of: "dataset/00000.tar").first)
        let url = try #require(sample.member("url.txt"))
        #expect(String(decoding: url.bytes, as: UTF8.self) == "http://example.org/0")
        let json = try #require(sample.member("json"))
        #expect(String(decoding: json.bytes, as: UTF8.self).contains(#""similarity": null"#))
        let report = try DatasetVerifier().verify(directory: run.path("dataset"))
        #expect(report.isGood, "\(report.summary)")
    }

    @Test("Two merges are equal byte for byte, in both layouts and both encodings")
    func deterministic() throws {
        let run = try fixture()
        for layout in Manifest.MergeSettings.Layout.allCases {
            for embeddings in Manifest.MergeSettings.Embeddings.allCases {
                run.manifest.merge = .init(layout: layout, embeddings: embeddings)
                try run.merge(output: "first-\(layout)-\(embeddings)")
                try run.merge(output: "second-\(layout)-\(embeddings)")
                let first = try run.contents("first-\(layout)-\(embeddings)")
                #expect(first == (try run.contents("second-\(layout)-\(embeddings)")))
                let report = try DatasetVerifier().verify(
                    directory: run.path("first-\(layout)-\(embeddings)"))
                #expect(report.isGood, "\(report.summary)")
            }
        }
    }

    @Test("Threads change nothing, and of several errors the earliest shard's is thrown")
    func threads() throws {
        let run = try RunFixture()
        for index in 0..<7 { try run.addShard("0000\(index)", (0..<(index + 3)).map(RunFixture.sample)) }
        var seen: [MergeProgress] = []
        let one = try Merger(run.configuration(output: "one")).run(threads: 1) { seen.append($0) }
        let many = try Merger(run.configuration(output: "many")).run(threads: 5)
        #expect(one == many)
        #expect(try run.contents("one") == (try run.contents("many")))
        #expect(seen.last == MergeProgress(shards: 7, shardsDone: 7, samples: one.total.input))
        #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.shardsDone <= $1.shardsDone })
        for shard in ["00003", "00005"] {
            let name = RecordFileName(stage: StageID.views.name, shard: shard, chunk: 0, epoch: "1-1").path
            try run.records.write(name, [1, 2, 3])
        }
        let error = #expect(throws: MergerError.self) {
            try Merger(run.configuration(output: "bad")).run(threads: 2)
        }
        #expect(error?.evidence == ["records/views/00003/000000-1-1.records"])
    }

    @Test("The published layout puts the first text before all captions and wants a text")
    func publishedLayout() throws {
        let run = try RunFixture()
        var several = RunFixture.sample(0)
        several.members.removeLast()
        several.members[1].bytes = Array(#"{"caption": ["one", "two"]}"#.utf8)
        several.texts = ["one", "two"]
        var none = RunFixture.sample(1)
        none.members.removeLast()
        none.texts = []
        try run.addShard("x", [several, none, RunFixture.sample(2)])

        run.manifest.merge = .init(layout: .datacompdr, embeddings: .npz)
        let coverage = try run.merge(output: "published")
        #expect(coverage.reasons == ["texts.ground_truth": ["no_text": 1]])
        let published = try run.samples(of: "published/x.tar")
        #expect(published.map(\.key) == ["set/1000", "set/1002"])
        let npz = try #require(published[0].member("npz"))
        #expect(try NumpyArchive.matrices(of: npz.bytes, name: "x").map(\.rows) == [2, 3])

        run.manifest.merge = .init(layout: .split, embeddings: .npz)
        #expect(try run.merge(output: "split").total.merged == 3)
        let split = try run.samples(of: "split/x.tar")
        let rows = try split.map {
            try NumpyArchive.matrices(of: $0.member("npz")?.bytes ?? [], name: $0.key)[1].rows
        }
        #expect(rows == [2, 0, 1])
        #expect(split.map { $0.member("txt") != nil } == [true, false, true])
        #expect(split[0].member("txt")?.bytes == Array("one".utf8))
    }

    @Test("Captions alone, and embeddings alone, are datasets too")
    func partsOfTheManifest() throws {
        let captions = try RunFixture()
        captions.manifest.ensemble = nil
        try captions.addShard("x", (0..<5).map(RunFixture.sample))
        #expect(try captions.merge().total.merged == 5)
        let captioned = try captions.samples(of: "dataset/x.tar")[0].members.map(\.extension)
        #expect(captioned == ["jpg", "txt", "url.txt", "syn.json", "json"])

        let embeddings = try RunFixture()
        embeddings.manifest.captioners = []
        try embeddings.addShard("x", (0..<5).map(RunFixture.sample))
        #expect(try embeddings.merge().total.merged == 5)
        let embedded = try embeddings.samples(of: "dataset/x.tar")[0].members.map(\.extension)
        #expect(embedded == ["jpg", "txt", "url.txt", "paug.json", "npz", "json"])

        for run in [captions, embeddings] {
            let report = try DatasetVerifier().verify(directory: run.path("dataset"))
            #expect(report.isGood, "\(report.summary)")
        }
    }

    @Test("A merged tar's bytes stay what they were")
    func golden() throws {
        let run = try fixture(5)
        try run.merge()
        let tar = try run.contents("dataset")["00000.tar"] ?? []
        #expect(
            SHA256Hasher.digest(of: tar).hex
                == "ba5245ae8b9feadd230fdc0b1b1ddd2073675ca862b3fd42716159b037991ba0")
    }

    @Test("A gzipped source is merged like a plain one")
    func gzippedSource() throws {
        let run = try RunFixture()
        let samples = (0..<6).map(RunFixture.sample)
        try run.addShard("x", samples)
        try run.merge(output: "plain")
        let packed = Gzip.text.compressed(RunFixture.tar(samples))
        try Data(packed).write(to: run.folder.appendingPathComponent("x.tar.gz"))
        run.shards[0].location = run.path("x.tar.gz")
        try run.merge(output: "packed")
        #expect(try run.contents("plain")["x.tar"] == (try run.contents("packed")["x.tar"]))
    }

    @Test(
        "A skipped sample is left out with its first stage's reason, or kept where the stage is not required")
    func skipped() throws {
        let run = try RunFixture()
        var samples = (0..<6).map(RunFixture.sample)
        samples[1].skips = [
            RunFixture.captions: Skip(reason: "undecodable_image"), .views: Skip(reason: "undecodable_image"),
            RunFixture.captionTexts: Skip(reason: "not_captioned"),
        ]
        samples[4].skips = [.views: Skip(reason: "image_too_large", detail: "200 megapixels")]
        try run.addShard("x", samples)
        let coverage = try run.merge()
        #expect(coverage.total.merged == 4 && coverage.total.skipped == 2)
        #expect(
            coverage.reasons == [
                "captions.syn_text": ["undecodable_image": 1], "views": ["image_too_large": 1],
            ])
        #expect(try run.samples(of: "dataset/x.tar").map(\.key).contains("set/1001") == false)

        run.manifest.merge.require = .stages([.groundTruth])
        #expect(try run.merge(output: "lenient").total.merged == 6)
        let kept = try run.samples(of: "lenient/x.tar")[1]
        #expect(kept.members.map(\.extension) == ["jpg", "txt", "url.txt", "npz", "json"])
        let report = try DatasetVerifier().verify(directory: run.path("lenient"))
        #expect(report.isGood, "\(report.summary)")
    }

    @Test("Records of another fingerprint are refused as a mixture")
    func mixture() throws {
        let run = try fixture()
        run.manifest.seed = 8
        let error = #expect(throws: MergerError.self) { try run.merge() }
        #expect(error?.code == .mixture)
    }

    @Test("Records computed from other records than those that count are refused")
    func otherSources() throws {
        let run = try fixture(3)
        let name = RecordFileName(stage: RunFixture.captions.name, shard: "00000", chunk: 0, epoch: "1-1")
            .path
        let file = try RecordFile(decoding: run.records.read(name), name: name)
        let texts = PythonJSON.text(of: ["another", "caption"])
        let other = RecordFile(
            header: file.header, keys: file.keys, skips: file.skips,
            columns: [RecordColumn(name: "captions", content: .text(file.keys.map { _ in texts }))])
        try run.records.write(name, other.encode())
        let error = #expect(throws: MergerError.self) { try run.merge() }
        #expect(error?.code == .mixture)
        #expect(error?.evidence == [name])
    }

    @Test(
        "A source whose bytes changed is refused, wherever the change is", arguments: [0, 100, 700, 10_000])
    func changedSource(offset: Int) throws {
        let run = try fixture()
        let url = run.folder.appendingPathComponent("00000.tar")
        var bytes = [UInt8](try Data(contentsOf: url))
        bytes[offset] ^= 0x20
        try Data(bytes).write(to: url)
        #expect(throws: MergerError.self) { try run.merge() }
        #expect(FileManager.default.fileExists(atPath: run.path("dataset/00000.tar")) == false)
    }

    @Test("A changed pixel that leaves the tar intact fails on the hash of its range")
    func changedPixel() throws {
        let run = try fixture()
        let url = run.folder.appendingPathComponent("00000.tar")
        var bytes = [UInt8](try Data(contentsOf: url))
        bytes[512 + 50] ^= 1
        try Data(bytes).write(to: url)
        let error = #expect(throws: MergerError.self) { try run.merge() }
        #expect(error?.code == .changedShard)
    }

    @Test("An unfinished run merges only partially, and counts what is missing")
    func partial() throws {
        let run = try fixture()
        for stage in [StageID.views, RunFixture.captionTexts] {
            let path = RecordFileName(stage: stage.name, shard: "00000", chunk: 2, epoch: "1-1").path
            try run.records.delete(path)
        }
        let error = #expect(throws: MergerError.self) { try run.merge() }
        #expect(error?.code == .unfinished)
        #expect(error?.evidence.count == 2)
        let coverage = try run.merge(partial: true)
        #expect(coverage.total.merged == 12 && coverage.total.missing == 2 && coverage.total.input == 14)
        #expect(!coverage.isComplete)
    }

    @Test("A damaged shard keeps the samples before the damage, the rest is missing, with --partial only")
    func damaged() throws {
        let run = try fixture()
        let url = run.folder.appendingPathComponent("00000.tar")
        let bytes = try Data(contentsOf: url)
        try bytes.prefix(6 * 3584 + 700).write(to: url)
        let error = #expect(throws: MergerError.self) { try run.merge() }
        #expect(error?.code == .unreadableShard)
        let coverage = try run.merge(partial: true)
        let shard = coverage.shards[0]
        #expect(shard.damage?.contains("truncated") == true)
        #expect(shard.counts.input == 10)
        #expect(shard.counts.merged >= 4 && shard.counts.merged + shard.counts.missing == 10)
        #expect(!coverage.isComplete)
    }

    @Test("Of several files of a chunk the lowest epoch counts, numerically, and what names another decides")
    func severalFiles() throws {
        let run = try fixture(3)
        let samples = (0..<3).map(RunFixture.sample)
        let tar = RunFixture.tar(samples)
        try run.writeRecords(run.shards[0], samples, tar: tar, epoch: "1-10", seed: 2)
        try run.writeRecords(run.shards[0], samples, tar: tar, epoch: "1-9", seed: 3)
        try run.merge(output: "lowest")
        #expect(try captions(run, "lowest/00000.tar") == "naïve «1»")

        // Without the first grant's embeddings the captions that the second grant's embeddings name count.
        for stage in [RunFixture.captionTexts, .views] {
            try run.records.delete(
                RecordFileName(stage: stage.name, shard: "00000", chunk: 0, epoch: "1-1").path)
        }
        try run.merge(output: "named")
        #expect(try captions(run, "named/00000.tar") == "naïve «3»")

        try run.merge(output: "ledger") { stage, shard, chunk in
            guard chunk == 0 else { return nil }
            return RecordFileName(
                stage: stage.name, shard: shard, chunk: 0, epoch: shard == "00000" ? "1-10" : "1-1"
            ).path
        }
        #expect(try captions(run, "ledger/00000.tar") == "naïve «2»")
    }

    @Test("A damaged record file gives way to an intact one, and alone it is an error")
    func damagedRecords() throws {
        let run = try fixture(3)
        let samples = (0..<3).map(RunFixture.sample)
        let name = RecordFileName(stage: StageID.views.name, shard: "00000", chunk: 0, epoch: "1-1").path
        var bytes = try run.records.read(name)
        bytes[bytes.count / 2] ^= 4
        try run.records.write(name, bytes)
        let error = #expect(throws: MergerError.self) { try run.merge() }
        #expect(error?.code == .badRecords && error?.evidence == [name])
        try run.writeRecords(run.shards[0], samples, tar: RunFixture.tar(samples), epoch: "2-1")
        #expect(try run.merge().total.merged == 7)
    }

    @Test("A finished shard is kept, an unfinished one is written, a changed setting writes all")
    func resume() throws {
        let run = try fixture()
        try run.merge()
        let before = try run.contents("dataset")
        let kept = try inode(run.path("dataset/00000.tar"))
        try FileManager.default.removeItem(atPath: run.path("dataset/00001.tar"))
        let leftover = run.path("dataset/.00001.tar.1-x.tmp")
        try Data([1]).write(to: URL(fileURLWithPath: leftover))
        #expect(try run.merge().total.merged == 14)
        #expect(try run.contents("dataset") == before)
        #expect(try inode(run.path("dataset/00000.tar")) == kept)
        #expect(FileManager.default.fileExists(atPath: leftover) == false)
        run.manifest.merge.images = .omit
        try run.merge()
        #expect(try run.samples(of: "dataset/00000.tar")[0].members.map(\.extension).contains("jpg") == false)
    }

    @Test("A run that was killed and went on gives the dataset of one that was not")
    func otherEpochs() throws {
        let undisturbed = try fixture(3)
        try undisturbed.merge()
        let killed = try fixture(3)
        let samples = (0..<3).map(RunFixture.sample)
        for stage in killed.stages {
            try killed.records.delete(
                RecordFileName(stage: stage.id.name, shard: "00000", chunk: 0, epoch: "1-1").path)
        }
        try killed.writeRecords(killed.shards[0], samples, tar: RunFixture.tar(samples), epoch: "2-7")
        try killed.merge()
        #expect(try killed.contents("dataset") == (try undisturbed.contents("dataset")))
    }

    @Test("Mixed compute classes are counted, and refused under --strict")
    func computeClasses() throws {
        let run = try fixture(3)
        let name = RecordFileName(stage: StageID.views.name, shard: "00000", chunk: 0, epoch: "1-1").path
        let file = try RecordFile(decoding: run.records.read(name), name: name)
        var header = file.header
        header.computeClass = "cuda"
        let changed = RecordFile(header: header, keys: file.keys, skips: file.skips, columns: file.columns)
        try run.records.write(name, changed.encode())
        #expect(try run.merge().computeClasses["views"] == ["cuda": 1, "test": 1])
        let error = #expect(throws: MergerError.self) { try run.merge(output: "strict", strict: true) }
        #expect(error?.code == .mixedComputeClasses)
    }

    @Test("A shard without samples makes an empty tar")
    func emptyShard() throws {
        let run = try RunFixture()
        try run.addShard("x", [])
        let coverage = try run.merge()
        #expect(coverage.total.input == 0)
        #expect(try run.samples(of: "dataset/x.tar").isEmpty)
    }

    private func captions(_ run: RunFixture, _ tar: String) throws -> String? {
        let member = try run.samples(of: tar)[0].member("syn.json")
        return try JSONValue(parsing: member?.bytes ?? [])["syn_text"]?.strings?[1]
    }

    private func inode(_ path: String) throws -> UInt64? {
        try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? UInt64
    }
}
