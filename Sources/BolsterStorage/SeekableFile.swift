import BolsterDataset
import Glibc

/// A plain file on a mounted file system, read at any offset by any number of threads.
package struct SeekableFile: ~Copyable {
    package let path: String
    /// What the file was when it was opened; its size is in bytes.
    package let identity: ShardIdentity
    private let file: FileHandle

    package init(opening path: String) throws(StorageError) {
        let file = try FileHandle(opening: path, O_RDONLY, doing: "open the shard")
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError(.notAFile, path: path, "cannot read: it is no plain file")
        }
        self.path = path
        identity = ShardIdentity(status)
        self.file = file
    }

    /// Fills the buffer's beginning from an offset; fewer bytes than it holds only where the file ends.
    package borrowing func read(
        at offset: Int64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StorageError) -> Int {
        try file.read(at: offset, into: buffer)
    }

    /// Tells the system that these bytes are wanted soon, so that it reads them ahead.
    package borrowing func prefetch(at offset: Int64, count: Int64) {
        posix_fadvise(file.descriptor, off_t(offset), off_t(count), POSIX_FADV_WILLNEED)
    }
}
