import Foundation

/// A real browser: `tools/oracles/status_page_browser.py` drives headless Chromium. Pictures go to
/// BOLSTER_PICTURES, or to the temporary folder.
package enum Browser {
    private static let interpreter = ProcessInfo.processInfo.environment["BOLSTER_PYTHON"] ?? "python3"
    package static let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    package static let isThere: Bool = {
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

    package static func look(_ arguments: [String]) throws -> (status: Int32, output: String) {
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
