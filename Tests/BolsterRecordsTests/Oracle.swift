import Foundation

/// Another implementation to compare with: Python and its packages, run as a process.
enum Oracle {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let python = ProcessInfo.processInfo.environment["BOLSTER_PYTHON"] ?? "python3"

    static let hasNumpyAndLZ4 = imports("numpy, lz4.frame")
    static let hasNumpy = imports("numpy")
    static let hasTorch = imports("torch, numpy")

    /// The checkout's root.
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func imports(_ modules: String) -> Bool {
        do {
            _ = try run("import \(modules)")
            return true
        } catch {
            print(
                "skipped: \(python) cannot import \(modules) (set BOLSTER_PYTHON): \(error)"
            )
            return false
        }
    }

    /// Runs a script with a directory that holds `files` as its working directory; returns what it prints.
    static func run(_ script: String, files: [String: [UInt8]] = [:]) throws -> String {
        try withDirectory { directory in
            for (name, bytes) in files { try Data(bytes).write(to: directory.appendingPathComponent(name)) }
            return try run(script, in: directory)
        }
    }

    static func withDirectory<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "records-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer {
            do {
                try FileManager.default.removeItem(at: directory)
            } catch {
                print("could not remove \(directory.path): \(error)")
            }
        }
        return try body(directory)
    }

    static func run(_ script: String, in directory: URL) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [python, "-c", script]
        process.currentDirectoryURL = directory
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(description: text) }
        return text
    }
}
