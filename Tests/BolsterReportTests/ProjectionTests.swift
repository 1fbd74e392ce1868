import Testing

@testable import BolsterReport

@Suite("A run told from a few samples") struct ProjectionTests {
    private let uses = [
        RunCost.Use(stage: "captions", models: ["coca"], device: "cuda", samples: 16, seconds: 32),
        RunCost.Use(stage: "views", models: ["a", "b"], device: "cuda", samples: 16, seconds: 8),
        RunCost.Use(stage: "texts", models: [], device: "cuda", samples: 0, seconds: 0),
    ]

    @Test("Time and cost grow with the samples, and shrink with the devices") func projected() {
        let projection = RunProjection(uses, samples: 3_600, price: 2)
        #expect(projection.stages.map(\.stage) == ["captions", "views"])
        #expect(projection.stages.map(\.secondsPerSample) == [2, 0.5])
        #expect(projection.stages.map(\.share) == [0.8, 0.2])
        #expect(projection.seconds == 9_000)
        #expect(projection.seconds(onDevices: 9) == 1_000)
        #expect(projection.cost == 5)
        #expect(projection.costPerMillion.map { abs($0 - 5 / 3_600.0 * 1e6) < 1e-6 } == true)
    }

    @Test("Without a price there is no cost, without samples no time") func nothing() {
        #expect(RunProjection(uses, samples: 10, price: nil).cost == nil)
        #expect(RunProjection([], samples: 10, price: 1).seconds == 0)
        #expect(RunProjection(uses, samples: 0, price: 1).costPerMillion == nil)
    }
}
