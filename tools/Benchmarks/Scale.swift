import ArgumentParser
import BolsterMessaging
import Foundation

/// A real coordinator over real sockets, with the simulated workers of a large run.
struct Scale: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Grants, commits and heartbeats of ten thousand workers, over CURVE.",
        discussion: """
            A coordinator process leases a run of four stages over --shards shards to --workers workers, \
            each with a connection, identity and handshake of its own, from --generators other processes. \
            First as many grants and commits as go, each durable before it is answered; then a fixed rate \
            of them beside heartbeats, whether or not the answers keep up, and how long a grant takes. \
            Memory and CPU are the coordinator's; the generators' CPU is told apart. At the end a ledger \
            with 200,000 finished units is opened.
            """)

    @Option(help: "Shards of the run.") var shards = 65_536
    @Option(help: "Connected workers.") var workers = 10_000
    @Option(help: "Processes that the workers live in.") var generators = 2
    @Option(help: "Workers active at a time while saturating.") var window = 1_024
    @Option(help: "Seconds of each phase.") var seconds = 15.0
    @Option(help: "Durable operations a second of the second phase.") var operations = 2_000.0
    @Option(help: "Heartbeats a second of the second phase.") var heartbeats = 1_000.0
    @Option(help: "Finished units of the ledger that is opened at the end.") var finished = 200_000
    @Option(help: "Where the ledger and the output lie; a folder of the system's by default.")
    var folder: String?

    func run() throws {
        let place = "\(folder ?? NSTemporaryDirectory())/bolster-scale-\(getpid())"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        defer { unlinkTree(place) }
        let run = ScaleRun(folder: place, shardCount: shards)
        let costs = try synchronisations(in: place).sorted()
        say(
            "disk: 4 KiB written and synchronised in \(ms(costs, 0.5)) ms, p99 \(ms(costs, 0.99)) ms"
        )
        try makeKeys(run)
        try serve(run)
        try restart(run)
    }

    private func makeKeys(_ run: ScaleRun) throws {
        _ = try KeyStore.create(at: run.keyFile("coordinator"))
        for number in 0..<generators {
            let pair = try KeyStore.create(at: run.keyFile("workers\(number)"))
            try KeyStore.allow(pair.publicKey, name: "workers\(number)", in: run.allowList)
        }
    }

    private func serve(_ run: ScaleRun) throws {
        let coordinator = try Child(["scale-serve", "--folder", run.folder, "--shards", "\(shards)"])
        let endpoint = try coordinator.answer()[1]
        let loads = try (0..<generators).map { number in
            try Child([
                "scale-load", "--folder", run.folder, "--endpoint", String(endpoint), "--name",
                "workers\(number)", "--workers", "\(share(number))",
            ])
        }
        let connecting = try loads.map { try number($0.answer(), 1) }.max() ?? 0
        say("connected: \(workers) workers with CURVE in \(rounded(connecting)) s")
        try saturate(coordinator, loads)
        try open(coordinator, loads)
        say("coordinator's memory: \(Int(try ProcessUse(coordinator.number).peak)) MiB at its highest")
        for load in loads { load.close() }
        coordinator.close()
    }

    private func share(_ number: Int) -> Int {
        workers * (number + 1) / generators - workers * number / generators
    }

    private func saturate(_ coordinator: Child, _ loads: [Child]) throws {
        let before = try ProcessUse(coordinator.number).seconds
        for load in loads { load.order("saturate \(seconds) \(window / generators)") }
        let answers = try loads.map { try $0.answer() }
        let used = try ProcessUse(coordinator.number).seconds - before
        let done = try answers.map { try number($0, 1) / number($0, 2) }.reduce(0, +)
        let load = try answers.map { try number($0, 3) }.reduce(0, +)
        say(
            "saturation: \(Int(done)) durable grants and commits a second; CPU: coordinator "
                + "\(rounded(used / seconds)) cores, load \(rounded(load / seconds)) cores")
    }

    private func open(_ coordinator: Child, _ loads: [Child]) throws {
        let before = try ProcessUse(coordinator.number).seconds
        let part = Double(generators)
        for load in loads { load.order("open \(seconds) \(operations / part) \(heartbeats / part)") }
        var latencies: [Double] = []
        var done = 0.0
        var used = 0.0
        for load in loads {
            let answer = try load.answer()
            done += try number(answer, 1) / number(answer, 2)
            used += try number(answer, 3)
            latencies += try load.answer().compactMap { Double($0).map { $0 / 1_000 } }
        }
        latencies.sort()
        let own = try ProcessUse(coordinator.number).seconds - before
        say(
            "open loop: \(Int(done)) durable operations and \(Int(heartbeats)) heartbeats a second; a grant "
                + "takes \(ms(latencies, 0.5)) ms (median), \(ms(latencies, 0.99)) ms (p99), "
                + "\(ms(latencies, 1)) ms (worst of \(latencies.count)); CPU: coordinator "
                + "\(rounded(own / seconds)) cores, load \(rounded(used / seconds)) cores")
    }

    private func restart(_ run: ScaleRun) throws {
        unlinkTree(run.state)
        unlinkTree(run.output)
        let arguments = ["scale-serve", "--folder", run.folder, "--shards", "\(shards)"]
        Child.run(try Child(arguments + ["--prefill", "\(finished)"]))
        let coordinator = try Child(arguments)
        let seconds = try number(coordinator.answer(), 2)
        let memory = try ProcessUse(coordinator.number).peak
        say("restart: \(finished) finished units in \(rounded(seconds)) s, \(Int(memory)) MiB")
        coordinator.close()
    }

    private func number(_ words: [Substring], _ index: Int) throws -> Double {
        guard words.count > index, let number = Double(words[index]) else {
            throw ValidationError("a process answered \(words.joined(separator: " "))")
        }
        return number
    }

    private func ms(_ sorted: [Double], _ quantile: Double) -> String {
        guard let last = sorted.last else { return "no" }
        let place = Int(quantile * Double(sorted.count))
        return rounded(place < sorted.count ? sorted[place] : last)
    }

    private func rounded(_ number: Double) -> String { String(format: "%.2f", number) }

    private func unlinkTree(_ path: String) {
        do {
            if FileManager.default.fileExists(atPath: path) {
                try FileManager.default.removeItem(atPath: path)
            }
        } catch {
            say("left behind: \(path): \(error)")
        }
    }
}

extension Child {
    /// Lets a child that has nothing to say run to its end.
    static func run(_ child: Child) { child.close() }
}
