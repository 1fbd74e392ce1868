import ArgumentParser
import BolsterInference
import BolsterMessaging
import BolsterWorker
import Foundation
import Synchronization

struct Work: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Work for a coordinator: one process per device, started again after a crash.",
        discussion: """
            Each process asks the coordinator for leases, runs the models on its device, stores record \
            files in the \
            run's output and commits them. Start it on as many machines as you like, at any time.

              bolster work --coordinator tcp://127.0.0.1:5570
              bolster work --coordinator tcp://head:5570 --devices cuda:0-7 --key worker.key --server-key \
              head.pub
              bolster work --rendezvous /shared/run/rendezvous --key worker.key

            SIGTERM, SIGINT or SIGUSR1 (Slurm's warning): no further chunk is begun, leases go back, exit \
            code 3. What is not finished within --grace is given up: its lease goes back, its chunk is lost, \
            no attempt is burnt. A second signal: at once. Other exit codes: 0 the run is finished; 2 it is, \
            with quarantined units; 4 the coordinator refused this worker.
            """)

    @Option(help: "Devices, comma-separated: cpu, cuda:0, cuda:0-7. One process each.")
    var devices = "cpu"

    @Option(help: "CPU threads in all, divided among the devices' processes. Default: all cores.")
    var threads: Int?

    @Option(
        help: "This worker's name, unique in the run; a restarted worker of the same name takes over at once."
    )
    var name: String?

    @Option(help: "What this worker may be asked for by the manifest's placement, comma-separated.")
    var labels = ""

    @Option(help: "Seconds from SIGTERM or SIGUSR1 in which the chunk in hand may be finished and committed.")
    var grace = 30

    @Option(help: "Chunks of a stage between two probes of its models; 0 proves them at loading only.")
    var probeEvery = WorkerConfiguration.probeEveryDefault

    @Option(help: "Megabytes that captions decoded side by side may take; fewer are, if need be.")
    var cacheMemory: Int?

    @Option(help: "Minutes without a word from the coordinator after which the worker gives up.")
    var giveUpAfter = 30

    @OptionGroup var storage: CacheOptions
    @OptionGroup var place: CoordinatorOptions
    @OptionGroup var logging: LogOptions

    @Option(help: .hidden)
    var supervisedBy: Int32?

    func validate() throws {
        if let threads, threads < 1 {
            throw ValidationError("--threads takes a number from 1, not \(threads)")
        }
        if !(0...86_400).contains(grace) {
            throw ValidationError("--grace takes 0 to 86400 seconds, not \(grace)")
        }
        if !place.isGiven { throw ValidationError("give --coordinator ENDPOINT or --rendezvous DIR") }
        if let cacheMemory, cacheMemory < 1 {
            throw ValidationError("--cache-memory takes megabytes from 1, not \(cacheMemory)")
        }
        if probeEvery < 0 { throw ValidationError("--probe-every takes a number from 0, not \(probeEvery)") }
        _ = try deviceList()
    }

    func run() throws {
        try reporting {
            let list = try deviceList()
            let total = threads ?? ProcessInfo.processInfo.activeProcessorCount
            if let supervisedBy { return try workHere(list[0], threads: total, parent: supervisedBy) }
            return try superviseChildren(list, threads: max(1, total / list.count))
        }
    }

    private func deviceList() throws -> [Device] {
        do {
            return try DeviceList.parse(devices)
        } catch {
            throw ValidationError("--devices: \(error)")
        }
    }

    private func workHere(_ device: Device, threads: Int, parent: Int32) throws -> Outcome {
        let patience = Duration.seconds(60 * giveUpAfter)
        guard let (endpoint, security) = try place.locate(patience: patience) else {
            Terminal.note("bolster: the run is over, as its rendezvous says")
            return .done
        }
        var configuration = WorkerConfiguration(
            endpoint: endpoint, security: security, name: name ?? Self.defaultName(device),
            host: Self.hostName, device: device, threads: threads, parent: parent, giveUpAfter: patience,
            program: BolsterVersion.text,
            log: logging.logger("bolster.work"))
        storage.apply(to: &configuration)
        configuration.rendezvous = place.rendezvous.map(absolutePath)
        configuration.grace = .seconds(grace)
        configuration.probeEvery = probeEvery
        configuration.cacheMemory = cacheMemory.map { $0 << 20 }
        configuration.labels = labels.split(separator: ",").map(String.init)
        let worker = Worker(configuration)
        let signals = StopSignals(
            first: { [grace] in
                worker.drain()
                // A device that hangs in the middle of a chunk must not outlive the promise.
                DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(grace + 5)) {
                    Foundation.exit(Outcome.interrupted.rawValue)
                }
            },
            second: { Foundation.exit(Outcome.interrupted.rawValue) })
        defer { signals.cancel() }
        return switch try worker.run() {
        case .finished(quarantined: 0, blocked: 0): .done
        case .finished: .faulty
        case .drained, .interrupted: .interrupted
        case .refused(let reason): refused(reason)
        }
    }

    private func refused(_ reason: String) -> Outcome {
        Terminal.note("bolster: the coordinator refused this worker: \(reason)")
        return .refused
    }

    private func superviseChildren(_ devices: [Device], threads: Int) throws -> Outcome {
        let base = name ?? Self.hostName
        let slots = devices.enumerated().map { index, device in
            let twins = devices[..<index].count { $0 == device }
            let suffix = twins == 0 ? "-\(device)" : "-\(device)-\(twins + 1)"
            let name = devices.count == 1 && self.name != nil ? base : base + suffix
            return WorkerSupervisor.Slot(
                name: name, arguments: childArguments(device, threads: threads, name: name))
        }
        let supervisor = WorkerSupervisor(
            program: try programPath(), slots: slots, log: logging.logger("bolster.supervisor"))
        let isCutShort = Mutex(false)
        let signals = StopSignals(
            first: { supervisor.stop() },
            second: {
                isCutShort.withLock { $0 = true }
                supervisor.kill()
            })
        defer { signals.cancel() }
        try supervisor.start()
        let outcome = Outcome.worst(of: supervisor.wait())
        return isCutShort.withLock { $0 } ? .interrupted : outcome
    }

    private func childArguments(_ device: Device, threads: Int, name: String) -> [String] {
        var arguments = [
            "work", "--devices", "\(device)", "--threads", "\(threads)",
            "--name", name,
            "--supervised-by", "\(getpid())", "--give-up-after", "\(giveUpAfter)",
        ]
        arguments += logging.arguments
        arguments += storage.arguments
        arguments += ["--grace", "\(grace)"]
        arguments += ["--probe-every", "\(probeEvery)"]
        if let cacheMemory { arguments += ["--cache-memory", "\(cacheMemory)"] }
        if !labels.isEmpty { arguments += ["--labels", labels] }
        arguments += place.arguments
        return arguments
    }

    private static func defaultName(_ device: Device) -> String { "\(hostName)-\(device)" }
    static var hostName: String { ProcessInfo.processInfo.hostName }
}

extension Outcome {
    /// What a parent of several workers ends with: the gravest of their exit codes.
    static func worst(of codes: [Int32]) -> Outcome {
        let order: [Outcome] = [.done, .interrupted, .faulty, .refused, .failed]
        let outcomes = codes.map { Outcome(rawValue: $0) ?? .failed }
        return outcomes.max { (order.firstIndex(of: $0) ?? 0) < (order.firstIndex(of: $1) ?? 0) } ?? .done
    }
}

/// This executable's own path, to start workers with.
func programPath() throws -> String {
    let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return path.hasSuffix(" (deleted)") ? String(path.dropLast(10)) : path
}
