import ArgumentParser
import BolsterCoordinator
import BolsterLeasing
import BolsterMessaging
import Foundation

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a run's progress, workers and failures.",
        discussion: """
            Asks a running coordinator, or reads the ledger of one that is not running.

              bolster status --coordinator tcp://127.0.0.1:5570
              bolster status --state demo-run/state

            Exit code 2 where units are quarantined.
            """)

    @Option(help: "The coordinator's state folder.")
    var state: String?

    @OptionGroup var place: CoordinatorOptions

    func validate() throws {
        if place.isGiven == (state != nil) {
            throw ValidationError("give --coordinator ENDPOINT, --rendezvous DIR or --state DIR, one of them")
        }
    }

    func run() throws {
        try reporting {
            let status: StatusReply
            if let state {
                status = try LedgerReader(stateDirectory: absolutePath(state)).status()
            } else {
                status = try OperatorConnection(place).status()
            }
            print("run \(status.run): \(Self.word(status.state))")
            for line in ProgressLines.lines(of: status) { print(line) }
            for worker in status.workers {
                let rate = String(format: "%.0f samples/s", worker.samplesPerSecond)
                let silent = ProgressLines.timeText(worker.silent / .seconds(1))
                print(
                    "worker \(worker.worker) on \(worker.host) \(worker.device): \(worker.leases) "
                        + "leases, \(rate),"
                        + " heard \(silent) ago \(worker.stages.joined(separator: " "))")
            }
            for unit in status.quarantined {
                print(
                    "quarantined \(unit.unit.stage) \(unit.shard) after \(unit.attempts) attempts: "
                        + "\(unit.message)"
                )
            }
            return status.stages.contains { $0.quarantined > 0 } ? .faulty : .done
        }
    }

    private static func word(_ state: StatusReply.State) -> String {
        switch state {
        case .running: "running"
        case .draining: "draining"
        case .finished: "finished"
        }
    }
}
