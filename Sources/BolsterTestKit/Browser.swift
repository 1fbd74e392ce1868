import BolsterOracles
import Foundation

/// A real browser: `tools/oracles/status_page_browser.py` drives headless Chromium. Pictures go to
/// BOLSTER_PICTURES, or to the temporary folder.
package enum Browser {
    package static let isThere: Bool = {
        let isInstalled = ["/usr/bin/chromium", "/usr/local/bin/chromium"].contains {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        if !isInstalled { print("skipped: the page in a browser needs chromium") }
        return isInstalled && Python.has("playwright")
    }()

    package static func look(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let pictures =
            ProcessInfo.processInfo.environment["BOLSTER_PICTURES"]
            ?? FileManager.default.temporaryDirectory.path + "/bolster-pictures"
        let script = Python.checkout.appendingPathComponent("tools/oracles/status_page_browser.py").path
        let outcome = try OtherProgram.run([Python.interpreter, script] + arguments + [pictures])
        return (outcome.status, outcome.allText)
    }
}
