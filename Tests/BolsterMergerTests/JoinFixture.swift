import BolsterDataset
import BolsterRecords
import BolsterStorage
import Foundation

@testable import BolsterMerger

/// A published set without images and the shards that have them, made by hand.
final class JoinFixture {
    typealias Files = [(name: String, bytes: [UInt8])]

    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("join-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            print("could not remove \(folder.path): \(error)")
        }
    }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// What the published set has of a sample.
    static func reinforcement(_ index: Int, key: String? = nil) -> Files {
        let key = key ?? "k\(1000 + index)"
        let parameters = "\"[[[0, 1, 20, \(30 + index)], [[4, 0.5], [1, 0.25]]]]\""
        return [
            ("\(key).url.txt", Array("http://example.org/\(index)".utf8)),
            ("\(key).syn.json", Array(#"{"syn_text": ["caption \#(index)"]}"#.utf8)),
            ("\(key).paug.json", Array("{\"param_aug\": \(parameters)}".utf8)),
            ("\(key).pth.gz", (0..<(700 + index)).map { UInt8(($0 * 7 + index) & 255) }),
            ("\(key).json", Array(#"{"uid": "u\#(index)", "sha256": "r\#(index)"}"#.utf8)),
        ]
    }

    static func source(_ index: Int, key: String? = nil) -> Files {
        let key = key ?? "k\(1000 + index)"
        return [
            ("\(key).jpg", [0xFF, 0xD8, 0xFF] + Array(repeating: UInt8(index & 255), count: 2000 + index)),
            ("\(key).json", Array(#"{"uid": "u\#(index)", "sha256": "s\#(index)"}"#.utf8)),
            ("\(key).txt", Array("text \(index)".utf8)),
        ]
    }

    @discardableResult
    func write(_ name: String, _ samples: [Files], change: (inout [UInt8]) -> Void = { _ in }) throws -> Shard
    {
        var writer = TarWriter()
        var bytes: [UInt8] = []
        for file in samples.flatMap({ $0 }) { writer.append(name: file.name, bytes: file.bytes, to: &bytes) }
        writer.finish(to: &bytes)
        change(&bytes)
        let url = folder.appendingPathComponent("\(name).tar")
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
        return Shard(
            index: 0, name: Shard.name(ofLocation: url.path), location: url.path,
            identity: ShardIdentity(size: Int64(bytes.count), version: "1"))
    }

    func configuration(
        _ reinforcements: [Shard], _ sources: [Shard], output: String = "out",
        naming: JoinConfiguration.Naming = .key
    ) -> JoinConfiguration {
        JoinConfiguration(
            reinforcements: reinforcements, sources: sources, output: path(output), naming: naming)
    }

    func samples(of tar: String) throws -> [Sample] {
        var reader = TarSampleReader(shard: tar)
        reader.append([UInt8](try Data(contentsOf: folder.appendingPathComponent(tar))))
        reader.finish()
        var samples: [Sample] = []
        while let sample = try reader.next() { samples.append(sample) }
        return samples
    }

    /// Every file of a folder.
    func contents(_ name: String) throws -> [String: [UInt8]] {
        let store = ObjectStore(root: path(name))
        var contents: [String: [UInt8]] = [:]
        for name in try store.list(prefix: "") { contents[name] = try store.read(name) }
        return contents
    }
}
