import BolsterLeasing
import BolsterTestKit
import Foundation
import Synchronization
import Testing

@testable import BolsterStatusPage

/// The page in a real browser: `tools/oracles/status_page_browser.py` drives headless Chromium. Pictures go
/// to BOLSTER_PICTURES, or to the temporary folder.
@Suite("The status page in Chromium", .enabled(if: Browser.isThere)) struct BrowserTests {
    @Test("At three widths, dark and light, with ten thousand workers, and used by mouse and keyboard")
    func looks() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        let run = FakeRun()
        run.publishHistory(hours: 14, to: page)
        let stopped = Atomic(false)
        let finished = DispatchSemaphore(value: 0)
        // The run goes on while the browser looks.
        Thread {
            var next = run
            while !stopped.load(ordering: .relaxed) {
                Thread.sleep(forTimeInterval: 1)
                next.status.running += .seconds(61)
                page.publish(next.status)
            }
            finished.signal()
        }.start()
        let outcome = try Browser.look(["status", page.url])
        stopped.store(true, ordering: .relaxed)
        finished.wait()
        #expect(outcome.status == 0, "\(outcome.output)")
    }

    @Test("Before the first chunk, with nobody at work and stalled") func bare() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        var status = FakeRun(workers: 0).status
        status.stages = status.stages.map { stage in
            var untouched = StageStatus(stage: stage.stage)
            (untouched.units, untouched.reads) = (stage.units, stage.reads)
            return untouched
        }
        (status.uses, status.devices, status.quarantined, status.failing) = ([], [], [], [])
        (status.isStalled, status.silent) = (true, .seconds(1_860))
        page.publish(status)
        let outcome = try Browser.look(["bare", page.url])
        #expect(outcome.status == 0, "\(outcome.output)")
    }
}
