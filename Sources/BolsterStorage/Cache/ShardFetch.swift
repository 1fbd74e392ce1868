import BolsterDeterminism
import Foundation
import Glibc

/// Brings one shard into a node's cache, on a thread of its own: the server sends, the file grows, and who
/// reads it in this process is told. Memory: the reader's blocks and one more.
final class ShardFetch: @unchecked Sendable {
    enum Progress: Equatable {
        /// The file has grown beyond the position.
        case more
        /// It will not grow any more: nil where the shard is to be read from where it lies, else what the
        /// server said.
        case ended(StorageError?)
    }

    // What changes is touched under the condition's lock only, the file and the hashes by the thread only.
    private let changed = NSCondition()
    private var written: Int64 = 0
    private var end: Progress?
    private var isCancelled = false

    private let object: RemoteObject
    private let file: FileHandle
    private let copy: ShardCopy
    private let run: String
    private let shard: Int
    private let failed: @Sendable (StorageError) -> Void

    /// - Parameters:
    ///   - file: new, empty and locked exclusively, at `copy.part`.
    ///   - failed: hears why the copy cannot be kept here.
    init(
        _ object: RemoteObject, into file: consuming FileHandle, _ copy: ShardCopy, run: String, shard: Int,
        failed: @escaping @Sendable (StorageError) -> Void
    ) {
        self.object = object
        self.file = file
        self.copy = copy
        self.run = run
        self.shard = shard
        self.failed = failed
    }

    func start() {
        let thread = Thread { [self] in fetch() }
        thread.name = "shard-keep"
        thread.start()
    }

    /// Nobody waits for it any more: what has come of it is removed, unless it is whole.
    func cancel() { changed.withLock { isCancelled = true } }

    /// Returns when the file has more bytes than `position`, or never will.
    func wait(beyond position: Int64) -> Progress {
        changed.withLock {
            while true {
                if written > position { return .more }
                if let end { return end }
                changed.wait()
            }
        }
    }

    private func fetch() {
        var blocks: [String] = []
        let reader = RemoteReader(object, at: 0)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: ShardCopy.blockBytes, alignment: 4096)
        defer { buffer.deallocate() }
        while true {
            let count: Int
            do throws(StorageError) {
                count = try fill(buffer, from: reader)
            } catch {
                return give(up: error)
            }
            if count == 0 { break }
            if changed.withLock({ isCancelled }) { return give(up: nil) }
            let block = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            do throws(StorageError) {
                try file.write(block)
            } catch {
                failed(error)
                return give(up: nil)
            }
            blocks.append(Hexadecimal.text(of: XXH64Hasher.hash(of: block)))
            changed.withLock {
                written += Int64(count)
                changed.broadcast()
            }
        }
        do throws(StorageError) {
            try publish(blocks)
            changed.withLock {
                end = .ended(nil)
                changed.broadcast()
            }
        } catch {
            failed(error)
            give(up: nil)
        }
    }

    /// A whole block, or the shard's last.
    private func fill(
        _ buffer: UnsafeMutableRawBufferPointer, from reader: RemoteReader
    ) throws(StorageError) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// Gives the copy its name. Nothing is synced: after a power failure the hashes tell what is missing.
    private func publish(_ blocks: [String]) throws(StorageError) {
        let sums = ShardCopy.Sums(
            location: copy.location, identity: copy.identity, run: run, shard: shard,
            blockBytes: ShardCopy.blockBytes, blocks: blocks)
        let lock = try ShardFolder.lock(copy.folder)
        defer { lock.unlock() }
        file.touch()
        var writer = try AtomicFileWriter(path: copy.sums)
        try writer.append(try sums.json())
        try writer.commit(durably: false)
        guard rename(copy.part, copy.path) == 0 else {
            throw StorageError(errno: errno, path: copy.path, doing: "name the finished copy")
        }
        // Whoever reads along here still reads; others may open it from now on.
        _ = file.lock(.shared)
    }

    private func give(up error: StorageError?) {
        unlink(copy.part)
        file.unlock()
        changed.withLock {
            end = .ended(error)
            changed.broadcast()
        }
    }
}
