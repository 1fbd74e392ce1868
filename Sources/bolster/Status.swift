import ArgumentParser
import BolsterCoordinator
import BolsterLeasing
import BolsterMessaging
import BolsterStatusPage
import Foundation

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a run's progress, workers and failures.",
        discussion: """
            Asks a running coordinator, or reads the ledger of one that is not running. --watch goes on \
            until the run is over; --json prints what a status page's /api/status says, \
            with workers and failures.

              bolster status --coordinator tcp://127.0.0.1:5570 --watch
              bolster status --state demo-run/state

            Exit code 2 where units are quarantined.
            """)

    @Option(help: "The coordinator's state folder.")
    var state: String?

    @OptionGroup var place: CoordinatorOptions

    @Flag(help: "Go on until the run is over.")
    var watch = false

    @Option(help: "Seconds between two looks of --watch.")
    var every = 2.0

    @Option(help: "Workers shown, the busiest first.")
    var workers = 10

    @Option(help: "What an hour of a device costs, e.g. cuda=2.5. May be repeated.")
    var price: [String] = []

    @Flag(help: "Print JSON, with --watch one line each time.")
    var json = false

    func validate() throws {
        if place.isGiven == (state != nil) {
            throw ValidationError("give --coordinator ENDPOINT, --rendezvous DIR or --state DIR, one of them")
        }
        if !every.isFinite || every < 0.1 || every > 3600 {
            throw ValidationError("--every takes 0.1 to 3600 seconds, not \(every)")
        }
        if workers < 0 { throw ValidationError("--workers takes a number from 0, not \(workers)") }
    }

    func run() throws {
        try reporting {
            let prices = try DevicePrices(parsing: price)
            let display = ProgressDisplay(descriptor: STDOUT_FILENO)
            while true {
                let status = try ask()
                if json {
                    print(try StatusJSON.text(status, prices: prices, version: BolsterVersion.text))
                } else if watch {
                    display.show(StatusLines.lines(of: status, prices, workers: workers, display.style))
                } else {
                    let lines = StatusLines.lines(of: status, prices, workers: workers, display.style)
                    print(lines.joined(separator: "\n"))
                }
                if !watch || status.state == .finished {
                    display.finish()
                    return status.stages.contains { $0.quarantined > 0 } ? .faulty : .done
                }
                fflush(nil)
                Thread.sleep(forTimeInterval: every)
            }
        }
    }

    private func ask() throws -> StatusReply {
        if let state { return try LedgerReader(stateDirectory: absolutePath(state)).status() }
        return try OperatorConnection(place).status()
    }
}

/// What `bolster status` shows beyond the stages.
enum StatusLines {
    private static let messageWidthMax = 200

    static func lines(
        of status: StatusReply, _ prices: DevicePrices, workers: Int, _ style: TextStyle
    ) -> [String] {
        var lines = ProgressLines.lines(of: status, style: style)
        lines += cost(status, prices)
        if !status.workers.isEmpty, workers > 0 {
            lines += ["", "\(status.workersTotal) workers, the busiest first"]
            lines += status.workers.prefix(workers).map { worker($0, style) }
            if status.workersTotal > workers {
                lines.append(style.quiet("  and \(status.workersTotal - workers) more; --workers shows more"))
            }
        }
        lines += refusedDevices(status, style)
        if let refused = status.refusedText {
            lines += ["", style.warn("refused: \(refused)"), "  Metrics.md says what each means"]
        }
        if !status.quarantined.isEmpty {
            lines += ["", style.bad("quarantined; bolster retry gives them new attempts")]
            lines += status.quarantined.flatMap { failure($0) }
        }
        if !status.failing.isEmpty {
            lines += ["", style.warn("failed and tried again")]
            lines += status.failing.flatMap { failure($0) }
        }
        return lines
    }

    /// Named, with what to do about what they have made.
    private static func refusedDevices(_ status: StatusReply, _ style: TextStyle) -> [String] {
        guard !status.refusedDevices.isEmpty else { return [] }
        let heading = "answer wrongly and get no leases of a stage; bolster invalidate reopens what they made"
        return ["", style.bad(heading)]
            + status.refusedDevices.flatMap { device in
                let ago = ProgressLines.timeText(device.ago / .seconds(1))
                let message = device.message.split(separator: "\n").joined(separator: " ")
                return [
                    "  \(device.stage) \(device.worker), \(device.device) of \(device.host), \(ago) ago",
                    "    \(message.prefix(messageWidthMax))",
                ]
            }
    }

    private static func cost(_ status: StatusReply, _ prices: DevicePrices) -> [String] {
        let held = status.devices.filter { $0.held > .zero }
        guard !held.isEmpty else { return [] }
        let parts = held.map { device in
            let hours = String(format: "%.2f %@-hours", device.held / .seconds(3600), device.device)
            return prices.cost(of: device.device, device.held).map {
                String(format: "\(hours) (cost %.2f)", $0)
            } ?? hours
        }
        return ["  " + parts.joined(separator: ", ")]
    }

    /// Within 80 columns where names are not longer than these columns.
    private static func worker(_ worker: WorkerStatus, _ style: TextStyle) -> String {
        let silent = ProgressLines.timeText(worker.silent / .seconds(1))
        let isSilent = worker.silent > .seconds(20)
        var line = "  \(padded(worker.worker.name, 20)) \(padded(worker.device, 7))"
        line += " \(leading(ProgressLines.rateText(worker.samplesPerSecond), 8))"
        line += "  \(isSilent ? style.warn(leading(silent, 6)) : leading(silent, 6)) ago"
        line += "  \(padded(worker.bottleneck?.rawValue ?? "", 12)) \(worker.stages.first ?? "waits")"
        return line
    }

    private static func failure(_ unit: QuarantinedUnit) -> [String] {
        let message = unit.message.split(separator: "\n").joined(separator: " ")
        let attempts = unit.attempts == 1 ? "1 attempt" : "\(unit.attempts) attempts"
        return [
            "  \(unit.unit.stage) \(unit.shard), \(attempts)", "    \(message.prefix(messageWidthMax))",
        ]
    }
}
