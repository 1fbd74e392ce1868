import Foundation

/// Blocks of a stream that several threads fetch and one reads in order. At most `window` blocks are claimed
/// or waiting, so that memory is bounded whatever the reader's speed.
final class BlockQueue: @unchecked Sendable {
    // All of it is touched under the condition's lock only.
    private let changed = NSCondition()
    private let count: Int
    private let window: Int
    private var claimed = 0
    private var taken = 0
    private var ready: [Int: [UInt8]] = [:]
    private var failures: [Int: StorageError] = [:]
    private var isCancelled = false

    init(count: Int, window: Int) {
        self.count = count
        self.window = window
    }

    /// The next block to be fetched; waits for room. Nil where none is left or nobody reads any more.
    func claim() -> Int? {
        changed.withLock {
            while !isCancelled, claimed < count, claimed >= taken + window { changed.wait() }
            guard !isCancelled, claimed < count else { return nil }
            defer { claimed += 1 }
            return claimed
        }
    }

    func put(_ block: [UInt8], at index: Int) {
        changed.withLock {
            ready[index] = block
            changed.broadcast()
        }
    }

    /// The reader meets the error behind all blocks before `index`.
    func fail(_ error: StorageError, at index: Int) {
        changed.withLock {
            failures[index] = error
            changed.broadcast()
        }
    }

    /// The next block, waited for; nil after the last.
    func next() throws(StorageError) -> [UInt8]? {
        let outcome: Result<[UInt8]?, StorageError> = changed.withLock {
            guard taken < count else { return .success(nil) }
            while true {
                if let block = ready.removeValue(forKey: taken) {
                    taken += 1
                    changed.broadcast()
                    return .success(block)
                }
                if let failure = failures[taken] { return .failure(failure) }
                changed.wait()
            }
        }
        return try outcome.get()
    }

    var isAbandoned: Bool { changed.withLock { isCancelled } }

    func cancel() {
        changed.withLock {
            isCancelled = true
            changed.broadcast()
        }
    }
}
