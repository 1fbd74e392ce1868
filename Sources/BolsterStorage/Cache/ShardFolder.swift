import Glibc

/// The files of a node's shard cache, looked at and thinned out under the folder's lock.
struct ShardFolder {
    private let folder: String

    /// For who holds `lock(folder)`.
    init(_ folder: String) { self.folder = folder }

    /// Waits for the others that begin or end a fetch; they take no longer than a few files' names.
    static func lock(_ folder: String) throws(StorageError) -> FileHandle {
        let file = try FileHandle(opening: "\(folder)/.lock", O_RDWR | O_CREAT, doing: "lock the cache")
        try file.waitForLock()
        return file
    }

    private struct Kept {
        var stem: String
        var size: Int64
        var opened: timespec
    }

    /// Removes the copies that were opened longest ago until `size` more bytes fit; false where they cannot,
    /// as what is left is in use.
    func makeRoom(for size: Int64, in bytesMax: Int64) throws(StorageError) -> Bool {
        var (copies, taken) = try survey()
        taken += size
        copies.sort { ShardCache.isOlder($0.opened, $1.opened) }
        for copy in copies where taken > bytesMax {
            if try remove(copy.stem) { taken -= copy.size }
        }
        return taken <= bytesMax
    }

    /// The whole copies, and the bytes of all there is. What nobody will finish goes.
    private func survey() throws(StorageError) -> (copies: [Kept], bytes: Int64) {
        let names = try Folder.names(in: folder)
        let all = Set(names)
        var copies: [Kept] = []
        var bytes: Int64 = 0
        for name in names {
            if name.hasSuffix(ShardCopy.shardEnding) {
                guard let status = ShardCache.status(of: "\(folder)/\(name)") else { continue }
                let stem = String(name.dropLast(ShardCopy.shardEnding.count))
                copies.append(Kept(stem: stem, size: Int64(status.st_size), opened: status.st_mtim))
                bytes += Int64(status.st_size)
            } else if name.hasSuffix(ShardCopy.partEnding) {
                bytes += try removeIfUnused(name) ? 0 : ShardCopy.size(inName: name) ?? 0
            } else if AtomicFileWriter.isTemporary(name)
                || name.hasSuffix(ShardCopy.sumsEnding)
                    && !all.contains(name.dropLast(ShardCopy.sumsEnding.count) + ShardCopy.shardEnding)
            {
                // Both are written under the folder's lock, so that nobody is at it now.
                unlink("\(folder)/\(name)")
            }
        }
        return (copies, bytes)
    }

    private func remove(_ stem: String) throws(StorageError) -> Bool {
        guard try removeIfUnused(stem + ShardCopy.shardEnding) else { return false }
        unlink("\(folder)/\(stem)\(ShardCopy.sumsEnding)")
        return true
    }

    /// False where somebody reads or writes it.
    private func removeIfUnused(_ name: String) throws(StorageError) -> Bool {
        let path = "\(folder)/\(name)"
        do {
            let file = try FileHandle(opening: path, O_RDONLY, doing: "open the copy")
            guard file.lock(.exclusive) else { return false }
            unlink(path)
        } catch {
            guard error.code == .notFound else { throw error }
        }
        return true
    }
}
