import ArgumentParser
import BolsterCoordinator
import BolsterMessaging
import Foundation
import Logging

struct Coordinate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hand out a manifest's work to workers, until it is done.",
        discussion: """
            Keeps the ledger of leases and commits. May be killed and started again on the same state \
            folder at \
            any time: workers go on meanwhile and commit when it is back.

              bolster coordinate manifests/demo.yaml --listen tcp://127.0.0.1:5570 --state \
              /var/lib/bolster/demo

            The state folder belongs on a local disk. On an address that other machines reach, --key and \
            --allow \
            are needed. SIGTERM: no more leases, exit code 3 when those out are back; a second one: at once.
            """)

    @Argument(help: "The manifest, a YAML file.")
    var manifest: String

    @Option(help: "The address workers connect to, e.g. tcp://127.0.0.1:5570 or tcp://*:5570.")
    var listen: String

    @Option(help: "A folder on a local disk for the ledger.")
    var state: String

    @Option(help: "The run's folder, instead of the manifest's output.")
    var output: String?

    @Flag(help: "Give units that an earlier start has quarantined another chance.")
    var retryQuarantined = false

    @Option(help: "A folder that all machines see: says there where workers find this coordinator.")
    var rendezvous: String?

    @Option(help: "What other machines call this one, for --rendezvous. Default: its host name.")
    var advertise: String?

    @Option(
        help: "Minutes without a committed chunk after which a stall is told, in log, metrics and status.")
    var stallAfter = 30

    @Flag(help: "Go on answering when the run is finished, until a signal or drain: for schedulers.")
    var stay = false

    @OptionGroup var keys: ServerKeyOptions
    @OptionGroup var pageOptions: StatusPageOptions
    @OptionGroup var logging: LogOptions

    func run() throws {
        try reporting {
            let run = try PreparedRun(manifest: manifest, output: output)
            var configuration = run.coordination(
                state: absolutePath(state), listen: listen, security: try keys.security(),
                log: logging.logger("bolster.coordinator"))
            configuration.retryQuarantined = retryQuarantined
            configuration.staysWhenFinished = stay
            configuration.rendezvous = rendezvous.map(absolutePath)
            configuration.stallAfter = .seconds(60 * stallAfter)
            configuration.hostName = advertise ?? ProcessInfo.processInfo.hostName
            configuration.workersInProgress = pageOptions.workersInProgress
            let coordinator = try Coordinator(configuration)
            let page = try pageOptions.page(for: coordinator, log: configuration.log)
            defer { page?.stop() }
            let signals = StopSignals(first: { coordinator.drain() }, second: { coordinator.stop() })
            defer { signals.cancel() }
            Terminal.note("listening on \(coordinator.endpoint)")
            let display = ProgressDisplay()
            let outcome = try coordinator.run { status in
                page?.publish(status)
                display.show(ProgressLines.lines(of: status, style: display.style))
            }
            display.finish()
            return switch outcome {
            case .finished(quarantined: 0, blocked: 0): .done
            case .finished: .faulty
            case .drained, .stopped: .interrupted
            }
        }
    }
}

extension PreparedRun {
    func coordination(
        state: String, listen: String, security: ServerSecurity?, log: Logger
    ) -> CoordinatorConfiguration {
        CoordinatorConfiguration(
            manifestText: text, manifestFile: file, manifestDirectory: directory, manifest: manifest,
            stages: stages, shards: shards, stateDirectory: state, output: output, listen: listen,
            security: security, log: log)
    }
}
