import Testing

@testable import BolsterLeasing

@Suite("Simulated runs") struct SimulationTests {
    @Test(
        "Whatever dies, is lost, doubled or late: every chunk counts once and the run ends", arguments: 1...60
    )
    func faults(seed: Int) throws {
        let simulation = Simulation(seed: UInt64(seed))
        do {
            try simulation.run()
        } catch {
            Issue.record("seed \(seed) at \(simulation.now): \(error)")
        }
    }

    @Test("A sample that kills its workers is found, and the run ends", arguments: 1...20)
    func poison(seed: Int) throws {
        var settings = Simulation.Settings()
        settings.poison = seed % 16
        let simulation = Simulation(seed: UInt64(1_000 + seed), settings)
        do {
            try simulation.run()
        } catch {
            Issue.record("seed \(seed) at \(simulation.now): \(error)")
        }
    }

    @Test("Two runs of one seed are one run") func deterministic() throws {
        let runs = [Simulation(seed: 7), Simulation(seed: 7)]
        for run in runs { try run.run() }
        #expect(runs[0].journal == runs[1].journal && runs[0].kills == runs[1].kills && runs[0].kills > 0)
    }
}
