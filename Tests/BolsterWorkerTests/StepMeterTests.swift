import BolsterLeasing
import Synchronization
import Testing

@testable import BolsterWorker

@Suite struct StepMeterTests {
    /// A clock that the test sets.
    private final class Clock: Sendable {
        private let time = Mutex(Duration.zero)
        var now: Duration { time.withLock { $0 } }
        func advance(_ seconds: Int) { time.withLock { $0 += .seconds(seconds) } }
    }

    @Test("A step waits for the share of a unit's time in which it had nothing to do")
    func shares() throws {
        let clock = Clock()
        let meter = StepMeter(threads: 2) { clock.now }
        let before = meter.read()
        meter.unitBegan()
        meter.began(.reading)
        clock.advance(1)
        meter.ended(.reading)
        meter.began(.augmentation)
        meter.began(.augmentation)
        clock.advance(2)
        meter.ended(.augmentation)
        meter.began(.model)
        clock.advance(7)
        // The model's call is not over, and counts.
        let waits = try #require(meter.waits(from: before, to: meter.read()))
        #expect(waits.reading == 0.9)
        #expect(abs(waits.augmentation - (1 - (2 * 2 + 7) / 20.0)) < 1e-9)
        #expect(abs(waits.model - 0.3) < 1e-9)
        #expect(waits.writing == 1)
        #expect(waits.bottleneck == .model)
        #expect(
            waits.description == "model (waited: reading 90 %, augmentation 45 %, model 30 %, writing 100 %)")
    }

    @Test("Time between units is nobody's wait")
    func idle() {
        let clock = Clock()
        let meter = StepMeter(threads: 1) { clock.now }
        let before = meter.read()
        clock.advance(100)
        #expect(meter.waits(from: before, to: meter.read()) == nil)
        meter.unitBegan()
        meter.measure(.writing) { clock.advance(5) }
        meter.unitEnded()
        clock.advance(100)
        #expect(meter.waits(from: before, to: meter.read())?.writing == 0)
        #expect(meter.waits(from: before, to: meter.read())?.bottleneck == .writing)
    }
}
