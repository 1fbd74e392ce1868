import Foundation
import Synchronization

/// Many seeds, each a simulation of its own, over a few threads.
package struct SeedRuns: Sendable {
    /// A seed that broke a promise.
    package struct Failure: Sendable {
        package let seed: UInt64
        /// Virtual time at which it was seen.
        package let at: Duration
        package let violation: String
        /// The promise's name.
        package let invariant: String

        /// One line, with the command that shows the run.
        package var line: String {
            "seed \(seed): \(violation)\n    repeat it: bolster-simulator --seed \(seed) --trace"
        }
    }

    package struct Summary: Sendable {
        package var seeds = 0
        package var failures: [Failure] = []
        package var counts = Simulation.Counts()
    }

    package let seeds: ClosedRange<UInt64>
    package var canary: Canary?
    package var threads = 2
    /// Stop after so many seeds that broke a promise.
    package var failuresMax = 10

    package init(_ seeds: ClosedRange<UInt64>, canary: Canary? = nil) {
        self.seeds = seeds
        self.canary = canary
    }

    /// One seed; nil when every promise held.
    package static func run(
        _ seed: UInt64, canary: Canary? = nil, counts: inout Simulation.Counts,
        trace: ((String) -> Void)? = nil
    ) -> Failure? {
        let simulation = Simulation(Scenario(seed: seed), canary: canary, trace: trace)
        defer { counts += simulation.counts }
        do {
            try simulation.run()
            return nil
        } catch {
            return Failure(
                seed: seed, at: simulation.now, violation: "\(error)",
                invariant: (error as? Violation)?.invariant ?? "production-code-throws")
        }
    }

    /// All seeds, the lowest first; `failed` is called as each failure is found, from any thread.
    package func run(failed: @escaping @Sendable (Failure) -> Void = { _ in }) -> Summary {
        let next = Mutex(seeds.lowerBound)
        let summary = Mutex(Summary())
        let group = DispatchGroup()
        for number in 0..<max(1, threads) {
            group.enter()
            let thread = Thread {
                while let seed = take(next), summary.withLock({ $0.failures.count < failuresMax }) {
                    var counts = Simulation.Counts()
                    let failure = Self.run(seed, canary: canary, counts: &counts)
                    summary.withLock {
                        $0.seeds += 1
                        $0.counts += counts
                        if let failure { $0.failures.append(failure) }
                    }
                    if let failure { failed(failure) }
                }
                group.leave()
            }
            thread.name = "seeds-\(number)"
            thread.stackSize = 8 << 20
            thread.start()
        }
        group.wait()
        return summary.withLock { $0 }
    }

    private func take(_ next: borrowing Mutex<UInt64>) -> UInt64? {
        next.withLock { next in
            guard next <= seeds.upperBound else { return nil }
            defer { next += 1 }
            return next
        }
    }
}

extension Simulation.Counts {
    package static func += (left: inout Self, right: Self) {
        left.events += right.events
        left.frames += right.frames
        left.faults += right.faults
        left.coordinators += right.coordinators
        left.workers += right.workers
        left.secondLeases += right.secondLeases
        left.skipped += right.skipped
        left.quarantined += right.quarantined
        left.reopened += right.reopened
        left.virtualSeconds += right.virtualSeconds
    }
}
