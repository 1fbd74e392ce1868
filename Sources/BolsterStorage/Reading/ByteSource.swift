import BolsterCompression
import BolsterDataset
import Glibc

/// Bytes in order, from a file, a server or a decompressor. Used by one thread.
protocol ByteSource: AnyObject {
    /// Fills the buffer's beginning; the count of bytes, 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int
}

/// A file's bytes from an offset.
final class FileSource: ByteSource {
    let identity: ShardIdentity
    private let file: FileHandle

    init(opening path: String) throws(StorageError) {
        file = try FileHandle(opening: path, O_RDONLY, doing: "open")
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StorageError(.notAFile, path: path, "cannot read: it is no plain file")
        }
        identity = ShardIdentity(status)
        posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    func seek(to offset: Int64) throws(StorageError) {
        guard lseek(file.descriptor, off_t(offset), SEEK_SET) == off_t(offset) else {
            throw StorageError(errno: errno, path: file.path, doing: "go to byte \(offset)")
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        try file.read(into: buffer)
    }
}

/// Decompresses what another source gives.
final class DecompressedSource<Decoder: StreamDecoder & ~Copyable>: ByteSource {
    private var decoder: Decoder
    private let source: any ByteSource
    private let path: String
    private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
    /// Which of the block's bytes are still to be decompressed.
    private var unread = 0..<0

    init(_ decoder: consuming Decoder, of source: any ByteSource, path: String) {
        self.decoder = decoder
        self.source = source
        self.path = path
    }

    deinit { block.deallocate() }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard !buffer.isEmpty else { return 0 }
        while true {
            let produced = try decode(into: buffer)
            if produced > 0 { return produced }
            guard try refill() else { return 0 }
        }
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

    /// False at the source's end, where the stream must have ended too.
    private func refill() throws(StorageError) -> Bool {
        unread = 0..<(try source.read(into: block))
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
