import BolsterOracles
import Foundation

/// Python and its packages beside our encodings.
enum Oracle {
    static let hasNumpyAndLZ4 = Python.has("numpy", "lz4.frame")
    static let hasNumpy = Python.has("numpy")
    static let hasTorch = Python.has("torch", "numpy")

    /// Runs a script with a directory that holds `files` as its working directory; returns what it prints.
    static func run(_ script: String, files: [String: [UInt8]] = [:]) throws -> String {
        try withDirectory { directory in
            for (name, bytes) in files { try Data(bytes).write(to: directory.appendingPathComponent(name)) }
            return try run(script, in: directory)
        }
    }

    static func withDirectory<Value>(_ body: (URL) throws -> Value) throws -> Value {
        let folder = try ScratchFolder()
        defer { withExtendedLifetime(folder) {} }
        return try body(folder.url)
    }

    static func run(_ script: String, in directory: URL) throws -> String {
        String(decoding: try Python.run(["-c", script], in: directory.path), as: UTF8.self)
    }
}
