import Foundation

/// Another program, run to its end. What it writes goes to files, so that no full pipe can stop it.
package enum OtherProgram {
    package struct Outcome: Sendable {
        package let status: Int32
        package let output: Data
        package let errors: Data

        /// What it wrote, as text.
        package var text: String { String(decoding: output, as: UTF8.self) }
        /// What it wrote, and behind it what it wrote to standard error.
        package var allText: String { text + String(decoding: errors, as: UTF8.self) }
    }

    /// - Parameters:
    ///   - command: a program of the path and its arguments.
    ///   - folder: where it runs; nil for where the tests run.
    package static func run(
        _ command: [String], input: Data = Data(), in folder: String? = nil
    ) throws -> Outcome {
        let scratch = try ScratchFolder()
        defer { withExtendedLifetime(scratch) {} }
        let files = ["in", "out", "err"].map { scratch.url.appendingPathComponent($0) }
        for (file, content) in zip(files, [input, Data(), Data()]) { try content.write(to: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        process.standardInput = try FileHandle(forReadingFrom: files[0])
        process.standardOutput = try FileHandle(forWritingTo: files[1])
        process.standardError = try FileHandle(forWritingTo: files[2])
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: try Data(contentsOf: files[1]),
            errors: try Data(contentsOf: files[2]))
    }
}
