import Foundation

/// Reads a remote object in order from an offset, ahead of its caller: several blocks at a time where the
/// server gives parts, in one stream where it does not. Memory: `window` blocks of `blockBytes`.
final class RemoteReader: ByteSource {
    struct Settings: Sendable {
        var blockBytes: Int64 = 4 << 20
        /// Blocks that are fetched or wait to be read.
        var window = 6
        var threads = 4
    }

    private let queue: BlockQueue
    private var block: [UInt8] = []
    private var position = 0

    init(_ object: RemoteObject, at offset: Int64, _ settings: Settings = Settings()) {
        let left = object.identity.size - offset
        let count = Int((left + settings.blockBytes - 1) / settings.blockBytes)
        let queue = BlockQueue(count: count, window: settings.window)
        self.queue = queue
        let end = object.identity.size
        let range: @Sendable (Int) -> Range<Int64> = { index in
            let start = offset + Int64(index) * settings.blockBytes
            return start..<min(end, start + settings.blockBytes)
        }
        guard object.hasRanges else {
            Self.start {
                Self.stream(object, offset..<end, blockBytes: Int(settings.blockBytes), into: queue)
            }
            return
        }
        for _ in 0..<min(settings.threads, count) {
            Self.start {
                while let index = queue.claim() { Self.fetch(object, range(index), index, into: queue) }
            }
        }
    }

    /// Its threads end at their next piece.
    deinit { queue.cancel() }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        while position == block.count {
            guard let next = try queue.next() else { return 0 }
            block = next
            position = 0
        }
        let count = min(buffer.count, block.count - position)
        block.withUnsafeBytes { block in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: block[position..<position + count]))
        }
        position += count
        return count
    }

    private static func start(_ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = "shard-fetch"
        thread.start()
    }

    private static func fetch(
        _ object: RemoteObject, _ range: Range<Int64>, _ index: Int, into queue: BlockQueue
    ) {
        var block: [UInt8] = []
        block.reserveCapacity(range.count)
        do throws(StorageError) {
            try object.download(range) { piece in
                block += piece
                return !queue.isAbandoned
            }
            queue.put(block, at: index)
        } catch {
            queue.fail(error, at: index)
        }
    }

    /// One download cut into blocks; it stands still while the window is full.
    private static func stream(
        _ object: RemoteObject, _ range: Range<Int64>, blockBytes: Int, into queue: BlockQueue
    ) {
        guard var index = queue.claim() else { return }
        var block: [UInt8] = []
        do throws(StorageError) {
            try object.download(range) { piece in
                var rest = piece[...]
                while !rest.isEmpty {
                    let part = rest.prefix(blockBytes - block.count)
                    block += part
                    rest = rest.dropFirst(part.count)
                    guard block.count == blockBytes else { break }
                    queue.put(block, at: index)
                    block = []
                    guard let next = queue.claim() else { return false }
                    index = next
                }
                return true
            }
            if !block.isEmpty { queue.put(block, at: index) }
        } catch {
            queue.fail(error, at: index)
        }
    }
}
