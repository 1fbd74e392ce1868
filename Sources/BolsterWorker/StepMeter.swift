import BolsterLeasing
import Synchronization

/// Measures how long the steps of a worker's pipeline had something to do, while units are worked on.
///
/// Each step has a number of threads; what is added up is the time of each of them inside the step, so that a
/// long call counts while it goes on. Times come from a monotonic clock.
final class StepMeter: Sendable {
    /// Sums since the worker's start.
    struct Reading: Equatable {
        /// Time during which a unit was worked on.
        var elapsed = Duration.zero
        /// Thread time by step, in the order of `StepWaits.Step.allCases`.
        var busy = [Duration](repeating: .zero, count: StepWaits.Step.allCases.count)
    }

    private struct State {
        var reading = Reading()
        var last = Duration.zero
        var units = 0
        var active = [Int](repeating: 0, count: StepWaits.Step.allCases.count)

        mutating func advance(to now: Duration) {
            let passed = now - last
            last = now
            if units > 0 { reading.elapsed += passed }
            for step in active.indices where active[step] > 0 { reading.busy[step] += passed * active[step] }
        }
    }

    private let state = Mutex(State())
    private let clock: @Sendable () -> Duration
    /// Threads of the step `augmentation`; the others have one.
    let threads: Int

    init(threads: Int) {
        self.threads = max(1, threads)
        let start = ContinuousClock.now
        clock = { ContinuousClock.now - start }
    }

    /// With a clock of the caller's, for tests.
    init(threads: Int, clock: @escaping @Sendable () -> Duration) {
        self.threads = max(1, threads)
        self.clock = clock
    }

    func unitBegan() { change { $0.units += 1 } }
    func unitEnded() { change { $0.units -= 1 } }
    func began(_ step: StepWaits.Step) { change { $0.active[Self.index(of: step)] += 1 } }
    func ended(_ step: StepWaits.Step) { change { $0.active[Self.index(of: step)] -= 1 } }

    func measure<Value>(_ step: StepWaits.Step, _ body: () throws -> Value) rethrows -> Value {
        began(step)
        defer { ended(step) }
        return try body()
    }

    /// Since the worker's start.
    var sinceStart: Duration { clock() }

    /// The sums at this moment.
    func read() -> Reading {
        change { _ in }
        return state.withLock { $0.reading }
    }

    /// How the steps waited from one reading to another; nil when no unit was worked on for 10 ms.
    func waits(from before: Reading, to after: Reading) -> StepWaits? {
        let elapsed = after.elapsed - before.elapsed
        guard elapsed > .milliseconds(10) else { return nil }
        func waited(_ step: StepWaits.Step) -> Double {
            let index = Self.index(of: step)
            let threads = step == .augmentation ? Double(self.threads) : 1
            let busy = (after.busy[index] - before.busy[index]) / elapsed / threads
            return min(1, max(0, 1 - busy))
        }
        return StepWaits(
            reading: waited(.reading), augmentation: waited(.augmentation), model: waited(.model),
            writing: waited(.writing))
    }

    private func change(_ body: (inout State) -> Void) {
        state.withLock { state in
            // Inside the lock: the clock never goes back, and neither may the sums.
            state.advance(to: clock())
            body(&state)
        }
    }

    private static func index(of step: StepWaits.Step) -> Int {
        switch step {
        case .reading: 0
        case .augmentation: 1
        case .model: 2
        case .writing: 3
        }
    }
}
