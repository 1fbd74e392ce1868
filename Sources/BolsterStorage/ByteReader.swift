import BolsterDataset
import Glibc

/// Reads one shard from an offset to its end, in order.
package struct ByteReader: ~Copyable {
    /// What the shard was when it was opened: to be compared with the identity that the ledger has frozen.
    package let identity: ShardIdentity
    private let file: FileHandle

    /// Opens a file's path at a byte of its content. An offset behind its end is an error: the shard is not
    /// the one that it was.
    package init(opening location: String, at offset: Int64 = 0) throws(StorageError) {
        let file = try FileHandle(opening: location, O_RDONLY, doing: "open the shard")
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError(.notAFile, path: location, "cannot read: it is no plain file")
        }
        let identity = ShardIdentity(status)
        guard offset >= 0, offset <= identity.size else {
            throw StorageError(
                .changed, path: location,
                "cannot go on from byte \(offset): the shard has \(identity.size). It was changed or truncated "
                    + "since the run began; put the old one back")
        }
        guard lseek(file.descriptor, off_t(offset), SEEK_SET) == off_t(offset) else {
            throw StorageError(errno: errno, path: location, doing: "go to byte \(offset)")
        }
        posix_fadvise(file.descriptor, off_t(offset), 0, POSIX_FADV_SEQUENTIAL)
        self.identity = identity
        self.file = file
    }

    /// Fills the buffer's beginning; the count of bytes, 0 at the end.
    package mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try file.read(into: buffer)
    }
}

extension ShardIdentity {
    init(_ status: stat) {
        let time = status.st_mtim
        self.init(
            size: Int64(status.st_size), version: String(Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)))
    }
}
