import Foundation

/// Python with the packages that decide what is right, run beside our code. The interpreter is that of
/// BOLSTER_PYTHON, or the path's.
package enum Python {
    package static let interpreter = ProcessInfo.processInfo.environment["BOLSTER_PYTHON"] ?? "python3"

    /// The checkout's root.
    package static let checkout = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Whether the interpreter has these modules. They are looked for and not imported, which takes seconds.
    package static func has(_ modules: String...) -> Bool {
        let check =
            "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
        do {
            try run(["-c", check] + modules)
            return true
        } catch {
            print("skipped: \(interpreter) lacks one of \(modules.joined(separator: ", "))")
            return false
        }
    }

    /// Runs Python with arguments and an input; gives what it printed.
    ///
    /// - Throws: `Failure` with the end of its standard error where its status is not 0.
    @discardableResult
    package static func run(
        _ arguments: [String], input: Data = Data(), in folder: String? = nil
    ) throws -> Data {
        let outcome = try OtherProgram.run([interpreter] + arguments, input: input, in: folder)
        guard outcome.status == 0 else {
            throw Failure(description: String(decoding: outcome.errors.suffix(4000), as: UTF8.self))
        }
        return outcome.output
    }

    /// Runs a program that reads one JSON value from its input and prints another.
    package static func ask<Question: Encodable, Answer: Decodable>(
        _ program: String, _ question: Question, as type: Answer.Type
    ) throws -> Answer {
        let answer = try run(["-c", program], input: try JSONEncoder().encode(question))
        return try JSONDecoder().decode(type, from: answer)
    }
}
