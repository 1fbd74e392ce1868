import BolsterCoordinator
import BolsterLeasing
import Foundation

/// A line per stage: how far, how fast, how long yet, what failed.
enum ProgressLines {
    private static let barWidth = 16

    static func lines(of status: StatusReply) -> [String] {
        status.stages.map { stage in
            let settled = stage.units == 0 ? 1 : Double(stage.settled) / Double(stage.units)
            var line = "\(padded(stage.stage, 24)) \(bar(settled)) \(stage.done)/\(stage.units) shards"
            line += "  \(stage.samples) samples"
            if stage.samplesPerSecond > 0 { line += String(format: "  %.0f/s", stage.samplesPerSecond) }
            if let eta = eta(stage) { line += "  ETA \(eta)" }
            if stage.skipped > 0 { line += "  \(stage.skipped) skipped" }
            if stage.quarantined > 0 { line += "  \(stage.quarantined) QUARANTINED" }
            if stage.blocked > 0 { line += "  \(stage.blocked) blocked" }
            return line
        }
    }

    private static func bar(_ part: Double) -> String {
        let full = Int((part * Double(barWidth)).rounded(.down))
        return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: barWidth - full)
            + "]"
    }

    /// From the mean size of the shards done so far; nil before the first.
    private static func eta(_ stage: StageStatus) -> String? {
        guard stage.done > 0, stage.samplesPerSecond > 0, stage.settled < stage.units else { return nil }
        let perShard = Double(stage.samples) / (Double(stage.done) + 0.5 * Double(stage.open))
        return timeText(perShard * Double(stage.units - stage.settled) / stage.samplesPerSecond)
    }

    /// "3 h 05 min", "4 min 10 s" or "12 s".
    static func timeText(_ seconds: Double) -> String {
        let whole = Int(min(seconds, 1e9).rounded(.up))
        if whole >= 3600 { return String(format: "%d h %02d min", whole / 3600, whole % 3600 / 60) }
        if whole >= 60 { return String(format: "%d min %02d s", whole / 60, whole % 60) }
        return "\(whole) s"
    }
}
