import Foundation
import Synchronization

/// Works on several shards at once, one to a thread, and hands the results back in the shards' order.
///
/// Threads and not tasks, because the work blocks on files. The caller's thread waits and reports. The first
/// error keeps further shards from being begun; of several, the earliest shard's is thrown.
final class ShardThreads<Value: Sendable>: Sendable {
    private struct State {
        var next = 0
        var active: Int
        var results: [Result<Value, MergerError>?]
        var samples: [Int]
        var hasFailed = false
    }

    private let state: Mutex<State>
    private let changed = NSCondition()
    private let body: @Sendable (Int, (Int) -> Void) throws(MergerError) -> Value
    private let samples: @Sendable (Value) -> Int

    /// - Parameters:
    ///   - samples: how many samples a finished shard had.
    ///   - body: does the work on the shard at an index, and says now and then how many samples it has seen.
    init(
        shards: Int, threads: Int, samples: @escaping @Sendable (Value) -> Int,
        body: @escaping @Sendable (Int, (Int) -> Void) throws(MergerError) -> Value
    ) {
        self.body = body
        self.samples = samples
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
    func results(progress: (_ shardsDone: Int, _ samples: Int) -> Void) throws(MergerError) -> [Value] {
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
        var values: [Value] = []
        for result in state.withLock({ $0.results }) {
            if let result { values.append(try result.get()) }
        }
        return values
    }

    private func work() {
        while let index = take() {
            let result: Result<Value, MergerError>
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
                case .success(let value): state.samples[index] = samples(value)
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
