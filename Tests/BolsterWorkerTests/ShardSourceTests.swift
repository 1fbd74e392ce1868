import BolsterDataset
import BolsterDeterminism
import BolsterStorage
import Foundation
import Testing

@testable import BolsterWorker

@Suite struct ShardSourceTests {
    /// A tar of `count` samples of growing size, with its bytes.
    private struct Written {
        let shard: Shard
        let bytes: [UInt8]
        let folder: URL

        init(_ count: Int) throws {
            var bytes: [UInt8] = []
            var writer = TarWriter()
            for index in 0..<count {
                let text = Array(String(repeating: "x", count: index * 301).utf8)
                writer.append(name: "\(index).txt", bytes: text, to: &bytes)
                writer.append(name: "\(index).json", bytes: Array("{}".utf8), to: &bytes)
            }
            writer.finish(to: &bytes)
            folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let path = folder.appendingPathComponent("s.tar").path
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            self.bytes = bytes
            shard = try #require(InputShards.find(patterns: [path], manifestDirectory: "/").first)
        }

        func remove() throws { try FileManager.default.removeItem(at: folder) }
    }

    private func read(
        _ written: Written, chunk: Int = 0, offset: Int64 = 0, committed: Set<Int> = []
    ) throws -> (keys: [String], ranges: [ChunkRange]) {
        let source = try ShardSource(
            shard: written.shard, chunk: chunk, chunkSize: 4, offset: offset, committed: committed.contains)
        var keys: [String] = []
        var ranges: [ChunkRange] = []
        while let event = try source.next() {
            switch event {
            case .sample(let sample): keys.append(sample.key)
            case .chunkEnded(let range): ranges.append(range)
            }
        }
        return (keys, ranges)
    }

    @Test("Chunks touch, cover the samples and carry the hash of their bytes", arguments: [1, 4, 7, 8, 9])
    func chunks(count: Int) throws {
        let written = try Written(count)
        let (keys, ranges) = try read(written)
        #expect(keys == (0..<count).map(String.init))
        #expect(ranges.map(\.chunk) == Array(0..<((count + 3) / 4)))
        #expect(ranges.map(\.isLast) == ranges.indices.map { $0 == ranges.count - 1 })
        #expect(ranges.map(\.samples).reduce(0, +) == count)
        var start: Int64 = 0
        for range in ranges {
            #expect(range.start == start)
            let bytes = Array(written.bytes[Int(range.start)..<Int(range.end)])
            #expect(range.hash == XXH64Hasher.hash(of: bytes))
            start = range.end
        }
        try written.remove()
    }

    @Test("From a later chunk's offset come the same chunks as from the start")
    func resuming() throws {
        let written = try Written(11)
        let whole = try read(written)
        let tail = try read(written, chunk: 1, offset: whole.ranges[0].end)
        #expect(tail.keys == Array(whole.keys[4...]))
        #expect(tail.ranges == Array(whole.ranges[1...]))
        try written.remove()
    }

    @Test("Committed chunks are read past, the last one too")
    func committed() throws {
        let written = try Written(11)
        let whole = try read(written)
        let some = try read(written, committed: [1])
        #expect(some.ranges == [whole.ranges[0], whole.ranges[2]])
        #expect(try read(written, committed: [2]).ranges == Array(whole.ranges[..<2]))
        try written.remove()
    }

    @Test("An empty shard has one empty last chunk")
    func empty() throws {
        let written = try Written(0)
        let (keys, ranges) = try read(written)
        #expect(keys.isEmpty)
        #expect(ranges.count == 1 && ranges[0].isLast && ranges[0].samples == 0)
        try written.remove()
    }

    @Test("A truncated shard gives the samples before the damage, then the error")
    func truncated() throws {
        let written = try Written(11)
        let path = written.shard.location
        try Data(written.bytes[..<(written.bytes.count / 2)]).write(to: URL(fileURLWithPath: path))
        let shard = try #require(InputShards.find(patterns: [path], manifestDirectory: "/").first)
        let source = try ShardSource(
            shard: shard, chunk: 0, chunkSize: 4, offset: 0, committed: { _ in false })
        var samples = 0
        #expect(throws: DatasetError.self) {
            while let event = try source.next() {
                if case .sample = event { samples += 1 }
            }
        }
        #expect(samples > 3)
        try written.remove()
    }

    @Test("A shard that changed since the run began is refused")
    func changed() throws {
        let written = try Written(3)
        try Data(written.bytes + [0]).write(to: URL(fileURLWithPath: written.shard.location))
        #expect(throws: WorkerError.self) {
            _ = try ShardSource(
                shard: written.shard, chunk: 0, chunkSize: 4, offset: 0, committed: { _ in false })
        }
        try written.remove()
    }
}
