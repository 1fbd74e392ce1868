import BolsterDataset
import BolsterDeterminism
import Foundation

/// The files of one shard's copy in a node's cache. Their name follows from where the shard lies and which
/// version of it is meant, so that a changed shard is another copy.
///
///     <folder>/<digest>-<size>.shard    the whole shard, byte for byte
///     <folder>/<digest>-<size>.sums     `Sums`: there before the shard is
///     <folder>/<digest>-<size>.part     what has been fetched so far, locked by who fetches
struct ShardCopy: Sendable, Equatable {
    /// What is known of a copy, as JSON.
    struct Sums: Codable, Equatable {
        var location: String
        var identity: ShardIdentity
        /// The run that fetched it, and the shard's index there.
        var run: String
        var shard: Int
        var blockBytes: Int
        /// XXH64 of each block, in hexadecimal.
        var blocks: [String]
    }

    static let shardEnding = ".shard"
    static let sumsEnding = ".sums"
    static let partEnding = ".part"
    /// What is checked at once.
    static let blockBytes = 4 << 20

    let folder: String
    let name: String
    let location: String
    let identity: ShardIdentity

    init(of shard: Shard, in folder: String) {
        self.folder = folder
        location = shard.location
        identity = shard.identity
        let what = "\(location)\n\(identity.size)\n\(identity.version)"
        let digest = SHA256Hasher.digest(of: Array(what.utf8)).hex
        name = "\(digest.prefix(32))-\(identity.size)"
    }

    var path: String { "\(folder)/\(name)\(Self.shardEnding)" }
    var sums: String { "\(folder)/\(name)\(Self.sumsEnding)" }
    var part: String { "\(folder)/\(name)\(Self.partEnding)" }

    /// The size that a file's name states; nil for what is no copy's.
    static func size(inName name: String) -> Int64? {
        guard let dot = name.lastIndex(of: "."), let dash = name[..<dot].lastIndex(of: "-")
        else { return nil }
        return Int64(name[name.index(after: dash)..<dot])
    }

    /// Nil where the file is missing, damaged or another shard's.
    func readSums() throws(StorageError) -> Sums? {
        let bytes: [UInt8]
        do {
            bytes = try LocalStore(root: folder).read(sums, range: nil)
        } catch  where error.code == .notFound {
            return nil
        }
        guard let found = Sums(json: bytes), found.location == location, found.identity == identity,
            found.blockBytes == Self.blockBytes, found.blocks.count == Self.blockCount(of: identity.size)
        else { return nil }
        return found
    }

    static func blockCount(of size: Int64) -> Int { Int((size + Int64(blockBytes) - 1) / Int64(blockBytes)) }
}

extension ShardCopy.Sums {
    /// Nil for what is none: a torn or damaged file.
    init?(json bytes: [UInt8]) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(bytes))
        } catch {
            return nil
        }
    }

    func json() throws(StorageError) -> [UInt8] {
        do {
            return [UInt8](try JSONEncoder().encode(self))
        } catch {
            throw StorageError(.failed, path: location, "cannot be described in JSON: \(error)")
        }
    }
}
