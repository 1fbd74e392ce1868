import BolsterDataset
import BolsterDeterminism
import BolsterRecords
import BolsterStorage
import Foundation
import Testing

@testable import BolsterMerger

/// Changed and hostile input, by fixed seeds; `BOLSTER_MUTATIONS` raises the number of rounds.
@Suite struct HostileInputTests {
    private static func rounds(_ preset: Int) -> Int {
        ProcessInfo.processInfo.environment["BOLSTER_MUTATIONS"].flatMap { Int($0) } ?? preset
    }

    /// Flips, sets, removes, doubles or inserts a few bytes at random places.
    private func mutated(_ original: [UInt8], _ random: inout CounterRandom) -> [UInt8] {
        var bytes = original
        for _ in 0...random.integer(below: 3) where !bytes.isEmpty {
            let place = random.integer(below: bytes.count)
            let end = min(bytes.count, place + 1 + random.integer(below: 600))
            switch random.integer(below: 6) {
            case 0: bytes[place] ^= 1 << random.integer(below: 8)
            case 1: bytes[place] = UInt8(random.integer(below: 256))
            case 2: bytes.removeSubrange(place..<end)
            case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: random.integer(below: bytes.count))
            default: for index in place..<min(bytes.count, place + 8) { bytes[index] = 0xFF }
            }
        }
        return bytes
    }

    private static let hostileKeys = [
        "../../x", "/etc/x", "a/../../x", "..", "a\u{0}b", String(repeating: "k", count: 70_000),
        String(repeating: "d/", count: 3000) + "x", ".", "~/x", "-rf", "a\\..\\b", "x\ny", "\u{202E}gpj",
    ]

    @Test("No key leads out of the dataset, from tars and from JSONL", arguments: hostileKeys)
    func keys(key: String) throws {
        let run = try RunFixture()
        let good = RunFixture.sample(1)
        let bad = RunFixture.SourceSample(
            key: key, members: [("\(key).jpg", [0xFF, 0xD8, 0xFF, 1]), ("\(key).json", Array("{}".utf8))],
            texts: [])
        let line = JSONValue.object([
            .init("key", .string(key)), .init("uid", .string(key)), .init("image", .string("/9j/AQ==")),
        ])
        let shards: [(name: String, bytes: [UInt8])] = [
            ("a.tar", RunFixture.tar([good, bad])), ("b.jsonl", PythonJSON.bytes(of: line) + [0x0A]),
        ]
        for shard in shards {
            try Data(shard.bytes).write(to: run.folder.appendingPathComponent(shard.name))
            run.shards.append(
                Shard(
                    index: run.shards.count, name: Shard.name(ofLocation: shard.name),
                    location: run.path(shard.name),
                    identity: ShardIdentity(size: Int64(shard.bytes.count), version: "1")))
        }
        // Without records every sample is missing; what matters is what is read and written on the way.
        run.manifest.merge.require = .stages([])
        do {
            try run.merge(partial: true)
            for tar in ["dataset/a.tar", "dataset/b.tar"] {
                for sample in try run.samples(of: tar) {
                    #expect(!sample.key.split(separator: "/").contains("..") && !sample.key.hasPrefix("/"))
                }
            }
        } catch let error as MergerError {
            #expect(error.code != .unaccounted)
        }
        let top = try FileManager.default.contentsOfDirectory(atPath: run.folder.path).sorted()
        #expect(Set(top).isSubset(of: ["a.tar", "b.jsonl", "dataset", "run"]))
        let inside = try FileManager.default.subpathsOfDirectory(atPath: run.path("dataset"))
        #expect(inside.allSatisfy { !$0.contains("/") })
    }

    @Test("Joins of changed tars: counts add up, what is written can be read, nothing traps")
    func joins() throws {
        let join = try JoinFixture()
        let published = try join.write("dr/0", (0..<4).map { JoinFixture.reinforcement($0) })
        let source = try join.write("images/0", (0..<4).map { JoinFixture.source($0) })
        let whole = try [published, source].map {
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: $0.location)))
        }
        var joined = 0
        for round in 0..<Self.rounds(60) {
            var random = CounterRandom(seed: 3, purpose: .caption, key: "join", index: round)
            let side = random.integer(below: 2)
            let shard = [published, source][side]
            try Data(mutated(whole[side], &random)).write(to: URL(fileURLWithPath: shard.location))
            var configuration = join.configuration(
                [published], [source], output: "out-\(round)",
                naming: round.isMultiple(of: 3) ? .uid(field: "uid") : .key)
            configuration.unpacksParameters = true
            do {
                let report = try Joiner(configuration).run(threads: 1)
                #expect(report.input == report.joined + report.missing, "round \(round)")
                #expect(try join.samples(of: "out-\(round)/0.tar").count == report.joined, "round \(round)")
                joined += report.joined
            } catch let error as MergerError {
                #expect(
                    error.code == .changedShard || error.code == .unreadableShard, "round \(round): \(error)")
            }
            try Data(whole[side]).write(to: URL(fileURLWithPath: shard.location))
            try FileManager.default.removeItem(atPath: join.path("out-\(round)"))
        }
        #expect(joined > 60)
    }

    @Test("Any changed file of a dataset, in both formats, is told, and nothing traps")
    func datasets() throws {
        for format in Manifest.MergeSettings.Format.allCases {
            let run = try RunFixture()
            run.manifest.merge.format = format
            try run.addShard("x", (0..<3).map(RunFixture.sample))
            try run.merge()
            let good = try run.contents("dataset")
            let names = good.keys.sorted()
            var found = 0
            for round in 0..<Self.rounds(60) {
                var random = CounterRandom(seed: 4, purpose: .caption, key: "\(format)", index: round)
                let name = names[random.integer(below: names.count)]
                let bytes = mutated(good[name] ?? [], &random)
                try Data(bytes).write(to: run.folder.appendingPathComponent("dataset/\(name)"))
                let report = try DatasetVerifier(sources: run.shards).verify(directory: run.path("dataset"))
                if !report.isGood { found += 1 }
                #expect(bytes == good[name] || !report.isGood, "round \(round): \(name)")
                try Data(good[name] ?? []).write(to: run.folder.appendingPathComponent("dataset/\(name)"))
            }
            #expect(found > 5)
        }
    }

    @Test("Changed image headers state a size or none")
    func headers() {
        let jpeg: [UInt8] =
            [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC2, 0, 17, 8, 1, 0x90, 2, 0, 3, 1, 0x22, 0]
        let riff = Array("RIFF".utf8) + [0, 0, 0, 0] + Array("WEBPVP8L".utf8)
        for (number, original) in [jpeg, riff + Array(repeating: 7, count: 20)].enumerated() {
            for round in 0..<Self.rounds(500) {
                var random = CounterRandom(seed: 5, purpose: .caption, key: "\(number)", index: round)
                if let header = ImageHeader(mutated(original, &random)) {
                    #expect(header.width > 0 && header.height > 0)
                }
            }
        }
    }
}
