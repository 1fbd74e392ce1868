import BolsterInference
import BolsterLeasing
import BolsterStorage
import Foundation
import Logging
import Testing

@testable import BolsterWorker

@Suite struct NodeStorageTests {
    private let folder = NSTemporaryDirectory() + "bolster-\(UUID().uuidString)"

    private func configuration(_ change: (inout WorkerConfiguration) -> Void = { _ in })
        -> WorkerConfiguration
    {
        var configuration = WorkerConfiguration(
            endpoint: "", security: nil, name: "w", host: "h", device: .cpu, threads: 1, parent: nil,
            giveUpAfter: .zero, program: "", log: Logger(label: "test"))
        configuration.cache = folder
        change(&configuration)
        return configuration
    }

    private func node(_ output: String, _ configuration: WorkerConfiguration) -> NodeStorage {
        NodeStorage(configuration, output: ObjectStore(root: output), log: Logger(label: "test"))
    }

    @Test("Record files of a folder need no spool, those of a bucket have one unless it is forbidden")
    func spool() {
        #expect(node("/out", configuration()).spool == nil)
        #expect(node("s3://bucket/out", configuration()).spool != nil)
        #expect(node("s3://bucket/out", configuration { $0.spoolBytes = 0 }).spool == nil)
    }

    @Test(
        "A cache of no bytes is none; without a word it has part of the disk's room, in a folder to be made")
    func shards() throws {
        #expect(node("/out", configuration { $0.cacheShards = 0 }).shards == nil)
        #expect(node("/out", configuration { $0.cacheShards = 5 }).shards?.bytesMax == 5)
        let preset = try #require(node("/out", configuration()).shards?.bytesMax)
        #expect(preset > 0 && preset <= NodeStorage.shardBytesPresetMax)
        #expect(!FileManager.default.fileExists(atPath: folder))
    }

    @Test("Only units that read a remote shard are kept")
    func units() {
        let node = node("/out", configuration())
        func grant(_ location: String) -> Grant {
            Grant(
                ask: 1, unit: UnitID(stage: "views", shard: 0),
                shard: ShardReference(index: 0, name: "s", location: location, size: 1, version: "v"),
                fingerprint: .init(hex: String(repeating: "0", count: 64))!,
                epoch: Epoch(generation: 1, grant: 1))
        }
        #expect(node.mayKeep(grant("s3://bucket/a.tar")) && node.mayKeep(grant("https://host/a.tar")))
        #expect(!node.mayKeep(grant("/a.tar")))
    }
}
