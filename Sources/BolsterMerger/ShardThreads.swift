import Foundation
import Synchronization

/// Merges several shards at once, one to a thread, and hands the receipts back in the shards' order.
///
/// Threads and not tasks, because a merge blocks on files. The caller's thread waits and reports. The first
/// error keeps further shards from being begun; of several, the earliest shard's is thrown.
final class ShardThreads: Sendable {
    private struct State {
        var next = 0
        var active: Int
        var results: [Result<ShardReceipt, MergerError>?]
        var samples: [Int]
        var hasFailed = false
    }

    private let state: Mutex<State>
    private let changed = NSCondition()
    private let body: @Sendable (Int, (Int) -> Void) throws(MergerError) -> ShardReceipt

    /// - Parameter body: merges the shard at an index, and says now and then how many samples it has seen.
    init(
        shards: Int, threads: Int,
        body: @escaping @Sendable (Int, (Int) -> Void) throws(MergerError) -> ShardReceipt
    ) {
        self.body = body
        let active = max(1, min(threads, shards))
        state = Mutex(
            State(
                active: active, results: Array(repeating: nil, count: shards),
                samples: Array(repeating: 0, count: shards)))
        for number in 0..<active {
            let thread = Thread { [self] in work() }
            thread.name = "merge-\(number)"
            thread.start()
        }
    }

    /// Waits for all threads, and tells of progress whenever there is some.
    func receipts(progress: (_ shardsDone: Int, _ samples: Int) -> Void) throws(MergerError) -> [ShardReceipt]
    {
        var isDone = false
        while !isDone {
            changed.lock()
            let active = state.withLock { $0.active }
            // A wake-up between the look and the wait is not lost: the lock is held from one to the other.
            if active > 0 { changed.wait() }
            changed.unlock()
            let (done, samples) = state.withLock { state in
                (state.results.count { $0 != nil }, state.samples.reduce(0, +))
            }
            isDone = state.withLock { $0.active == 0 }
            progress(done, samples)
        }
        var receipts: [ShardReceipt] = []
        for result in state.withLock({ $0.results }) {
            if let result { receipts.append(try result.get()) }
        }
        return receipts
    }

    private func work() {
        while let index = take() {
            let result: Result<ShardReceipt, MergerError>
            do throws(MergerError) {
                result = .success(
                    try body(index) { samples in
                        update { $0.samples[index] = samples }
                    })
            } catch {
                result = .failure(error)
            }
            update { state in
                state.results[index] = result
                switch result {
                case .success(let receipt): state.samples[index] = receipt.coverage.counts.input
                case .failure: state.hasFailed = true
                }
            }
        }
        update { $0.active -= 1 }
    }

    private func take() -> Int? {
        state.withLock { state in
            guard !state.hasFailed, state.next < state.results.count else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }

    private func update(_ change: (inout State) -> Void) {
        state.withLock { change(&$0) }
        changed.lock()
        changed.broadcast()
        changed.unlock()
    }
}
