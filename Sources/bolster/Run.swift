import ArgumentParser
import BolsterCoordinator
import BolsterInference
import BolsterStatusPage
import BolsterWorker
import Dispatch
import Foundation

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Do a whole run on this machine: coordinator, worker processes, merge.",
        discussion: """
            Starts again where it was stopped: what is committed is never computed twice, and units that an \
            earlier start has quarantined get another chance. The run's folder gets \
            records/, the ledger in state/, the workers' logs in logs/ and the training set in dataset/. \
            With an output in a bucket, ledger and logs lie in NAME.state in this folder, or where --state \
            says.

              bolster run manifests/demo.yaml --workers 2 --output demo-run

            Ctrl-C: workers finish their chunks and leave, exit code 3; a second one ends at once.
            """)

    @Argument(help: "The manifest, a YAML file.")
    var manifest: String

    @Option(help: "Worker processes.")
    var workers = 1

    @Option(help: "The run's folder, instead of the manifest's output.")
    var output: String?

    @Option(
        help: "The folder of ledger and logs, on this machine's disk. Default: state/ in the run's folder.")
    var state: String?

    @Option(help: "Devices for the workers, dealt out in turn: cpu, cuda:0, cuda:0-7.")
    var devices = "cpu"

    @Option(help: "CPU threads in all, divided among the workers. Default: all cores.")
    var threads: Int?

    @Option(help: "The coordinator's address; the default takes any free port on loopback.")
    var listen = "tcp://127.0.0.1:*"

    @Flag(help: "Leave the merge out.")
    var noMerge = false

    @OptionGroup var storage: CacheOptions
    @OptionGroup var pageOptions: StatusPageOptions
    @OptionGroup var logging: LogOptions

    func validate() throws {
        if workers < 1 || workers > 1024 {
            throw ValidationError("--workers takes 1 to 1024, not \(workers)")
        }
        if let threads, threads < 1 {
            throw ValidationError("--threads takes a number from 1, not \(threads)")
        }
    }

    func run() throws {
        try reporting {
            let run = try PreparedRun(manifest: manifest, output: output)
            let state = state.map(absolutePath) ?? run.defaultState
            let devices = try DeviceList.parse(devices)
            _ = try InferenceRuntime.locate()
            let outcome = try LocalRun(
                run, state: state, workers: workers, devices: devices,
                threads: max(1, (threads ?? ProcessInfo.processInfo.activeProcessorCount) / workers),
                listen: listen, storage: storage, page: pageOptions, logging: logging
            ).run()
            guard outcome == .done || outcome == .faulty, !noMerge else { return outcome }
            let merged = try Merge.merge(
                run, out: run.defaultDataset, state: state, partial: outcome == .faulty,
                strict: false, logging: logging)
            return outcome == .done ? merged : outcome
        }
    }
}

/// The coordinator in this process and its workers beside it.
struct LocalRun {
    private let state: String
    private let coordinator: Coordinator
    private let supervisor: WorkerSupervisor
    private let page: StatusPage?
    private let logs: String

    init(
        _ run: PreparedRun, state: String, workers: Int, devices: [Device], threads: Int, listen: String,
        storage: CacheOptions, page pageOptions: StatusPageOptions, logging: LogOptions
    ) throws {
        self.state = state
        let logs = (run.isLocal && state == run.defaultState ? run.output : state) + "/logs"
        self.logs = logs
        do {
            try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
        } catch {
            throw CommandError(
                "the run's folder cannot be made: \(run.output): \(error.localizedDescription)")
        }
        var quiet = logging.logger("bolster.coordinator")
        if logging.logLevel == .info { quiet.logLevel = .warning }
        var coordination = run.coordination(
            state: state, listen: listen, security: nil, log: quiet)
        coordination.retryQuarantined = true
        coordination.workersInProgress = pageOptions.workersInProgress
        coordinator = try Coordinator(coordination)
        page = try pageOptions.page(for: coordinator, log: quiet)
        let endpoint = coordinator.endpoint
        let slots = (0..<workers).map { index in
            WorkerSupervisor.Slot(
                name: "local-\(index)",
                arguments: [
                    "work", "--coordinator", endpoint, "--devices", "\(devices[index % devices.count])",
                    "--threads", "\(threads)", "--name", "local-\(index)", "--supervised-by", "\(getpid())",
                ] + storage.arguments + logging.arguments, logFile: "\(logs)/worker-\(index).log")
        }
        supervisor = WorkerSupervisor(
            program: try programPath(), slots: slots, log: logging.logger("bolster.supervisor"))
    }

    func run() throws -> Outcome {
        let display = ProgressDisplay()
        let coordinator = coordinator
        let supervisor = supervisor
        let signals = StopSignals(
            first: {
                Terminal.note("stopping: the workers finish their chunks; once more to end at once")
                coordinator.drain()
                supervisor.stop()
            },
            second: {
                supervisor.kill()
                Foundation.exit(Outcome.interrupted.rawValue)
            })
        defer { signals.cancel() }
        try supervisor.start()
        defer { supervisor.kill() }
        let watch = DispatchSource.makeTimerSource()
        watch.schedule(deadline: .now() + 1, repeating: 1)
        watch.setEventHandler {
            guard supervisor.allEnded else { return }
            switch Outcome.worst(of: supervisor.wait()) {
            case .done, .faulty: break  // They have heard that the run is over.
            case .interrupted: coordinator.drain()
            case .failed, .refused: coordinator.stop()
            }
        }
        watch.resume()
        defer { watch.cancel() }
        defer { page?.stop() }
        var bottlenecks = BottleneckSummary()
        let outcome = try coordinator.run { status in
            page?.publish(status)
            bottlenecks.add(status)
            display.show(ProgressLines.lines(of: status, style: display.style))
        }
        display.finish()
        if let line = bottlenecks.line { Terminal.note(line) }
        switch outcome {
        case .finished(quarantined: 0, blocked: 0): return .done
        case .finished(let quarantined, let blocked):
            Terminal.note(
                "\(quarantined) units are quarantined and \(blocked) wait for them; see "
                    + "`bolster status --state \(state)`")
            return .faulty
        case .drained: return .interrupted
        case .stopped:
            throw CommandError(
                "every worker has ended before the run was done; the last lines of \(logs)/worker-0.log:\n"
                    + lastLines(of: logs + "/worker-0.log"))
        }
    }

    private func lastLines(of file: String) -> String {
        guard let data = FileManager.default.contents(atPath: file) else { return "  (no log)" }
        let lines = String(decoding: data.suffix(4000), as: UTF8.self).split(separator: "\n")
        return lines.suffix(8).map { "  \($0)" }.joined(separator: "\n")
    }
}
