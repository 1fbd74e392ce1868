import BolsterLeasing
import Foundation

/// A run as lines of text: a line for the whole, then two for each stage.
///
///     demo  running  50.1 %  [############............]  4 min 10 s left
///       captions.syn_text   [########........]  49.2 %    1,730/s  1 h 02 min
///         402 of 1,024 shards, 6.30 M of about 12.8 M samples, 3 quarantined
///
/// Fits 80 columns where stage names have at most 24 characters; colours only say again what words say.
struct ProgressLines {
    private static let barWidth = 16
    private static let nameWidthMax = 24

    private let status: StatusReply
    private let estimate: RunEstimate
    private let style: TextStyle

    static func lines(of status: StatusReply, style: TextStyle = .plain) -> [String] {
        ProgressLines(status: status, estimate: RunEstimate(status), style: style).lines
    }

    private var lines: [String] {
        let names = status.stages.map { min($0.stage.count, Self.nameWidthMax) }
        let width = names.max() ?? 0
        return [summary]
            + zip(status.stages, estimate.stages).flatMap { stage, estimate in
                [line(stage, estimate, nameWidth: width), "    " + notes(stage, estimate)]
            }
            + (status.isStalled
                ? [
                    style.bad(
                        "stalled: nothing was committed for \(Self.timeText(status.silent / .seconds(1)))")
                ] : [])
    }

    private var summary: String {
        var parts = [style.strong(status.run), style.state(status), Self.percent(estimate.fraction)]
        parts.append(bar(estimate.fraction, settled: estimate.fraction == 1))
        if let remaining = estimate.remaining, remaining > .zero {
            let bound = estimate.unpriced.isEmpty ? "" : "more than "
            parts.append("\(bound)\(Self.timeText(remaining / .seconds(1))) left")
        }
        return parts.joined(separator: "  ")
    }

    private func line(_ stage: StageStatus, _ estimate: RunEstimate.Stage, nameWidth: Int) -> String {
        let settled = stage.settled == stage.units
        let rate = settled || stage.samplesPerSecond == 0 ? "" : Self.rateText(stage.samplesPerSecond)
        let left = estimate.remaining.map { Self.timeText($0 / .seconds(1)) } ?? ""
        var line = "  \(padded(stage.stage, nameWidth))  \(bar(estimate.fraction, settled: settled))"
        line += "  \(leading(Self.percent(estimate.fraction), 7))"
        let end = settled ? style.good("done") : left
        return rate.isEmpty && end.isEmpty ? line : line + "  \(leading(rate, 9))  \(end)"
    }

    private func notes(_ stage: StageStatus, _ estimate: RunEstimate.Stage) -> String {
        let settled = stage.settled == stage.units
        var samples = Self.countText(stage.samples)
        if !settled, let total = estimate.total { samples += " of about \(Self.countText(total))" }
        var notes = ["\(stage.done) of \(stage.units) shards, \(samples) samples"]
        if stage.skipped > 0 { notes.append("\(Self.countText(stage.skipped)) skipped") }
        if stage.quarantined > 0 { notes.append(style.bad("\(stage.quarantined) quarantined")) }
        if stage.blocked > 0 { notes.append(style.warn("\(stage.blocked) blocked")) }
        return notes.joined(separator: ", ")
    }

    private func bar(_ part: Double, settled: Bool) -> String {
        let full = Int((part * Double(Self.barWidth)).rounded(.down))
        let done = String(repeating: "#", count: full)
        let left = String(repeating: ".", count: Self.barWidth - full)
        return "[" + (settled ? style.good(done) : style.accent(done)) + left + "]"
    }

    // MARK: Numbers and times

    /// Rounded down: 100 % is said when all is done, not before.
    static func percent(_ part: Double) -> String {
        part >= 1 ? "100 %" : String(format: "%.1f %%", (part * 1000).rounded(.down) / 10)
    }

    /// "12.8 M", "14.2 k", "9876".
    static func countText(_ count: Int) -> String {
        for (size, unit) in [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")] where Double(count) >= size {
            let value = Double(count) / (unit == "k" ? 1e3 : size)
            return String(
                format: value >= 100 ? "%.0f \(unit)" : value >= 10 ? "%.1f \(unit)" : "%.2f \(unit)", value)
        }
        return "\(count)"
    }

    /// "1730/s", "0.31/s".
    static func rateText(_ rate: Double) -> String {
        rate < 10 ? String(format: "%.2g/s", rate) : "\(countText(Int(rate.rounded())))/s"
    }

    /// "3 d 04 h", "3 h 05 min", "4 min 10 s" or "12 s".
    static func timeText(_ seconds: Double) -> String {
        let whole = Int(min(max(0, seconds), 1e9).rounded(.up))
        if whole >= 86_400 { return String(format: "%d d %02d h", whole / 86_400, whole % 86_400 / 3600) }
        if whole >= 3600 { return String(format: "%d h %02d min", whole / 3600, whole % 3600 / 60) }
        if whole >= 60 { return String(format: "%d min %02d s", whole / 60, whole % 60) }
        return "\(whole) s"
    }
}

func leading(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
}
