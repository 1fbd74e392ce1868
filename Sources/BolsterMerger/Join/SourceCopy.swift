import BolsterDataset
import BolsterStorage
import Foundation
import Synchronization

/// A shard as a plain tar that can be read at any place. One that is compressed, in a bucket or on a web
/// server is unpacked into a temporary file, which goes with this object; any other is read where it lies.
final class SourceCopy: Sendable {
    let path: String
    /// Why the copy ends before the shard does.
    let damage: String?
    private let isTemporary: Bool

    /// - Parameter folder: where copies go.
    init(of shard: Shard, in folder: String) throws(MergerError) {
        if shard.location.hasPrefix("/"), shard.location.hasSuffix(".tar") {
            path = shard.location
            damage = nil
            isTemporary = false
            return
        }
        let name = "bolster-join-\(UUID().uuidString).tar"
        do throws(StorageError) {
            damage = try Self.unpack(shard, ObjectStore(root: folder), name)
        } catch {
            throw MergerError(
                .storage, "cannot copy a source shard into \(folder): --scratch names another folder",
                evidence: [shard.location], cause: error)
        }
        path = "\(folder)/\(name)"
        isTemporary = true
    }

    deinit {
        if isTemporary { unlink(path) }
    }

    /// Returns what ended the reading before the shard's end, nil where nothing did.
    private static func unpack(
        _ shard: Shard, _ folder: ObjectStore, _ name: String
    ) throws(StorageError) -> String? {
        var damage: String?
        var writer = try folder.writer(name)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var reader = try ByteReader(opening: shard.location)
        while damage == nil {
            var count = 0
            do throws(StorageError) {
                count = try reader.read(into: buffer)
            } catch {
                guard error.code == .damaged else { throw error }
                damage = "\(error)"
            }
            if count == 0 { break }
            try writer.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        try writer.commit(durably: false)
        return damage
    }
}

/// The copies of source shards that are wanted, each made once.
final class SourceCopies: Sendable {
    private let shards: [Shard]
    private let folder: String
    private let copies = Mutex<[Int: SourceCopy]>([:])

    init(_ shards: [Shard], in folder: String) {
        self.shards = shards
        self.folder = folder
    }

    /// The copy of the shard at a position; it stays until `release`.
    func copy(of number: Int) throws(MergerError) -> SourceCopy {
        if let copy = copies.withLock({ $0[number] }) { return copy }
        // No two threads ask for the same shard before it is there: each is indexed by one of them.
        let copy = try SourceCopy(of: shards[number], in: folder)
        copies.withLock { $0[number] = copy }
        return copy
    }

    func release(_ number: Int) { copies.withLock { $0[number] = nil } }

    func releaseAll() { copies.withLock { $0 = [:] } }
}
