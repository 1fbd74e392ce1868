import BolsterRecords
import Foundation
import Testing

@testable import BolsterMerger

@Suite("Tokens of captioners behind an endpoint") struct TokenCountTests {
    @Test("Tokens that an endpoint counted are summed by stage over all shards") func tokens() throws {
        let run = try RunFixture()
        try run.addShard("00000", (0..<3).map(RunFixture.sample))
        try run.addShard("00001", (100..<104).map(RunFixture.sample))
        for shard in run.shards {
            let name = RecordFileName(stage: "views", shard: shard.name, chunk: 0, epoch: "1-1").path
            let file = try RecordFile(decoding: run.records.read(name), name: name)
            var header = file.header
            header.usage = TokenUsage(
                prompt: 100 + shard.index, completion: 7, cut: shard.index > 0 ? 3 : nil)
            try run.records.write(
                name,
                RecordFile(header: header, keys: file.keys, skips: file.skips, columns: file.columns).encode()
            )
        }
        #expect(try run.merge().tokens == ["views": ["prompt": 201, "completion": 14, "cut": 3]])
        let json = try JSONValue(parsing: run.contents("dataset")["coverage.json"] ?? [])
        #expect(json["tokens"]?["views"]?["prompt"] == .number("201"))
    }
}
