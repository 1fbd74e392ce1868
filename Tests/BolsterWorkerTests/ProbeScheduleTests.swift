import Foundation
import Testing

@testable import BolsterWorker

@Suite struct ProbeScheduleTests {
    @Test("A probe is due after every so many chunks since the last good one")
    func due() {
        var schedule = ProbeSchedule(every: 3, loaded: Date(timeIntervalSince1970: 100))
        let first = (0..<3).map { _ in schedule.chunkComputed() }
        #expect(first == [false, false, true])
        #expect(schedule.lastGood == Date(timeIntervalSince1970: 100))
        // Not passed: due again, with the chunks since the last good one counted.
        let again = schedule.chunkComputed()
        #expect(again && schedule.chunks == 4)
        schedule.passed(at: Date(timeIntervalSince1970: 200))
        #expect(schedule.chunks == 0 && schedule.lastGood == Date(timeIntervalSince1970: 200))
        let next = schedule.chunkComputed()
        #expect(!next)
    }

    @Test("Every 0 chunks is never")
    func never() {
        var schedule = ProbeSchedule(every: 0, loaded: Date())
        let due = (0..<100).contains { _ in schedule.chunkComputed() }
        #expect(!due)
    }
}
