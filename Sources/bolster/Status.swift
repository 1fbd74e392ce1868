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

    @Option(help: "The coordinator's address.")
    var coordinator: String?

    @Option(help: "The coordinator's state folder.")
    var state: String?

    @OptionGroup var keys: ClientKeyOptions

    func validate() throws {
        if (coordinator == nil) == (state == nil) {
            throw ValidationError("give --coordinator ENDPOINT or --state DIR, one of them")
        }
    }

    func run() throws {
        try reporting {
            let status: StatusReply
            if let coordinator {
                status = try OperatorQuestion.status(of: coordinator, security: try keys.security())
            } else {
                status = try LedgerReader(stateDirectory: absolutePath(state ?? "")).status()
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

/// One question to a coordinator and its answer.
enum OperatorQuestion {
    private static let patience = Duration.seconds(5)

    static func status(of endpoint: String, security: ClientSecurity?) throws -> StatusReply {
        let name = "operator-\(getpid())"
        let socket = try DealerSocket(connect: endpoint, identity: Array(name.utf8), security: security)
        let question = WorkerFrame(
            worker: WorkerID(name), incarnation: 1, generation: 0, message: .statusRequest)
        _ = try socket.send(question.encode())
        let start = ContinuousClock.now
        var reply: StatusReply?
        try socket.run(tick: .milliseconds(100)) { frames, _ in
            for bytes in frames {
                if case .statusReply(let status) = try CoordinatorFrame.decode(bytes).message {
                    reply = status
                }
            }
            if reply != nil || ContinuousClock.now - start > patience { socket.stop() }
            return []
        }
        guard let reply else {
            throw CommandError(
                "no answer from \(endpoint) within \(patience / .seconds(1)) s: check that the "
                    + "coordinator runs, and"
                    + " that this key is on its allow-list")
        }
        return reply
    }
}
