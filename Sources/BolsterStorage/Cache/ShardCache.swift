import BolsterDataset
import Glibc
import Synchronization

/// A node's copies of remote shards, shared by all its processes, so that several stages fetch a shard once.
///
///     the first reader, from byte 0             readers meanwhile      readers later
///     server ─► `ShardFetch` ─► x.part ─► it    x.part, as it grows    x.shard, checked
///                                 └── whole: x.sums, then renamed to x.shard
///
/// The cache decides nothing but speed: where it is full, unwritable or damaged, the shard is read from where
/// it lies, from the byte that was reached. Locks (`flock`) end with their process, so that a killed one
/// leaves nothing that is waited for: its part is removed by the next that fetches.
///
/// Invariants
/// 1. `x.shard` is whole. Its bytes are handed out only after their block's hash was found right.
/// 2. Copies and parts together take at most `bytesMax`, counted in full from a fetch's beginning.
/// 3. What is being read is never removed; of the others the one that was opened longest ago goes first.
/// 4. What has no version cannot be told from what it was, and local files are near: neither is kept.
package final class ShardCache: Sendable {
    typealias Origin = @Sendable (String) throws(StorageError) -> RemoteObject

    package let bytesMax: Int64
    let folder: String
    let run: String
    private let origin: Origin
    private let trouble: @Sendable (StorageError) -> Void
    private let isTold = Mutex(false)

    /// - Parameters:
    ///   - root: the node's cache; shards lie in its folder "shards".
    ///   - bytesMax: 0 keeps nothing.
    ///   - run: tells whose shards' indices are meant by `shards()`.
    ///   - trouble: hears once why nothing can be kept, and of every copy that is found damaged.
    package convenience init(
        root: String, bytesMax: Int64, run: String, trouble: @escaping @Sendable (StorageError) -> Void
    ) {
        self.init(root: root, bytesMax: bytesMax, run: run, origin: RemoteObject.open, trouble: trouble)
    }

    init(
        root: String, bytesMax: Int64, run: String, origin: @escaping Origin,
        trouble: @escaping @Sendable (StorageError) -> Void
    ) {
        folder = Folder.join(root, "shards")
        self.bytesMax = bytesMax
        self.run = run
        self.origin = origin
        self.trouble = trouble
    }

    /// Whether copies are kept of what lies at a location.
    package static func keeps(_ location: String) -> Bool {
        location.hasPrefix(S3Location.scheme) || WebServer.isURL(location)
    }

    /// The bytes of a shard from an offset, out of the cache or on their way into it; nil where they are to
    /// be read from where they lie. A unit that begins in the middle starts no fetch: the chunks before it
    /// may never be wanted on this node.
    func source(of shard: Shard, at offset: Int64) throws(StorageError) -> (any ByteSource)? {
        guard bytesMax > 0, Self.keeps(shard.location), !shard.identity.version.isEmpty,
            (0...shard.identity.size).contains(offset)
        else { return nil }
        let copy = ShardCopy(of: shard, in: folder)
        do {
            if let source = try present(copy, at: offset) { return source }
        } catch {
            tell(error)
            return nil
        }
        guard offset == 0, shard.identity.size <= bytesMax else { return nil }
        let object = try origin(shard.location)
        // Another version's error is for who reads it.
        guard object.identity == shard.identity else { return nil }
        do {
            return try begin(copy, shard: shard.index, object)
        } catch {
            tell(error)
            return nil
        }
    }

    /// Indices in this run of the shards that are here, whole or on their way; the one opened last first.
    package func shards() -> [Int] {
        do {
            guard bytesMax > 0 else { return [] }
            var found: [(shard: Int, opened: timespec)] = []
            for name in try Folder.names(in: folder) where name.hasSuffix(ShardCopy.sumsEnding) {
                let stem = name.dropLast(ShardCopy.sumsEnding.count)
                guard let status = Self.status(of: "\(folder)/\(stem)\(ShardCopy.shardEnding)") else {
                    continue
                }
                let json = try LocalStore(root: folder).read("\(folder)/\(name)", range: nil)
                guard let sums = ShardCopy.Sums(json: json), sums.run == run else { continue }
                found.append((sums.shard, status.st_mtim))
            }
            return found.sorted { Self.isOlder($1.opened, $0.opened) }.map(\.shard)
        } catch {
            // No folder yet, or a copy that went meanwhile.
            return []
        }
    }

    /// Bytes of the copies and parts in a cache, of whatever run; 0 where there is none yet.
    package static func bytesKept(in root: String) -> Int64 {
        let folder = Folder.join(root, "shards")
        do {
            return try Folder.names(in: folder).reduce(0) { bytes, name in
                bytes + (status(of: "\(folder)/\(name)").map { Int64($0.st_size) } ?? 0)
            }
        } catch {
            return 0
        }
    }

    // MARK: Copies that are here

    /// A reader of what is here or being fetched; nil where nothing is.
    private func present(_ copy: ShardCopy, at offset: Int64) throws(StorageError) -> (any ByteSource)? {
        if let source = try kept(copy, at: offset) { return source }
        guard Self.status(of: copy.part) != nil else { return nil }
        let file: FileHandle
        do {
            file = try FileHandle(opening: copy.part, O_RDONLY, doing: "open the copy")
        } catch  where error.code == .notFound {
            // It was renamed or given up in this moment.
            return try kept(copy, at: offset)
        }
        // Nobody writes it: it is whole by now, or was left by a process that died.
        if file.lock(.shared) { return try kept(copy, at: offset) }
        guard try Int64(file.status().st_size) >= offset else { return nil }
        return FollowingSource(consume file, copy, at: offset, fetch: nil, resume: resume(copy))
    }

    private func kept(_ copy: ShardCopy, at offset: Int64) throws(StorageError) -> (any ByteSource)? {
        let file: FileHandle
        do {
            file = try FileHandle(opening: copy.path, O_RDONLY, doing: "open the copy")
        } catch  where error.code == .notFound {
            return nil
        }
        // Who has the exclusive lock is about to remove it.
        guard file.lock(.shared) else { return nil }
        let status = try file.status()
        guard status.st_nlink > 0 else { return nil }
        guard Int64(status.st_size) == copy.identity.size, let sums = try copy.readSums() else {
            discard(copy)
            return nil
        }
        file.touch()
        return KeptSource(
            consume file, sums: sums, at: offset, resume: resume(copy), damaged: { [self] in discard(copy) })
    }

    /// Removes a copy that is not what it should be, and says so.
    private func discard(_ copy: ShardCopy) {
        unlink(copy.path)
        unlink(copy.sums)
        trouble(
            StorageError(
                .damaged, path: copy.path,
                "this copy of \(copy.location) is damaged and removed; it is fetched again. If that happens "
                    + "often, the disk under the cache is failing"))
    }

    /// Opens the shard where it lies, for who cannot go on with the copy.
    private func resume(_ copy: ShardCopy) -> @Sendable (Int64) throws(StorageError) -> any ByteSource {
        { [origin] offset throws(StorageError) in
            let object = try origin(copy.location)
            guard object.identity == copy.identity else {
                throw StorageError(
                    .changed, path: object.url, "was changed while it was read; put the old one back")
            }
            return RemoteReader(object, at: offset)
        }
    }

    // MARK: Fetching

    /// Starts to fetch; nil where there is no room, as what is here is in use.
    private func begin(
        _ copy: ShardCopy, shard: Int, _ object: RemoteObject
    ) throws(StorageError) -> (any ByteSource)? {
        try Folder.make(folder)
        let lock = try ShardFolder.lock(folder)
        defer { lock.unlock() }
        // Another may have begun while this one waited.
        if let source = try present(copy, at: 0) { return source }
        // What a killed process has left, perhaps with readers that go on elsewhere.
        unlink(copy.part)
        guard try ShardFolder(folder).makeRoom(for: copy.identity.size, in: bytesMax) else { return nil }
        let part = try FileHandle(opening: copy.part, O_RDWR | O_CREAT | O_EXCL, doing: "create the copy")
        do {
            // One that looks whether the file is left over may have the lock just now.
            guard part.lock(.exclusive) else {
                unlink(copy.part)
                return nil
            }
            try part.checkRoom(for: copy.identity.size)
            let reading = try FileHandle(opening: copy.part, O_RDONLY, doing: "open the copy")
            let fetch = ShardFetch(
                object, into: consume part, copy, run: run, shard: shard,
                failed: { [self] error in tell(error) })
            fetch.start()
            return FollowingSource(consume reading, copy, at: 0, fetch: fetch, resume: resume(copy))
        } catch {
            unlink(copy.part)
            throw error
        }
    }

    private func tell(_ error: StorageError) {
        let isFirst = isTold.withLock { isTold in
            defer { isTold = true }
            return !isTold
        }
        if isFirst { trouble(error) }
    }

    static func status(of path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    static func isOlder(_ one: timespec, _ other: timespec) -> Bool {
        (one.tv_sec, one.tv_nsec) < (other.tv_sec, other.tv_nsec)
    }
}
