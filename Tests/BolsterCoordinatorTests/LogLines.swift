import Logging
import Synchronization

/// What was logged.
final class LogLines: Sendable {
    private struct Line {
        let message: String
        /// Of the metadata, what a flood's line has.
        let values: [String]
    }

    private let lines = Mutex<[Line]>([])

    func count(of message: String) -> Int { lines.withLock { $0.count { $0.message == message } } }
    /// Each message with its values behind it.
    var texts: [String] { lines.withLock { $0.map { ([$0.message] + $0.values).joined(separator: " ") } } }
    var handler: Handler { Handler(lines: self) }

    struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = ["kind", "count", "reason"].compactMap { event.metadata?[$0].map { "\($0)" } }
            lines.lines.withLock { $0.append(Line(message: "\(event.message)", values: values)) }
        }
    }
}
