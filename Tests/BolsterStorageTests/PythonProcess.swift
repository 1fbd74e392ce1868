import Foundation
import Testing

/// A Python server of the tests: it prints its port as its first line, and ends with this object, when its
/// input ends.
final class PythonProcess: Sendable {
    static let python = ProcessInfo.processInfo.environment["BOLSTER_PYTHON"] ?? "python3"

    let port: Int
    private let process = Process()
    private let input = Pipe()

    var url: String { "http://127.0.0.1:\(port)" }

    init(_ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [Self.python] + arguments
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

    /// A script beside this file, or below the checkout's root.
    static func script(_ name: String) -> String {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
        return name.contains("/") ? "\(folder)/../../\(name)" : "\(folder)/\(name)"
    }

    /// Whether this machine's Python has the modules.
    static func has(_ modules: String) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [python, "-c", "import \(modules)"]
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
