import ArgumentParser
import BolsterMessaging
import Foundation

/// Where a run's coordinator is: an address, or a folder in which it says so itself.
struct CoordinatorOptions: ParsableArguments {
    @Option(help: "The coordinator's address, e.g. tcp://127.0.0.1:5570.")
    var coordinator: String?

    @Option(help: "The folder given to `coordinate --rendezvous`: it says address and public key.")
    var rendezvous: String?

    @OptionGroup var keys: ClientKeyOptions

    func validate() throws {
        if coordinator != nil, rendezvous != nil {
            throw ValidationError("give --coordinator ENDPOINT or --rendezvous DIR, one of them")
        }
        if keys.key != nil, keys.serverKey == nil, rendezvous == nil {
            throw ValidationError("--key needs --server-key, or a --rendezvous that says the server's key")
        }
    }

    var isGiven: Bool { coordinator != nil || rendezvous != nil }

    /// The address, and the keys to use there. A rendezvous that is not there yet is waited for.
    ///
    /// - Parameters:
    ///   - patience: how long to wait for a coordinator to appear.
    ///   - evenIfOver: where the run's coordinator was, or still is, also when the run is over.
    /// - Returns: nil where the run is over, as the rendezvous says.
    func locate(
        patience: Duration, evenIfOver: Bool = false
    ) throws -> (endpoint: String, security: ClientSecurity?)? {
        if let coordinator { return (coordinator, try keys.security()) }
        let folder = absolutePath(rendezvous ?? "")
        let start = ContinuousClock.now
        while true {
            let found = try Rendezvous.read(from: folder)
            if let found, found.state == .running || evenIfOver {
                return (found.address, try keys.security(serverKey: found.serverKey))
            }
            let waited = ContinuousClock.now - start
            // What is left from an earlier run may be replaced in a moment by a coordinator that starts.
            if case .finished = found?.state, waited >= min(patience, Self.staleAfter) { return nil }
            guard waited < patience else {
                throw CommandError(
                    "no coordinator runs at the rendezvous \(folder): start one with "
                        + "`bolster coordinate … --rendezvous \(folder)`")
            }
            Thread.sleep(forTimeInterval: 0.5)
        }
    }

    /// What a process started with these options needs to be given, so that it finds the same coordinator.
    var arguments: [String] {
        (coordinator.map { ["--coordinator", $0] } ?? [])
            + (rendezvous.map { ["--rendezvous", absolutePath($0)] } ?? []) + keys.arguments
    }

    private static let staleAfter = Duration.seconds(60)
}
