import ArgumentParser
import BolsterCoordinator
import BolsterMessaging
import Foundation
import Logging

/// The coordinator's process of `scale`. Says where it listens, serves until its input ends.
struct ScaleServe: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "scale-serve", shouldDisplay: false)

    @Option var folder: String
    @Option var shards: Int
    @Option var prefill = 0

    func run() throws {
        let run = ScaleRun(folder: folder, shardCount: shards)
        if prefill > 0 {
            try FileManager.default.createDirectory(atPath: run.state, withIntermediateDirectories: true)
            return try run.prefill(prefill)
        }
        let begun = ContinuousClock.now
        let security = ServerSecurity(
            keys: try KeyStore.pair(at: run.keyFile("coordinator")),
            allowed: try AllowList(path: run.allowList))
        var log = Logger(label: "scale") { StreamLogHandler.standardError(label: $0) }
        log.logLevel = .error
        let coordinator = try Coordinator(run.configuration(security: security, log: log))
        say("listening \(coordinator.endpoint) \((ContinuousClock.now - begun) / .seconds(1))")
        let reader = Thread {
            while readLine() != nil {}
            coordinator.stop()
        }
        reader.start()
        _ = try coordinator.run { _ in }
    }
}

/// A line at once, though the output is a pipe.
func say(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
