import Foundation
import Testing

/// The server of `server.py` as a process; it ends when this object goes, as the end of its input tells it.
final class PythonServer: Sendable {
    /// Of all tests: started once, ended with the test process.
    static let shared = Result { try PythonServer() }

    let port: Int
    private let process: Process
    private let input = Pipe()

    init() throws {
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/server.py"
        let python = ProcessInfo.processInfo.environment["BOLSTER_PYTHON"] ?? "python3"
        process.arguments = [python, script]
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) {
            line += byte
        }
        port = try #require(Int(String(decoding: line, as: UTF8.self)))
    }

    deinit { input.fileHandleForWriting.closeFile() }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }
}
