import BolsterDeterminism
import Foundation
import Glibc

/// A whole copy of a shard, read block by block; each is compared with its hash before a byte of it is handed
/// out. From a damaged block on, the shard is read from where it lies.
final class KeptSource: ByteSource {
    private let file: FileHandle
    private let sums: ShardCopy.Sums
    private let resume: @Sendable (Int64) throws(StorageError) -> any ByteSource
    private let damaged: @Sendable () -> Void
    private let block = UnsafeMutableRawBufferPointer.allocate(
        byteCount: ShardCopy.blockBytes, alignment: 4096)
    /// Which of the block's bytes are still to be handed out, and the block that comes next.
    private var unread = 0..<0
    private var next: Int
    /// Bytes of the next block that lie before the offset asked for.
    private var toSkip: Int
    private var elsewhere: (any ByteSource)?

    /// - Parameter file: locked shared, of the size that `sums` states.
    init(
        _ file: consuming FileHandle, sums: ShardCopy.Sums, at offset: Int64,
        resume: @escaping @Sendable (Int64) throws(StorageError) -> any ByteSource,
        damaged: @escaping @Sendable () -> Void
    ) {
        self.file = file
        self.sums = sums
        self.resume = resume
        self.damaged = damaged
        next = Int(offset / Int64(ShardCopy.blockBytes))
        toSkip = Int(offset % Int64(ShardCopy.blockBytes))
        posix_fadvise(self.file.descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    deinit { block.deallocate() }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        while unread.isEmpty {
            if let elsewhere { return try elsewhere.read(into: buffer) }
            guard next < sums.blocks.count else { return 0 }
            try loadBlock()
        }
        let count = min(buffer.count, unread.count)
        let part = unread.lowerBound..<unread.lowerBound + count
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: block[part]))
        unread = part.upperBound..<unread.upperBound
        return count
    }

    private func loadBlock() throws(StorageError) {
        let start = Int64(next) * Int64(ShardCopy.blockBytes)
        let count = Int(min(Int64(ShardCopy.blockBytes), sums.identity.size - start))
        let target = UnsafeMutableRawBufferPointer(rebasing: block[..<count])
        let isRight =
            try file.read(at: start, into: target) == count
            && Hexadecimal.text(of: XXH64Hasher.hash(of: UnsafeRawBufferPointer(target))) == sums.blocks[next]
        guard isRight else {
            damaged()
            elsewhere = try resume(start + Int64(toSkip))
            return
        }
        unread = toSkip..<count
        toSkip = 0
        next += 1
    }
}

/// A copy that is still being fetched, read as it grows: by this process, or by another, which is then looked
/// at every few milliseconds. Where the fetch ends early, the shard is read on from where it lies.
final class FollowingSource: ByteSource {
    private static let pause: TimeInterval = 0.005

    private let file: FileHandle
    private let size: Int64
    private let fetch: ShardFetch?
    private let resume: @Sendable (Int64) throws(StorageError) -> any ByteSource
    private var position: Int64
    private var isLocked = false
    private var elsewhere: (any ByteSource)?

    /// - Parameter fetch: nil where another process fetches.
    init(
        _ file: consuming FileHandle, _ copy: ShardCopy, at offset: Int64, fetch: ShardFetch?,
        resume: @escaping @Sendable (Int64) throws(StorageError) -> any ByteSource
    ) {
        self.file = file
        size = copy.identity.size
        self.fetch = fetch
        self.resume = resume
        position = offset
    }

    deinit { fetch?.cancel() }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        guard !buffer.isEmpty else { return 0 }
        while elsewhere == nil, position < size {
            let count = try file.read(at: position, into: buffer)
            position += Int64(count)
            if count > 0 { return count }
            try waitForMore()
        }
        return try elsewhere?.read(into: buffer) ?? 0
    }

    private func waitForMore() throws(StorageError) {
        if let fetch {
            guard case .ended(let error) = fetch.wait(beyond: position) else { return }
            if let error { throw error }
            elsewhere = try resume(position)
        } else if isLocked {
            // Who wrote it is gone, and what was written before was read.
            elsewhere = try resume(position)
        } else {
            // Its writer has it no more; the bytes that came last are read first. From now on nobody removes
            // it under this reader.
            isLocked = file.lock(.shared)
            if !isLocked { Thread.sleep(forTimeInterval: Self.pause) }
        }
    }
}
