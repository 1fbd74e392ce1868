import BolsterLeasing
import Foundation

/// Colours on a terminal that wants them. NO_COLOR (no-color.org) and TERM=dumb are heeded, and a pipe or a
/// file gets none.
struct TextStyle {
    static let plain = TextStyle(isColoured: false)

    let isColoured: Bool

    init(isColoured: Bool) { self.isColoured = isColoured }

    /// For what is written to this descriptor.
    init(for descriptor: Int32) {
        let environment = ProcessInfo.processInfo.environment
        let unwanted = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
        isColoured = isatty(descriptor) == 1 && !unwanted
    }

    func strong(_ text: String) -> String { wrapped(text, "1") }
    func accent(_ text: String) -> String { wrapped(text, "34") }
    func good(_ text: String) -> String { wrapped(text, "32") }
    func warn(_ text: String) -> String { wrapped(text, "33") }
    func bad(_ text: String) -> String { wrapped(text, "31") }
    func quiet(_ text: String) -> String { wrapped(text, "2") }

    func state(_ status: StatusReply) -> String {
        switch status.state {
        case .running: accent("running")
        case .draining: warn("draining")
        case .finished: status.stages.contains { $0.quarantined > 0 } ? bad("finished") : good("finished")
        }
    }

    private func wrapped(_ text: String, _ code: String) -> String {
        isColoured && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    /// At most `width` columns of a line; what sets colours takes no room.
    static func fitted(_ line: String, _ width: Int) -> String {
        var columns = 0
        var isCode = false
        var cut: String.Index?
        for place in line.indices {
            if line[place] == "\u{1B}" { isCode = true }
            if !isCode {
                columns += 1
                if columns == width { cut = place }
            }
            if isCode, line[place] == "m" { isCode = false }
        }
        guard columns > width, let cut else { return line }
        return line[..<cut] + "…" + (line.contains("\u{1B}") ? "\u{1B}[0m" : "")
    }
}
