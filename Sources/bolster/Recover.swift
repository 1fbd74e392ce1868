import ArgumentParser
import BolsterCoordinator
import Foundation

struct Recover: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Rebuild a lost ledger from its copy in the output and the record files after it.",
        discussion: """
            `bolster coordinate` does the same by itself when its state folder is empty and the output is \
            not. By hand it says beforehand what is found, and what cannot be restored. On a folder that \
            has a ledger, it adds the record files that this one does not know.

              bolster recover manifests/demo.yaml --state /var/lib/bolster/demo

            A coordinator that still runs on this output stops: two cannot rule.
            """)

    @Argument(help: "The manifest, a YAML file.")
    var manifest: String

    @Option(help: "The state folder, on a local disk.")
    var state: String

    @Option(help: "The run's folder, instead of the manifest's output.")
    var output: String?

    @OptionGroup var logging: LogOptions

    func run() throws {
        try reporting {
            let run = try PreparedRun(manifest: manifest, output: output)
            var log = logging.logger("bolster.recover")
            if logging.logLevel == .info { log.logLevel = .warning }
            let report = try StoppedRun.recover(
                run.coordination(state: absolutePath(state), listen: "", security: nil, log: log))
            for line in report.lines { print(line) }
            return .done
        }
    }
}
