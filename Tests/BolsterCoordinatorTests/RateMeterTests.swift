import BolsterLeasing
import Testing

@testable import BolsterCoordinator

private func count(_ samples: Int, open: Int = 1) -> StageStatus {
    var status = StageStatus(stage: "views")
    (status.units, status.open, status.samples) = (10, open, samples)
    return status
}

@Suite("Samples per second") struct RateMeterTests {
    private func rate(_ states: [(second: Int, samples: Int, open: Int)]) -> Double {
        var meter = RateMeter()
        for state in states {
            meter.measured([count(state.samples, open: state.open)], now: .seconds(state.second))
        }
        return meter.samplesPerSecond(stage: 0)
    }

    @Test("Nothing moved, nothing made") func nothing() {
        #expect(rate([]) == 0)
        #expect(rate([(0, 0, 1), (10, 0, 1), (60, 0, 1)]) == 0)
    }

    @Test("Steady commits give their rate") func steady() {
        #expect(abs(rate((0...120).map { ($0, $0 * 50, 1) }) - 50) < 2)
    }

    @Test("A change shows within half a minute") func change() {
        let states = (0...300).map { ($0, $0 <= 200 ? $0 * 50 : 10_000 + ($0 - 200) * 10, 1) }
        #expect(abs(rate(states) - 10) < 1)
    }

    @Test("Commits minutes apart are no bursts of speed and no standstills") func sparse() {
        // 1,000 samples each five minutes, looked at right before and right after a commit.
        func states(until end: Int) -> [(second: Int, samples: Int, open: Int)] {
            (0...end).map { ($0, $0 / 300 * 1_000, 1) }
        }
        #expect(abs(rate(states(until: 1_799)) - 1_000.0 / 300) < 0.6)
        #expect(abs(rate(states(until: 1_800)) - 1_000.0 / 300) < 0.6)
    }

    @Test("A stage taken up late is measured from then on") func late() {
        let states = (0...1_000).map { ($0, 0, 0) } + (1_001...1_060).map { ($0, ($0 - 1_000) * 20, 1) }
        #expect(abs(rate(states) - 20) < 1)
    }

    @Test("A stage that nobody works on any more makes nothing") func left() {
        let states = (0...60).map { ($0, $0 * 50, 1) }
        #expect(rate(states + [(65, 3_000, 0)]) > 0)
        #expect(rate(states + [(71, 3_000, 0)]) == 0)
    }

    @Test("A stage that hangs slows down to nothing") func hanging() {
        let states = (0...60).map { ($0, $0 * 50, 1) }
        #expect(rate(states + [(120, 3_000, 1)]) < 40)
        #expect(rate(states + [(60 + 1_800, 3_000, 1)]) == 0)
    }

    @Test("Samples taken back leave no negative rate") func takenBack() {
        #expect(rate([(0, 0, 1), (10, 1_000, 1), (20, 500, 1)]) == 0)
        #expect(rate([(0, 0, 1), (10, 1_000, 1), (20, 500, 1), (30, 700, 1)]) == 20)
    }
}

@Suite("Device time") struct DeviceMeterTests {
    @Test("Commits and holding add up by stage and type, and what is new is given once") func sums() {
        var meter = DeviceMeter()
        meter.restored([
            DeviceUse(stage: "views", device: "cuda", samples: 10, time: .seconds(5)),
            DeviceUse(stage: DeviceMeter.heldStage, device: "cuda", samples: 0, time: .seconds(100)),
        ])
        meter.ticked(connected: ["cuda": 2], now: .seconds(1))
        meter.ticked(connected: ["cuda": 2, "cpu": 1], now: .seconds(3))
        meter.committed(stage: "views", device: "cuda", samples: 4, time: .seconds(2))
        meter.committed(stage: "texts", device: "cpu", samples: 1, time: .milliseconds(1))
        #expect(
            meter.uses(stages: ["texts", "views"]) == [
                DeviceUse(stage: "texts", device: "cpu", samples: 1, time: .milliseconds(1)),
                DeviceUse(stage: "views", device: "cuda", samples: 14, time: .seconds(7)),
            ])
        #expect(
            meter.devices(connected: ["cuda": 3]) == [
                DeviceStatus(device: "cpu", connected: 0, held: .seconds(2)),
                DeviceStatus(device: "cuda", connected: 3, held: .seconds(104)),
            ])
        let fresh = Set(meter.takeFresh())
        #expect(fresh.contains(DeviceUse(stage: "views", device: "cuda", samples: 4, time: .seconds(2))))
        #expect(fresh.contains(DeviceUse(stage: "", device: "cuda", samples: 0, time: .seconds(4))))
        #expect(fresh.count == 4)
        #expect(meter.takeFresh().isEmpty)
    }
}
