import ArgumentParser
import BolsterCoordinator
import BolsterLeasing
import BolsterMessaging
import Foundation
import Logging

/// A person's connection to a coordinator: one question, one answer.
struct OperatorConnection {
    /// An order may wait for a batch of others and for the disk.
    private static let patience = Duration.seconds(30)

    let endpoint: String
    let security: ClientSecurity?

    init(_ options: CoordinatorOptions) throws {
        // A coordinator may stay when its run is finished; whether it did, its answer tells.
        guard let place = try options.locate(patience: .zero, evenIfOver: true) else {
            throw CommandError("no coordinator is to be found: give --coordinator ENDPOINT or --state DIR")
        }
        (endpoint, security) = place
    }

    func status() throws -> StatusReply {
        try ask(.statusRequest, within: .seconds(5)) { answer in
            if case .statusReply(let status) = answer { status } else { nil }
        }
    }

    /// - Throws: CommandError with the coordinator's reason where it refuses.
    func order(_ request: OperatorRequest) throws -> OperatorReply {
        try ask(.operatorRequest(request), within: Self.patience) { answer in
            if case .operatorReply(let reply) = answer { reply } else { nil }
        }.checked()
    }

    private func ask<Answer>(
        _ message: WorkerMessage, within patience: Duration, _ read: (CoordinatorMessage) -> Answer?
    ) throws -> Answer {
        let name = "operator-\(getpid())"
        let socket = try DealerSocket(connect: endpoint, identity: Array(name.utf8), security: security)
        let question = WorkerFrame(worker: WorkerID(name), incarnation: 1, generation: 0, message: message)
        _ = try socket.send(question.encode())
        let start = ContinuousClock.now
        var found: Answer?
        try socket.run(tick: .milliseconds(100)) { frames, _ in
            for bytes in frames where found == nil {
                let answer = try CoordinatorFrame.decode(bytes).message
                if case .refused(let refusal) = answer { throw CommandError(refusal.message) }
                found = read(answer)
            }
            if found != nil || ContinuousClock.now - start > patience { socket.stop() }
            return []
        }
        guard let found else {
            throw CommandError(
                "no answer from \(endpoint) within \(patience / .seconds(1)) s: check that the coordinator "
                    + "runs, and that this key is on its allow-list; where the run is over and its "
                    + "coordinator has ended too, give --state DIR")
        }
        return found
    }
}

extension OperatorReply {
    fileprivate func checked() throws -> OperatorReply {
        guard refusal.isEmpty else { throw CommandError(refusal) }
        return self
    }
}

/// Where an operator's order goes: to a running coordinator, or to the ledger of one that has ended.
struct OrderOptions: ParsableArguments {
    @OptionGroup var place: CoordinatorOptions

    @Option(help: "The state folder, where no coordinator runs.")
    var state: String?

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if place.isGiven == (state != nil) {
            throw ValidationError("give --coordinator ENDPOINT, --rendezvous DIR or --state DIR, one of them")
        }
    }

    func order(_ request: OperatorRequest) throws -> OperatorReply {
        guard let state else { return try OperatorConnection(place).order(request) }
        var log = logging.logger("bolster.operator")
        if logging.logLevel == .info { log.logLevel = .warning }
        return try StoppedRun.order(request, stateDirectory: absolutePath(state), log: log).checked()
    }
}
