import ArgumentParser
import BolsterMessaging
import Foundation

/// The load generator's process of `scale`: many workers, each with a connection, identity and lease of its
/// own. Takes its orders a line at a time.
///
///     connected SECONDS
///     saturate SECONDS WINDOW              -> saturated OPERATIONS SECONDS CPU
///     open SECONDS OPERATIONS HEARTBEATS   -> opened OPERATIONS SECONDS CPU, then its latencies in µs
struct ScaleLoad: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "scale-load", shouldDisplay: false)

    @Option var folder: String
    @Option var endpoint: String
    @Option var name: String
    @Option var workers: Int

    func run() throws {
        let files = OpenFiles.raiseLimit()
        guard files > 2 * workers + 64 else {
            throw ValidationError(
                "\(workers) workers need \(2 * workers + 64) open files, the limit is \(files)")
        }
        let run = ScaleRun(folder: folder, shardCount: 0)
        let security = ClientSecurity(
            keys: try KeyStore.pair(at: run.keyFile(name)),
            serverKey: try KeyStore.publicKey(run.keyFile("coordinator") + ".pub"))
        let generator = try LoadGenerator(
            endpoint: endpoint, name: name, workers: workers, security: security)
        say("connected \(try generator.connect())")
        while let line = readLine() {
            let words = line.split(separator: " ").map { Double($0) ?? 0 }
            let begun = processTime()
            if line.hasPrefix("saturate") {
                let (operations, seconds) = try generator.saturate(
                    for: .seconds(words[1]), window: Int(words[2]))
                say("saturated \(operations) \(seconds) \(processTime() - begun)")
            } else if line.hasPrefix("open") {
                let (operations, seconds) = try generator.open(
                    for: .seconds(words[1]), operations: words[2], heartbeats: words[3])
                say("opened \(operations) \(seconds) \(processTime() - begun)")
                say(generator.latencies.map { "\($0)" }.joined(separator: " "))
            }
        }
    }

    /// Seconds of CPU that this process has used.
    private func processTime() -> Double {
        var use = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &use)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(use.ru_utime) + seconds(use.ru_stime)
    }
}
