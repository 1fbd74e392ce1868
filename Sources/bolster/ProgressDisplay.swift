import Foundation

/// Lines that change while work goes on: redrawn in place on a terminal, written plainly and seldom
/// elsewhere.
final class ProgressDisplay: @unchecked Sendable {
    private static let plainInterval: TimeInterval = 5

    private let interactive: Bool
    private var drawn = 0
    private var lastPlain = Date.distantPast
    /// What is not yet written of the newest state.
    private var pending: [String] = []

    init(interactive: Bool = Terminal.isInteractive) {
        self.interactive = interactive
    }

    func show(_ lines: [String]) {
        if interactive {
            let up = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
            let text = lines.map { "\u{1B}[2K" + fitted($0) + "\n" }.joined()
            write(up + text)
            drawn = lines.count
        } else if Date().timeIntervalSince(lastPlain) >= Self.plainInterval {
            lastPlain = Date()
            pending = []
            write(lines.map { $0 + "\n" }.joined())
        } else {
            pending = lines
        }
    }

    /// Leaves the last state standing.
    func finish() {
        write(pending.map { $0 + "\n" }.joined())
        pending = []
        drawn = 0
    }

    private func fitted(_ line: String) -> String {
        var size = winsize()
        let columns = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 ? Int(size.ws_col) : 80
        return columns > 0 && line.count > columns ? String(line.prefix(columns - 1)) + "…" : line
    }

    private func write(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
