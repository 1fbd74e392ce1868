import BolsterLeasing
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

enum Browser {
    static let interpreter = ProcessInfo.processInfo.environment["BOLSTER_PYTHON"] ?? "python3"
    static let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static let isThere: Bool = {
        let check =
            "import importlib.util, shutil, sys; "
            + "sys.exit(not (importlib.util.find_spec('playwright') and shutil.which('chromium')))"
        do {
            guard try run(["-c", check]).status == 0 else {
                print("skipped: the page in a browser needs chromium and Python's playwright")
                return false
            }
            return true
        } catch {
            print("skipped: \(interpreter) cannot be run")
            return false
        }
    }()

    static func look(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let pictures =
            ProcessInfo.processInfo.environment["BOLSTER_PICTURES"]
            ?? FileManager.default.temporaryDirectory.path + "/bolster-pictures"
        let script = checkout.appendingPathComponent("tools/oracles/status_page_browser.py").path
        return try run([script] + arguments + [pictures])
    }

    private static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [interpreter] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
