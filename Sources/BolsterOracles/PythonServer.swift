import Foundation

/// A Python server of the tests: it prints its port as its first line, and ends with this object, as the end
/// of its input tells it.
package final class PythonServer: Sendable {
    package let port: Int
    private let process = Process()
    private let input = Pipe()

    package var url: String { "http://127.0.0.1:\(port)" }

    /// - Parameter arguments: the script and what it takes.
    package init(_ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [Python.interpreter] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) {
            line += byte
        }
        guard let port = Int(String(decoding: line, as: UTF8.self)) else {
            throw Python.Failure(description: "\(arguments.joined(separator: " ")) printed no port")
        }
        self.port = port
    }

    deinit { input.fileHandleForWriting.closeFile() }
}
