import ArgumentParser
import BolsterMessaging

/// The keys of a worker or an operator; needed wherever the coordinator is not on this machine.
struct ClientKeyOptions: ParsableArguments {
    @Option(help: "This worker's secret key file, from `bolster keys new`.")
    var key: String?

    @Option(help: "The coordinator's public key file.")
    var serverKey: String?

    func validate() throws {
        if key == nil, serverKey != nil {
            throw ValidationError("--key and --server-key go together: both, or neither on one machine")
        }
    }

    /// - Parameter found: the coordinator's key as a rendezvous says it; --server-key goes before it.
    func security(serverKey found: CurveKey? = nil) throws -> ClientSecurity? {
        guard let key, let known = try serverKey.map(KeyStore.publicKey) ?? found else { return nil }
        return ClientSecurity(keys: try KeyStore.pair(at: key), serverKey: known)
    }

    var arguments: [String] {
        (key.map { ["--key", $0] } ?? []) + (serverKey.map { ["--server-key", $0] } ?? [])
    }
}

/// The keys of a coordinator; needed to listen on anything but loopback.
struct ServerKeyOptions: ParsableArguments {
    @Option(help: "The coordinator's secret key file, from `bolster keys new`.")
    var key: String?

    @Option(help: "The file of allowed public keys, from `bolster keys allow`.")
    var allow: String?

    func validate() throws {
        if (key == nil) != (allow == nil) {
            throw ValidationError("--key and --allow go together: both, or neither on loopback")
        }
    }

    func security() throws -> ServerSecurity? {
        guard let key, let allow else { return nil }
        return ServerSecurity(keys: try KeyStore.pair(at: key), allowed: try AllowList(path: allow))
    }
}
