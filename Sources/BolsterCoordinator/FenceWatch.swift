import Foundation
import Logging
import Synchronization

/// Looks every few seconds, on a thread of its own, whether this coordinator still rules.
///
/// A coordinator that has not seen so for `staleAfter` no longer acknowledges anything: whoever takes the
/// run over waits longer than that before reading what was acknowledged.
package final class FenceWatch: Sendable {
    package static let every: Duration = .seconds(3)
    package static let staleAfter: Duration = .seconds(10)
    /// How long a coordinator that restores the run elsewhere waits for the one before it.
    package static let takeoverWait: Duration = .seconds(13)

    private struct State {
        var seen: ContinuousClock.Instant
        var newer: UInt64?
        var isStopped = false
    }

    private let state = Mutex(State(seen: .now))
    private let every: Duration
    private let staleAfter: Duration
    private let log: Logger
    private let find: @Sendable () throws -> UInt64?

    /// - Parameter find: the generation of a coordinator after this one; nil while there is none.
    init(
        every: Duration = FenceWatch.every, staleAfter: Duration = FenceWatch.staleAfter, log: Logger,
        find: @escaping @Sendable () throws -> UInt64?
    ) {
        self.every = every
        self.staleAfter = staleAfter
        self.log = log
        self.find = find
    }

    /// The generation of a later coordinator, once there is one.
    var newer: UInt64? { state.withLock { $0.newer } }

    /// It has been too long since this coordinator saw that it rules.
    var isStale: Bool { state.withLock { ContinuousClock.now - $0.seen > staleAfter } }

    func start() {
        let thread = Thread { [self] in
            while !state.withLock({ $0.isStopped }) {
                look()
                Thread.sleep(forTimeInterval: every / .seconds(1))
            }
        }
        thread.name = "fence"
        thread.start()
    }

    func stop() { state.withLock { $0.isStopped = true } }

    private func look() {
        // What is seen was true when the look began, not when its answer came.
        let began = ContinuousClock.now
        do {
            let newer = try find()
            state.withLock { state in
                if let newer { state.newer = newer } else { state.seen = began }
            }
        } catch {
            log.error(
                "the output cannot be reached to see whether this coordinator still rules",
                metadata: [LogKey.reason: "\(error)"])
        }
    }
}
