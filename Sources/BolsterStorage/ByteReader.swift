import BolsterCompression
import BolsterDataset
import Glibc

/// Reads one shard from an offset to its end, in order. A shard whose name ends in ".gz" is decompressed on
/// the way, and its offsets are those of its content: since gzip cannot be sought, what lies before is read
/// and thrown away.
package struct ByteReader: ~Copyable {
    /// What the shard was when it was opened: to be compared with the identity that the ledger has frozen.
    /// Its size is that of the file, compressed or not.
    package let identity: ShardIdentity
    private let file: FileHandle
    /// Nil for a plain file.
    private let decoding: Decoding?

    /// Opens a file's path at a byte of its content. An offset behind its end is an error: the shard is not
    /// the one that it was.
    package init(opening location: String, at offset: Int64 = 0) throws(StorageError) {
        precondition(offset >= 0, "a shard begins at 0")
        let file = try FileHandle(opening: location, O_RDONLY, doing: "open the shard")
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError(.notAFile, path: location, "cannot read: it is no plain file")
        }
        let identity = ShardIdentity(status)
        posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        var decoding: Decoding?
        if location.hasSuffix(".gz") {
            let gzip = Decoding(path: location)
            let size = try gzip.skip(offset, of: file)
            guard size == offset else { throw Self.changed(location, offset, size: size) }
            decoding = gzip
        } else {
            guard offset <= identity.size else {
                throw Self.changed(location, offset, size: identity.size)
            }
            guard lseek(file.descriptor, off_t(offset), SEEK_SET) == off_t(offset) else {
                throw StorageError(errno: errno, path: location, doing: "go to byte \(offset)")
            }
        }
        self.identity = identity
        self.decoding = decoding
        self.file = file
    }

    /// Fills the buffer's beginning; the count of bytes, 0 at the end. Damage is thrown where it shows,
    /// behind all bytes before it.
    package mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard let decoding else { return try file.read(into: buffer) }
        return try decoding.read(file, into: buffer)
    }

    private static func changed(_ path: String, _ offset: Int64, size: Int64) -> StorageError {
        StorageError(
            .changed, path: path,
            "cannot go on from byte \(offset): the shard has \(size). It was changed or truncated since the "
                + "run began; put the old one back")
    }
}

/// The compressed bytes at hand and what decompresses them. A class, for an optional noncopyable value cannot
/// be changed in place by today's compiler; it never leaves its reader.
private final class Decoding {
    private var decoder = GzipDecoder()
    private let path: String
    private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
    /// Which of the block's bytes are still to be decompressed.
    private var unread = 0..<0

    init(path: String) { self.path = path }

    deinit { block.deallocate() }

    /// Decompresses into the buffer's beginning; the count of bytes, 0 at the end.
    func read(
        _ file: borrowing FileHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StorageError) -> Int {
        guard !buffer.isEmpty else { return 0 }
        while true {
            let produced = try decode(into: buffer)
            if produced > 0 { return produced }
            guard try refill(from: file) else { return 0 }
        }
    }

    /// Throws away what lies before an offset; the count of bytes, less than asked for where the end comes
    /// first.
    func skip(_ offset: Int64, of file: borrowing FileHandle) throws(StorageError) -> Int64 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        var skipped: Int64 = 0
        while skipped < offset {
            let count = min(offset - skipped, Int64(buffer.count))
            let produced = try read(
                file, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(count)]))
            if produced == 0 { break }
            skipped += Int64(produced)
        }
        return skipped
    }

    /// The count of bytes put out; 0 where the block is used up.
    private func decode(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        do {
            let step = try decoder.decode(UnsafeRawBufferPointer(rebasing: block[unread]), into: buffer)
            unread = (unread.lowerBound + step.consumed)..<unread.upperBound
            return step.produced
        } catch {
            throw StorageError(.damaged, path: path, error.description)
        }
    }

    /// False at the file's end, where the stream must have ended too.
    private func refill(from file: borrowing FileHandle) throws(StorageError) -> Bool {
        unread = 0..<(try file.read(into: block))
        guard unread.isEmpty else { return true }
        do {
            try decoder.finish()
        } catch {
            throw StorageError(.damaged, path: path, error.description)
        }
        return false
    }
}

extension ShardIdentity {
    init(_ status: stat) {
        let time = status.st_mtim
        self.init(
            size: Int64(status.st_size),
            version: String(Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)))
    }
}
