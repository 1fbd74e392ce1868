import ArgumentParser
import BolsterTestKit
import Foundation

/// Simulated runs by the thousand: each seed is one whole run of the production ledger, coordinator's core
/// and worker sessions over a simulated network, disks, processes and clocks that fail.
@main
struct Simulator: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bolster-simulator",
        abstract: "Runs the lease protocol through simulated faults and checks its promises.",
        discussion: """
            Every seed draws a small run and the faults that befall it: messages lost, doubled, late and \
            reordered, links cut in one direction or both, workers killed, stopped, hung, doubled and \
            renamed, coordinators killed, stopped, doubled and robbed of their disk, full disks, slow and \
            torn writes, skewed and jumping clocks, forged messages, operators' orders. Independent \
            checkers watch what is said and what is durable. The same seed is the same run.

            Exit code 0: every promise held; 1: one was broken, and its line says how to repeat it.
            """)

    @Option(help: ArgumentHelp("Seeds to run, first and last.", valueName: "first..last"))
    var seeds: SeedRange?

    @Option(help: "One seed.")
    var seed: UInt64?

    @Flag(help: "Tell what happens, line by line (with --seed).")
    var trace = false

    @Option(help: "Threads to spread the seeds over.")
    var threads = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: ArgumentHelp("Switch on a bug that has to be found: \(Self.canaries).", valueName: "name"))
    var canary: Canary?

    @Option(help: "Stop after so many seeds that broke a promise.")
    var failures = 10

    private static let canaries = Canary.allCases.map(\.rawValue).joined(separator: ", ")

    func validate() throws {
        guard (seeds == nil) != (seed == nil) else {
            throw ValidationError("give --seeds first..last, or --seed for one")
        }
        guard !trace || seed != nil else { throw ValidationError("--trace goes with --seed") }
        guard threads > 0, failures > 0 else {
            throw ValidationError("--threads and --failures are at least 1")
        }
    }

    func run() throws {
        if let seed {
            try runOne(seed)
        } else if let seeds {
            try runAll(seeds.range)
        }
    }

    private func runOne(_ seed: UInt64) throws {
        var counts = Simulation.Counts()
        let failure = SeedRuns.run(
            seed, canary: canary, counts: &counts, trace: trace ? { say($0) } : nil)
        print(
            "seed \(seed): \(counts.events) events, \(counts.frames) frames, \(counts.faults) faults, "
                + "\(counts.coordinators) coordinators, \(counts.workers) workers, "
                + "\(Int(counts.virtualSeconds)) virtual seconds")
        guard let failure else { return }
        print("seed \(seed) at \(failure.at): \(failure.violation)")
        throw ExitCode(1)
    }

    private func runAll(_ range: ClosedRange<UInt64>) throws {
        var runs = SeedRuns(range, canary: canary)
        runs.threads = threads
        runs.failuresMax = failures
        let start = ContinuousClock.now
        let summary = runs.run { say($0.line) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let counts = summary.counts
        print(
            """
            \(summary.seeds) seeds, \(summary.failures.count) failed, in \(rounded(seconds)) s: \
            \(Int(Double(summary.seeds) / seconds)) seeds a second on \(threads) threads
            \(rounded(counts.virtualSeconds / 3_600)) virtual hours, \(counts.events) events, \
            \(counts.frames) frames, \(counts.faults) faults, \(counts.coordinators) coordinators, \
            \(counts.workers) workers, \(counts.secondLeases) second leases, \
            \(counts.skipped) samples skipped, \(counts.quarantined) units quarantined, \
            \(counts.reopened) reopened
            """)
        if !summary.failures.isEmpty { throw ExitCode(1) }
    }

    private func rounded(_ number: Double) -> String { String(format: "%.1f", number) }
}

/// A line at once, whether or not the output is a terminal.
private func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

extension Canary: ExpressibleByArgument {}

/// "first..last" on the command line.
struct SeedRange: ExpressibleByArgument {
    let range: ClosedRange<UInt64>

    init?(argument: String) {
        let ends = argument.split(separator: ".", omittingEmptySubsequences: true).map { UInt64($0) }
        guard argument.contains(".."), ends.count == 2, let first = ends[0], let last = ends[1], first <= last
        else { return nil }
        range = first...last
    }
}
