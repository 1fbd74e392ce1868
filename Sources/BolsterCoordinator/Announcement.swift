import BolsterMessaging

/// This coordinator's place in the rendezvous folder.
struct Announcement: Sendable {
    private let directory: String
    private let rendezvous: Rendezvous

    /// Writes where this coordinator listens; nil where no folder is configured.
    init?(_ configuration: CoordinatorConfiguration, endpoint: String, generation: UInt64)
        throws(MessagingError)
    {
        guard let directory = configuration.rendezvous else { return nil }
        self.directory = directory
        rendezvous = Rendezvous(
            address: Self.address(of: endpoint, hostName: configuration.hostName),
            serverKey: configuration.security?.keys.publicKey, generation: generation)
        try rendezvous.write(to: directory)
    }

    func change(to state: Rendezvous.State) throws(MessagingError) {
        var changed = rendezvous
        changed.state = state
        try changed.write(to: directory)
    }

    /// Where other machines reach a socket: one that listens on every interface has the machine's name.
    static func address(of endpoint: String, hostName: String) -> String {
        for every in ["tcp://0.0.0.0:", "tcp://[::]:", "tcp://*:"] where endpoint.hasPrefix(every) {
            return "tcp://\(hostName):\(endpoint.dropFirst(every.count))"
        }
        return endpoint
    }
}
