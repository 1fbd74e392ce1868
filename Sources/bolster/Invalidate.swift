import ArgumentParser
import BolsterLeasing
import Foundation

struct Invalidate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have made again what a worker committed since a time, and what was computed from it.",
        discussion: """
            For a device that has computed wrongly. Its record files stay in the output until \
            `bolster clean`; they no longer count. What it holds now is taken back as well.

              bolster invalidate --worker node7-cuda:3 --since 2026-05-01T14:00:00Z --rendezvous DIR
              bolster invalidate --worker node7-cuda:3 --since 90m --state demo-run/state
            """)

    @Option(help: "The worker's name, as `bolster status` says it.")
    var worker: String

    @Option(help: "A time (2026-05-01T14:00:00Z), or how long ago: 45s, 90m, 12h, 3d.")
    var since: String

    @Option(help: "Only chunks of this stage, as `bolster status` names it.")
    var stage: String?

    @OptionGroup var target: OrderOptions

    func validate() throws { _ = try moment(now: Date()) }

    func run() throws {
        try reporting {
            let request = InvalidateRequest(
                worker: WorkerID(worker), since: try moment(now: Date()), stage: stage)
            let reply = try target.order(.invalidate(request))
            print("\(reply.chunks) chunks of \(reply.units) units are open again")
            return .done
        }
    }

    /// Seconds since 1970.
    private func moment(now: Date) throws -> Int64 {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        if let unit = since.last.flatMap({ units[$0] }), let count = Double(since.dropLast()), count >= 0 {
            return Int64(now.timeIntervalSince1970 - count * unit)
        }
        guard let date = ISO8601DateFormatter().date(from: since) else {
            throw ValidationError(
                "--since takes a time like 2026-05-01T14:00:00Z or a span like 90m, not \(since)")
        }
        return Int64(date.timeIntervalSince1970)
    }
}
