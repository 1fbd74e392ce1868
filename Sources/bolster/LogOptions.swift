import ArgumentParser
import Foundation
import Logging

/// What every verb that logs takes.
struct LogOptions: ParsableArguments {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        /// A line for a person.
        case text
        /// A JSON object in each line, for a collector.
        case json
    }

    @Option(help: "Least severe messages that are logged: trace, debug, info, notice, warning, error.")
    var logLevel: Logger.Level = .info

    @Option(help: "How messages are logged: text, or json with one object in each line.")
    var logFormat: Format = .text

    /// A logger to standard error.
    func logger(_ label: String) -> Logger {
        var logger = Logger(label: label) { label in
            switch logFormat {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler(label: label)
            }
        }
        logger.logLevel = logLevel
        return logger
    }

    /// What a process started by this one needs to log alike.
    var arguments: [String] { ["--log-level", "\(logLevel)", "--log-format", logFormat.rawValue] }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

/// One JSON object in each line of standard error:
///
///     {"time":"2026-11-23T15:23:02.123Z","level":"info","label":"bolster.worker","message":"a unit is done",
///      "unit":"views/3"}
///
/// Metadata are members beside the four fixed ones, which they cannot replace; all values are strings.
struct JSONLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info
    private let label: String
    private let write: @Sendable (Data) -> Void

    init(label: String, write: @escaping @Sendable (Data) -> Void = { FileHandle.standardError.write($0) }) {
        self.label = label
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var members = metadata.merging(event.metadata ?? [:]) { _, new in new }.mapValues { "\($0)" }
        members["time"] = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        members["level"] = event.level.rawValue
        members["label"] = label
        members["message"] = "\(event.message)"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            // One write for each line: lines of several threads do not mix.
            write(try encoder.encode(members) + Data("\n".utf8))
        } catch {
            preconditionFailure("strings cannot be written as JSON: \(error)")
        }
    }
}
