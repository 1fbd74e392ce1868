import Glibc
import Testing

@testable import BolsterMessaging

@Suite(.timeLimit(.minutes(1))) struct CurveTests {
    private let scratch = Scratch()
    private let server: CurveKeyPair
    private let worker: CurveKeyPair
    private let list: String

    init() throws {
        server = try KeyStore.create(at: scratch.path + "/server")
        worker = try KeyStore.create(at: scratch.path + "/worker")
        list = scratch.path + "/allowed"
        try KeyStore.allow(worker.publicKey, name: "worker", in: list)
    }

    private func router() throws -> RouterAtWork {
        let security = ServerSecurity(keys: server, allowed: try AllowList(path: list))
        return try RouterAtWork(
            RouterSocket(listen: "tcp://127.0.0.1:*", security: security), answer: RouterAtWork.echo)
    }

    private func dealer(_ router: RouterAtWork, _ keys: CurveKeyPair) throws -> DealerSocket {
        try DealerSocket(
            connect: router.socket.endpoint, identity: [1],
            security: ClientSecurity(keys: keys, serverKey: server.publicKey))
    }

    @Test("An allowed key is let in, and each frame carries it")
    func allowed() throws {
        let router = try router()
        defer { router.stop() }
        #expect(try dealer(router, worker).collect(1, sending: [[4]]) == [[4]])
        #expect(router.received.withLock { $0.map(\.peer.key) } == [worker.publicKey.text])
    }

    @Test("A stranger's key gets silence, and the refusal is counted and named")
    func stranger() throws {
        let router = try router()
        defer { router.stop() }
        let stranger = try CurveKeyPair.generate()
        let dealer = try dealer(router, stranger)
        #expect(try dealer.send([1]))
        #expect(try dealer.listen(ticks: 20).isEmpty)
        #expect(dealer.counters.sent == 0)
        #expect(dealer.counters.refusals > 0)
        #expect(router.socket.counters.received == 0)
        #expect(router.socket.refusals[.stranger].count > 0)
        #expect(router.socket.refusals[.stranger].latest.contains(stranger.publicKey.text))
    }

    @Test("No key gets silence, and is counted")
    func withoutKey() throws {
        let router = try router()
        defer { router.stop() }
        let dealer = try DealerSocket(connect: router.socket.endpoint, identity: [1], security: nil)
        #expect(try dealer.send([1]))
        #expect(try dealer.listen(ticks: 20).isEmpty)
        #expect(router.socket.counters.received == 0)
        #expect(router.socket.refusals[.handshake].count > 0)
        #expect(router.socket.refusals[.stranger].count == 0)
    }

    @Test("The longest frame fits with what CURVE adds, both ways") func longest() throws {
        let router = try router()
        defer { router.stop() }
        let longest = [UInt8](repeating: 7, count: MessagingLimits.frameBytesMax)
        #expect(try dealer(router, worker).collect(1, sending: [longest]) == [longest])
    }

    @Test("A server that cannot prove the expected key is sent nothing")
    func impostor() throws {
        let router = try router()
        defer { router.stop() }
        let dealer = try DealerSocket(
            connect: router.socket.endpoint, identity: [1],
            security: ClientSecurity(keys: worker, serverKey: try CurveKeyPair.generate().publicKey))
        #expect(try dealer.send([1]))
        #expect(try dealer.listen(ticks: 20).isEmpty)
        #expect(dealer.counters.sent == 0)
    }

    @Test("A key allowed while the server runs is let in by the same, still trying dealer")
    func allowedLater() throws {
        let router = try router()
        defer { router.stop() }
        let late = try CurveKeyPair.generate()
        let dealer = try dealer(router, late)
        #expect(try dealer.send([8]))
        var allowed = false
        var heard: [[UInt8]] = []
        var ticks = 0
        try dealer.run(tick: .milliseconds(20)) { frames, isTick in
            heard += frames
            if isTick { ticks += 1 }
            if !allowed, dealer.counters.refusals > 0 {
                try KeyStore.allow(late.publicKey, name: "late", in: list)
                allowed = true
            }
            if !heard.isEmpty || ticks > 1_000 { dealer.stop() }
            return []
        }
        #expect(heard == [[8]])
    }

    @Test("A revoked key is silenced although its connection stands")
    func revoked() throws {
        let router = try router()
        defer { router.stop() }
        let dealer = try dealer(router, worker)
        var ticks = 0
        try dealer.run(tick: .milliseconds(20)) { frames, isTick in
            if !frames.isEmpty, access(list, F_OK) == 0 {
                let keys = try KeyStore.allowedKeys(at: list)
                if !keys.isEmpty {
                    #expect(try KeyStore.revoke("worker", in: list).map(\.name) == ["worker"])
                }
            }
            if isTick { ticks += 1 }
            if router.socket.refusals[.revoked].count > 0 || ticks > 500 { dealer.stop() }
            return isTick ? [[1]] : []
        }
        #expect(router.socket.refusals[.revoked].count > 0)
    }

    @Test("A list that is deleted, or that others may write, admits nobody and says so")
    func closed() throws {
        let allowed = try AllowList(path: list)
        #expect(allowed.contains(worker.publicKey.text))
        chmod(list, 0o666)
        // The mode is no part of the stamp; any change of content is.
        try KeyStore.allow(server.publicKey, name: "second", in: scratch.path + "/other")
        #expect(throws: MessagingError.self) { try AllowList(path: list) }
        unlink(list)
        allowed.reloadIfChanged()
        #expect(!allowed.contains(worker.publicKey.text))
        #expect(allowed.problem?.contains(list) == true)
        rename(scratch.path + "/other", list)
        allowed.reloadIfChanged()
        #expect(allowed.contains(server.publicKey.text))
        #expect(allowed.problem == nil)
        unlink(scratch.path + "/other.lock")
    }
}
