import Foundation

/// Lines that change while work goes on: redrawn in place on a terminal, written plainly and seldom
/// elsewhere.
final class ProgressDisplay: @unchecked Sendable {
    private static let plainInterval: TimeInterval = 5

    /// How the lines may be coloured.
    let style: TextStyle
    private let descriptor: Int32
    private let interactive: Bool
    private var drawn = 0
    private var lastPlain = Date.distantPast
    /// What is not yet written of the newest state.
    private var pending: [String] = []

    /// - Parameter descriptor: standard error, or standard output where the lines are what was asked for.
    init(descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
        interactive = isatty(descriptor) == 1
        style = TextStyle(for: descriptor)
    }

    func show(_ lines: [String]) {
        if interactive {
            let (columns, rows) = size
            let shown = lines.prefix(max(1, rows - 1))
            let up = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
            let text = shown.map { "\u{1B}[2K" + TextStyle.fitted($0, columns) + "\n" }.joined()
            // Below what is drawn now nothing of a longer state stays.
            write(up + text + (shown.count < drawn ? "\u{1B}[J" : ""))
            drawn = shown.count
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

    private var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    private func write(_ text: String) {
        FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(Data(text.utf8))
    }
}
