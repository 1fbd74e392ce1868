import BolsterDataset
import BolsterOracles
import Foundation
import Synchronization
import Testing

@testable import BolsterStorage

@Suite("A node's cache of remote shards", .enabled(if: S3Server.isAvailable))
struct ShardCacheTests {
    private let s3: S3Server
    private let client: S3Client
    private let disk: ScratchFolder
    private let troubles = Told()
    /// Two blocks of a copy and a piece, of which no two are equal.
    private static let content: [UInt8] = {
        let pattern = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        var content: [UInt8] = []
        while content.count < 2 * ShardCopy.blockBytes + 70_000 { content += pattern }
        return Array(content[..<(2 * ShardCopy.blockBytes + 70_000)])
    }()

    private final class Told: Sendable {
        let errors = Mutex<[StorageError]>([])
        var codes: [StorageError.Code] { errors.withLock { $0.map(\.code) } }
    }

    init() throws {
        s3 = try S3Server.shared.get()
        client = try s3.client()
        disk = try ScratchFolder()
    }

    private var folder: String { disk.path + "/shards" }

    private func cache(_ bytesMax: Int64 = 1 << 30, root: String? = nil) -> ShardCache {
        let (client, troubles) = (client, troubles)
        return ShardCache(
            root: root ?? disk.path, bytesMax: bytesMax, run: "a run",
            origin: { location throws(StorageError) in
                try RemoteObject.open(try S3Location(location), client)
            },
            trouble: { error in troubles.errors.withLock { $0.append(error) } })
    }

    /// A shard in the bucket, under a name of its own.
    private func shard(
        _ content: [UInt8] = content, index: Int = 0, ending: String = "tar"
    ) throws -> Shard {
        let place = S3Location(bucket: "bucket", key: "cached/\(UUID().uuidString).\(ending)")
        try client.put(place, content)
        let facts = try #require(try client.facts(place))
        return Shard(
            index: index, name: Shard.name(ofLocation: place.url), location: place.url,
            identity: ShardIdentity(size: facts.size, version: facts.etag))
    }

    private static func read(_ source: any ByteSource, upTo countMax: Int = .max) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 20)
        while bytes.count < countMax {
            let count = try block.withUnsafeMutableBytes { try source.read(into: $0) }
            if count == 0 { break }
            bytes += block[..<count]
        }
        return bytes
    }

    private func read(_ shard: Shard, through cache: ShardCache, at offset: Int64 = 0) throws -> [UInt8] {
        try Self.read(#require(try cache.source(of: shard, at: offset)))
    }

    private func fetches(of shard: Shard) throws -> Int {
        try s3.log(shard.name).count { $0.method == "GET" }
    }

    /// Requests that bring the shard once: one for each of a reader's blocks.
    private static let once = 3

    /// The fetch has named its copy; its thread does so after its last byte was read.
    private func settle(_ shard: Shard) throws {
        let copy = ShardCopy(of: shard, in: folder)
        while FileManager.default.fileExists(atPath: copy.part) { usleep(1000) }
    }

    @Test("Two stages fetch a shard once, from any offset, and the second asks the server nothing")
    func once() throws {
        let shard = try shard()
        #expect(try read(shard, through: cache()) == Self.content)
        try settle(shard)
        let requests = try s3.log(shard.name).count
        for offset in [0, 1, ShardCopy.blockBytes, ShardCopy.blockBytes + 77, Self.content.count] {
            #expect(try read(shard, through: cache(), at: Int64(offset)) == Array(Self.content[offset...]))
        }
        #expect(try s3.log(shard.name).count == requests)
        #expect(try fetches(of: shard) == Self.once)
        #expect(troubles.codes.isEmpty)
    }

    @Test("Of several readers at a time one fetches, and the others read along")
    func several() throws {
        let shard = try shard()
        try s3.arm(.init(method: "GET", match: shard.name, kind: "late", times: 1, after: 300))
        let first = try #require(try cache().source(of: shard, at: 0))
        let results = Mutex<[[UInt8]]>([])
        // Each cache is what a process of its own has: locks are between open files, not processes.
        let sources = try (0..<3).map { _ in try #require(try cache().source(of: shard, at: 0)) }
        nonisolated(unsafe) let readers = sources + [first]
        DispatchQueue.concurrentPerform(iterations: readers.count) { index in
            do {
                let bytes = try Self.read(readers[index])
                results.withLock { $0.append(bytes) }
            } catch {
                Issue.record(error)
            }
        }
        #expect(results.withLock { $0 } == Array(repeating: Self.content, count: 4))
        #expect(try fetches(of: shard) == Self.once)
    }

    @Test("A flipped bit of a copy is noticed, the right bytes are read on, and it is fetched again")
    func damaged() throws {
        let shard = try shard()
        #expect(try read(shard, through: cache()) == Self.content)
        try settle(shard)
        let copy = ShardCopy(of: shard, in: folder)
        let place = ShardCopy.blockBytes + 1000
        let descriptor = open(copy.path, O_WRONLY)
        var wrong = Self.content[place] ^ 4
        #expect(pwrite(descriptor, &wrong, 1, off_t(place)) == 1)
        close(descriptor)

        #expect(try read(shard, through: cache()) == Self.content)
        #expect(troubles.codes == [.damaged])
        #expect(!FileManager.default.fileExists(atPath: copy.path))
        #expect(try read(shard, through: cache()) == Self.content)
        try settle(shard)
        #expect(FileManager.default.fileExists(atPath: copy.path))
        // The first time, the damaged block and what follows it, and again.
        #expect(try fetches(of: shard) == Self.once + 2 + Self.once)
    }

    @Test("A copy that was cut short, or whose sums are gone, is fetched again", arguments: [true, false])
    func cut(isShort: Bool) throws {
        let shard = try shard()
        #expect(try read(shard, through: cache()) == Self.content)
        try settle(shard)
        let copy = ShardCopy(of: shard, in: folder)
        if isShort { truncate(copy.path, 5_000_000) } else { truncate(copy.sums, 100) }
        #expect(try read(shard, through: cache()) == Self.content)
        #expect(troubles.codes == [.damaged])
        #expect(try fetches(of: shard) == 2 * Self.once)
    }

    @Test("What was opened longest ago goes first, what is being read never")
    func eviction() throws {
        let shards = try (0..<4).map { try shard(Array(Self.content[..<100_000]), index: $0) }
        let cache = cache(300_000)
        for shard in shards[..<3] {
            #expect(try read(shard, through: cache).count == 100_000)
            try settle(shard)
        }
        #expect(cache.shards() == [2, 1, 0])
        // The oldest is opened again, and the next one is in use.
        #expect(try read(shards[0], through: cache).count == 100_000)
        let inUse = try #require(try cache.source(of: shards[1], at: 0))
        #expect(try read(shards[3], through: cache).count == 100_000)
        try settle(shards[3])
        #expect(cache.shards() == [3, 1, 0])
        #expect(try Self.read(inUse).count == 100_000)
        // Nothing can go, so nothing is kept; the shard is read where it lies.
        let all = try [0, 1, 3].map { try #require(try cache.source(of: shards[$0], at: 0)) }
        #expect(try cache.source(of: shards[2], at: 0) == nil)
        #expect(all.count == 3 && troubles.codes.isEmpty)
        #expect(try disk.names().count { $0.hasSuffix(".shard") } == 3)
    }

    @Test("A fetch whose process died leaves readers that go on elsewhere, and a part that is removed")
    func deadFetch() throws {
        let shard = try shard()
        let copy = ShardCopy(of: shard, in: folder)
        try disk.put("shards/.lock")
        let part = try FileHandle(opening: copy.part, O_RDWR | O_CREAT, doing: "create")
        let isLocked = part.lock(.exclusive)
        #expect(isLocked)
        let beginning = Array(Self.content[..<100_000])
        let written = beginning.withUnsafeBytes { bytes in
            Result { () throws(StorageError) in try part.write(bytes) }
        }
        try written.get()
        let follower = try #require(try cache().source(of: shard, at: 0))
        #expect(try Self.read(follower, upTo: 100_000) == beginning)
        // A follower that starts behind what has come would wait for bytes it does not want.
        #expect(try cache().source(of: shard, at: 100_001) == nil)
        part.unlock()
        #expect(try Self.read(follower) == Array(Self.content[100_000...]))

        try disk.put("shards/.0-1.sums.abc.tmp")
        try disk.put("shards/aa-10.sums")
        try disk.put("shards/bb-10.part")
        #expect(try read(shard, through: cache()) == Self.content)
        try settle(shard)
        let names = try disk.names()
        #expect(names.count == 4, "\(names)")
        #expect(try read(shard, through: cache()) == Self.content)
    }

    @Test("A reader that goes early takes its fetch along")
    func abandoned() throws {
        let shard = try shard()
        try s3.arm(.init(method: "GET", match: shard.name, kind: "late", times: 3, after: 300))
        do {
            let source = try #require(try cache().source(of: shard, at: 0))
            var byte: [UInt8] = [0]
            #expect(try byte.withUnsafeMutableBytes { try source.read(into: $0) } == 1)
        }
        try settle(shard)
        #expect(try disk.names().count { $0.hasSuffix(".shard") || $0.hasSuffix(".part") } == 0)
        #expect(troubles.codes.isEmpty)
    }

    @Test("A shard that changes while it is fetched is an error, and nothing of it is kept")
    func changed() throws {
        let shard = try shard()
        let object = try RemoteObject.open(S3Location(shard.location), client)
        try client.put(S3Location(shard.location), Self.content + [1])
        let cache = ShardCache(
            root: disk.path, bytesMax: 1 << 30, run: "", origin: { _ in object }, trouble: { _ in })
        let error = #expect(throws: StorageError.self) { try read(shard, through: cache) }
        #expect(error?.code == .changed)
        try settle(shard)
        #expect(try disk.names().count { $0.contains(".shard") || $0.contains(".part") } == 0)
        // The ledger's version is gone: who reads it where it lies hears so.
        #expect(try self.cache().source(of: shard, at: 0) == nil)
    }

    @Test("A full disk is told once, and nothing is kept", .enabled(if: TinyDisk.canMount))
    func fullDisk() throws {
        #expect(troubles.codes.isEmpty)
        let tiny = try #require(try TinyDisk(bytes: 1 << 20))
        let cache = cache(root: tiny.path)
        for _ in 0..<2 {
            #expect(try cache.source(of: shard(), at: 0) == nil)
        }
        #expect(troubles.codes == [.full])
        #expect(try FileManager.default.contentsOfDirectory(atPath: tiny.path + "/shards") == [".lock"])
    }

    @Test("A compressed shard is kept as it is, and read at an offset of its content")
    func compressed() throws {
        let gzip = [UInt8](
            try #require(
                Data(base64Encoded: "H4sIAAAAAAACA8tIzcnJVyjPL8pJUeQCALSv1wENAAAA")))
        let shard = try shard(gzip, ending: "tar.gz")
        for _ in 0..<2 {
            var reader = try ByteReader(opening: shard, at: 6, through: cache())
            #expect(String(decoding: try bytes(of: &reader), as: UTF8.self) == "world!\n")
            try settle(shard)
        }
        #expect(try fetches(of: shard) == 1)
    }

    @Test("Local files, shards without a version and a cache of no bytes are left alone")
    func leftAlone() throws {
        var shard = try shard()
        #expect(try cache(0).source(of: shard, at: 0) == nil)
        #expect(try cache(1000).source(of: shard, at: 0) == nil)
        #expect(try cache().source(of: shard, at: 1) == nil)
        shard.identity.version = ""
        #expect(try cache().source(of: shard, at: 0) == nil)
        shard.identity.version = "1"
        shard.location = "/a/b.tar"
        #expect(try cache().source(of: shard, at: 0) == nil)
        #expect(try disk.names().isEmpty)
    }

    private func bytes(of reader: inout ByteReader) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            var count = 0
            let outcome = block.withUnsafeMutableBytes { buffer in
                Result { () throws(StorageError) in try reader.read(into: buffer) }
            }
            count = try outcome.get()
            if count == 0 { return bytes }
            bytes += block[..<count]
        }
    }
}
