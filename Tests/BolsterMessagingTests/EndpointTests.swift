import Testing

@testable import BolsterMessaging

@Suite struct EndpointTests {
    @Test(
        "Loopback addresses and Unix sockets are local, everything else leaves the machine",
        arguments: [
            ("tcp://127.0.0.1:5570", true), ("tcp://127.8.9.1:*", true), ("tcp://localhost:1", true),
            ("tcp://[::1]:65535", true), ("ipc:///run/bolster", true), ("tcp://*:5570", false),
            ("tcp://0.0.0.0:5570", false), ("tcp://10.0.0.1:5570", false), ("tcp://127.example.org:1", false),
            ("tcp://[::]:5570", false), ("tcp://eth0:5570", false),
        ])
    func local(_ text: String, _ local: Bool) throws {
        #expect(try Endpoint(text, for: .listen).isLocal == local)
    }

    @Test(
        "A wrong endpoint is named, with what is wrong about it",
        arguments: [
            ("5570", "tcp://"), ("udp://127.0.0.1:1", "tcp://"), ("tcp://127.0.0.1", ":PORT"),
            ("tcp://127.0.0.1:", "1 to 65535"), ("tcp://127.0.0.1:65536", "1 to 65535"),
            ("tcp://127.0.0.1:http", "1 to 65535"), ("tcp://:5570", "no host"),
            ("tcp://::1:5570", "brackets"),
            ("tcp://[::1:5570", "closing ]"), ("tcp://a b:5570", "no name"), ("ipc://", "no path"),
        ])
    func wrong(_ text: String, _ expected: String) {
        let error = #expect(throws: MessagingError.self) { try Endpoint(text, for: .listen) }
        #expect(error?.code == .badEndpoint)
        #expect(error?.description.contains(expected) == true)
        #expect(error?.description.contains(text) == true)
    }

    @Test("A client must name host and port", arguments: ["tcp://*:5570", "tcp://127.0.0.1:*"])
    func clients(_ text: String) {
        #expect(throws: MessagingError.self) { try Endpoint(text, for: .connect) }
    }

    @Test("Off loopback without keys nothing is bound and nothing dialled")
    func unprotected() {
        let listening = #expect(throws: MessagingError.self) {
            try RouterSocket(listen: "tcp://*:0", security: nil)
        }
        #expect(listening?.code == .keysRequired)
        let connecting = #expect(throws: MessagingError.self) {
            try DealerSocket(connect: "tcp://192.0.2.1:5570", identity: [1], security: nil)
        }
        #expect(connecting?.code == .keysRequired)
    }
}
