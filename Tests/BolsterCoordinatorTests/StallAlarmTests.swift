import BolsterLeasing
import Testing

@testable import BolsterCoordinator

@Suite("StallAlarm") struct StallAlarmTests {
    private func status(chunks: Int, done: Int = 0) -> StatusReply {
        var stage = StageStatus(stage: "views")
        (stage.units, stage.done, stage.chunks) = (2, done, chunks)
        return StatusReply(
            run: "r", state: .running, stages: [stage], workers: [], workersTotal: 0, quarantined: [],
            running: .zero)
    }

    @Test("It is raised at the limit, again after another, and lowered by a commit") func raised() {
        var alarm = StallAlarm()
        var raised: [Int64] = []
        for second in stride(from: Int64(0), through: 8_000, by: 100) {
            let silence = alarm.observed(status(chunks: second < 1_000 ? 1 : 2), now: .seconds(second))
            if silence != nil { raised.append(second) }
        }
        #expect(raised == [2_800, 4_600, 6_400])
    }

    @Test("A finished run is not stalled") func finished() {
        var alarm = StallAlarm()
        #expect(alarm.observed(status(chunks: 4, done: 2), now: .zero) == nil)
        #expect(alarm.observed(status(chunks: 4, done: 2), now: .seconds(9_000)) == nil)
    }
}
