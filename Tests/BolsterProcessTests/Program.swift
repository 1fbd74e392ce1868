import BolsterOracles
import Foundation

/// The `bolster` under test and the checkout it belongs to.
enum Program {
    /// The release binary that `BOLSTER_BINARY` names; without it these tests do not run.
    static let path = ProcessInfo.processInfo.environment["BOLSTER_BINARY"]

    /// Whether tests that take long are wanted.
    static let isFull = ProcessInfo.processInfo.environment["BOLSTER_FULL"] == "1"

    static let checkout = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    static var demoManifest: String { checkout + "/manifests/demo.yaml" }

    struct Result {
        let status: Int32
        let output: String
        let errors: String
    }

    /// Runs it to its end.
    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Result {
        let folder = try ScratchFolder()
        let process = try start(
            arguments, environment: environment, output: folder.path + "/out", errors: folder.path + "/err")
        process.waitUntilExit()
        return Result(
            status: process.terminationReason == .exit
                ? process.terminationStatus : 128 + process.terminationStatus,
            output: try String(contentsOfFile: folder.path + "/out", encoding: .utf8),
            errors: try String(contentsOfFile: folder.path + "/err", encoding: .utf8))
    }

    static func start(
        _ arguments: [String], environment: [String: String] = [:], output: String, errors: String
    ) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path ?? "/nonexistent")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try handle(output)
        process.standardError = try handle(errors)
        try process.run()
        return process
    }

    private static func handle(_ path: String) throws -> FileHandle {
        try Data().write(to: URL(fileURLWithPath: path))
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }

    /// The processes that descend from `root`, read from /proc.
    static func descendants(of root: Int32) -> [Int32] {
        var parents: [Int32: Int32] = [:]
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for process in names.compactMap({ Int32($0) }) {
            guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
                let name = stat.lastIndex(of: ")")
            else { continue }
            let fields = stat[stat.index(after: name)...].split(separator: " ")
            if fields.count > 1, let parent = Int32(fields[1]) { parents[process] = parent }
        }
        var found: [Int32] = []
        var level = [root]
        while !level.isEmpty {
            level = parents.filter { level.contains($0.value) }.map(\.key)
            found += level
        }
        return found
    }
}
