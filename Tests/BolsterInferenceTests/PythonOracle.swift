import Foundation
import Testing

/// Other people's programs, run in Python beside ours.
enum PythonOracle {
    static let interpreter = ProcessInfo.processInfo.environment["BOLSTER_PYTHON"] ?? "python3"

    /// The checkout's root.
    static let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent()

    static let hasNumPy = has("numpy")
    static let hasOpenCLIP = has("torch", "open_clip", "ftfy", "regex")
    static let hasSentencePiece = hasOpenCLIP && has("sentencepiece", "transformers")
    static let hasExporter = hasSentencePiece && has("numpy", "onnx", "onnxscript", "onnxruntime")

    private static func has(_ modules: String...) -> Bool {
        let check =
            "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
        do {
            _ = try run(["-c", check] + modules)
            return true
        } catch {
            print("skipped: \(interpreter) lacks one of \(modules.joined(separator: ", "))")
            return false
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs Python with arguments and an input; gives what it printed.
    @discardableResult
    static func run(_ arguments: [String], input: Data = Data()) throws -> Data {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "bolster-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { remove(folder) }
        for name in ["in", "out", "err"] {
            try (name == "in" ? input : Data()).write(to: folder.appendingPathComponent(name))
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [interpreter] + arguments
        process.standardInput = try FileHandle(forReadingFrom: folder.appendingPathComponent("in"))
        process.standardOutput = try FileHandle(forWritingTo: folder.appendingPathComponent("out"))
        process.standardError = try FileHandle(forWritingTo: folder.appendingPathComponent("err"))
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let words = try Data(contentsOf: folder.appendingPathComponent("err"))
            throw Failure(description: String(decoding: words.suffix(4000), as: UTF8.self))
        }
        return try Data(contentsOf: folder.appendingPathComponent("out"))
    }

    /// Runs a program that reads one JSON value from its input and prints another.
    static func ask<Question: Encodable, Answer: Decodable>(
        _ program: String, _ question: Question, as type: Answer.Type
    ) throws -> Answer {
        let answer = try run(["-c", program], input: try JSONEncoder().encode(question))
        return try JSONDecoder().decode(type, from: answer)
    }

    static func remove(_ folder: URL) {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            Issue.record("the scratch folder \(folder.path) cannot be removed: \(error)")
        }
    }
}
