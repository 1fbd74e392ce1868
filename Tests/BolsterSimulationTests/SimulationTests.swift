import Testing

@testable import BolsterTestKit

/// A few hundred seeds on every run of the tests; tools/test.sh runs five thousand in a release build.
@Suite("Simulation") struct SimulationTests {
    @Test("Whatever dies, is lost, doubled or late: every promise holds", arguments: [1, 51, 101, 151])
    func promises(first: UInt64) {
        var runs = SeedRuns(first...(first + 49))
        runs.threads = 1
        let failures = runs.run().failures
        #expect(failures.map(\.line) == [])
    }

    @Test("Two runs of one seed are one run, step by step") func deterministic() {
        func trace(_ seed: UInt64) -> [String] {
            var counts = Simulation.Counts()
            var lines: [String] = []
            _ = SeedRuns.run(seed, counts: &counts) { lines.append($0) }
            return lines
        }
        for seed: UInt64 in [7, 8, 9] {
            let first = trace(seed)
            #expect(first == trace(seed) && first.count > 10)
        }
    }

    @Test("Every bug put in on purpose is found within a thousand seeds", arguments: Canary.allCases)
    func canaries(canary: Canary) throws {
        var runs = SeedRuns(1...1_000, canary: canary)
        runs.failuresMax = 1
        runs.threads = 1
        let failure = try #require(runs.run().failures.first, "\(canary) is not found")
        var counts = Simulation.Counts()
        let without = SeedRuns.run(failure.seed, counts: &counts)
        #expect(without == nil, "seed \(failure.seed) fails without the canary too")
    }

    @Test("Together the seeds have every kind of fault and consequence") func coverage() {
        var runs = SeedRuns(1...100)
        runs.threads = 1
        let counts = runs.run().counts
        #expect(counts.coordinators > 150 && counts.workers > 400 && counts.faults > 500)
        #expect(counts.secondLeases > 10 && counts.skipped > 10 && counts.quarantined > 10)
        #expect(counts.reopened > 0)
    }
}
