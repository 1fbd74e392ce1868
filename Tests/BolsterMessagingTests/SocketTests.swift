import Glibc
import Synchronization
import Testing

@testable import BolsterMessaging

@Suite(.timeLimit(.minutes(1))) struct SocketTests {
    private static let loopback = "tcp://127.0.0.1:*"

    @Test("Ten thousand frames come back in order")
    func order() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), answer: RouterAtWork.echo)
        defer { router.stop() }
        let dealer = try DealerSocket(
            connect: router.socket.endpoint, identity: Array("w1".utf8), security: nil)
        let frames = (0..<10_000).map { Array("frame \($0)".utf8) }
        var echoed: [[UInt8]] = []
        var next = 0
        var ticks = 0
        try dealer.run(tick: .milliseconds(20)) { incoming, isTick in
            echoed += incoming
            if isTick { ticks += 1 }
            if echoed.count == frames.count || ticks > 500 { dealer.stop() }
            // 500 in flight, so that neither queue overflows.
            let batch = frames[next..<min(frames.count, max(next, echoed.count + 500))]
            next += batch.count
            return Array(batch)
        }
        #expect(echoed == frames)
        #expect(router.socket.counters.received == 10_000)
        #expect(router.socket.counters.sent == 10_000)
        #expect(dealer.counters.overflowed == 0)
        #expect(router.received.withLock { $0.allSatisfy { $0.peer.key == nil } })
    }

    @Test("A port in use is an error that names the endpoint and what to do")
    func portInUse() throws {
        let first = try RouterSocket(listen: Self.loopback, security: nil)
        let error = #expect(throws: MessagingError.self) {
            try RouterSocket(listen: first.endpoint, security: nil)
        }
        #expect(error?.code == .endpointInUse)
        #expect(error?.description.contains(first.endpoint) == true)
        #expect(error?.message.contains("another port") == true)
    }

    @Test("The port is free again when run has returned")
    func portFreed() throws {
        let first = try RouterAtWork(RouterSocket(listen: Self.loopback, security: nil))
        first.stop()
        let second = try RouterSocket(listen: first.socket.endpoint, security: nil)
        #expect(second.endpoint == first.socket.endpoint)
    }

    @Test("Stop from another thread ends a run that would sleep for an hour, also before it began")
    func stop() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), tick: .seconds(3_600))
        let dealer = try DealerSocket(connect: router.socket.endpoint, identity: [1], security: nil)
        let runner = try NamedThread("dealer") {
            do { try dealer.run(tick: .seconds(3_600)) { _, _ in [] } } catch { Issue.record(error) }
        }
        router.stop()
        dealer.stop()
        runner.join()
        let unused = try DealerSocket(connect: router.socket.endpoint, identity: [1], security: nil)
        unused.stop()
        try unused.run(tick: .seconds(3_600)) { _, _ in [] }
        #expect(router.failure.withLock { $0 } == nil)
    }

    @Test("What another thread sends wakes a sleeping dealer")
    func sendFromAfar() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), tick: .seconds(3_600),
            answer: RouterAtWork.echo)
        defer { router.stop() }
        let dealer = try DealerSocket(connect: router.socket.endpoint, identity: [7], security: nil)
        let got = Mutex<[[UInt8]]>([])
        let runner = try NamedThread("dealer") {
            do {
                try dealer.run(tick: .seconds(3_600)) { frames, _ in
                    got.withLock { $0 += frames }
                    if got.withLock({ $0.count }) == 2 { dealer.stop() }
                    return []
                }
            } catch { Issue.record(error) }
        }
        #expect(try dealer.send([1]))
        #expect(try dealer.send([2]))
        runner.join()
        #expect(got.withLock { $0 } == [[1], [2]])
    }

    @Test("A peer with an equal identity takes over, and the answers go to it")
    func handover() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), answer: RouterAtWork.echo)
        defer { router.stop() }
        let first = try DealerSocket(connect: router.socket.endpoint, identity: [5], security: nil)
        let firstGot = Mutex<[[UInt8]]>([])
        let greeted = Mutex(false)
        let runner = try NamedThread("first") {
            do {
                try first.run(tick: .milliseconds(10)) { frames, _ in
                    firstGot.withLock { $0 += frames }
                    if !frames.isEmpty { greeted.withLock { $0 = true } }
                    return []
                }
            } catch { Issue.record(error) }
        }
        #expect(try first.send([1]))
        while !greeted.withLock({ $0 }) { yieldProcessor() }
        let second = try DealerSocket(connect: router.socket.endpoint, identity: [5], security: nil)
        #expect(try second.send([2]))
        #expect(try second.collect(1) == [[2]])
        first.stop()
        runner.join()
        #expect(firstGot.withLock { $0 } == [[1]])
        #expect(router.received.withLock { $0.map(\.bytes) } == [[1], [2]])
    }

    @Test("An answer to a peer that has gone is counted, not queued")
    func unreachable() throws {
        let stranger = PeerID(routingID: [9, 9], key: nil)
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil),
            answer: { _, isTick in isTick ? [OutgoingFrame(peer: stranger, bytes: [1])] : [] })
        while router.socket.counters.unreachable == 0 { yieldProcessor() }
        router.stop()
        #expect(router.socket.counters.sent == 0)
        #expect(router.failure.withLock { $0 } == nil)
    }

    @Test("A frame over the limit is refused here, and dropped and counted when a stranger sends it")
    func oversized() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), answer: RouterAtWork.echo)
        defer { router.stop() }
        let dealer = try DealerSocket(connect: router.socket.endpoint, identity: [1], security: nil)
        let tooLong = [UInt8](repeating: 0, count: MessagingLimits.frameBytesMax + 1)
        let error = #expect(throws: MessagingError.self) { try dealer.send(tooLong) }
        #expect(error?.code == .frameTooLarge)

        let hostile = try ZMQSocket.open(.dealer, in: ZMQContext())
        try hostile.connect(to: router.socket.endpoint)
        #expect(try hostile.send(tooLong) == .sent)
        #expect(eventually { router.socket.refusals[.oversized].count == 1 })
        #expect(router.socket.refusals[.oversized].latest.hasPrefix("\(tooLong.count) bytes"))

        let longest = [UInt8](repeating: 3, count: MessagingLimits.frameBytesMax)
        #expect(try dealer.collect(1, sending: [longest]) == [longest])
        #expect(router.socket.counters.received == 1)
    }

    @Test("A frame beyond what is read at all ends its connection, which is counted; so is one with nothing")
    func cut() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), answer: RouterAtWork.echo)
        defer { router.stop() }
        let dealer = try DealerSocket(connect: router.socket.endpoint, identity: [1], security: nil)
        #expect(try dealer.collect(1, sending: [[4]]) == [[4]])
        do {
            let huge = [UInt8](repeating: 0, count: MessagingLimits.frameBytesReadMax + 1)
            let hostile = try ZMQSocket.open(.dealer, in: ZMQContext())
            try hostile.connect(to: router.socket.endpoint)
            #expect(try hostile.send(huge) == .sent)
            #expect(eventually { router.socket.refusals[.cut].count > 0 })
        }
        let before = router.socket.refusals[.cut].count
        do {
            let silent = try ZMQSocket.open(.dealer, in: ZMQContext())
            try silent.connect(to: router.socket.endpoint)
            // Its handshake is over once something can be sent to it, and 200 ms are plenty for that.
            usleep(200_000)
        }
        #expect(eventually { router.socket.refusals[.cut].count > before })
        #expect(router.received.withLock { $0.map(\.bytes) } == [[4]])
    }

    @Test("Peers that come, speak and go are not counted as cut off") func comeAndGo() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), answer: RouterAtWork.echo)
        defer { router.stop() }
        for number in 0..<50 {
            let peer = try DealerSocket(
                connect: router.socket.endpoint, identity: [UInt8(number + 1)], security: nil)
            #expect(try peer.collect(1, sending: [[UInt8(number)]]) == [[UInt8(number)]])
        }
        usleep(300_000)
        #expect(router.socket.refusals == RouterRefusals())
    }

    @Test("Whoever speaks no ZeroMQ is counted") func noZeroMQ() throws {
        let router = try RouterAtWork(RouterSocket(listen: Self.loopback, security: nil))
        defer { router.stop() }
        let port = try #require(UInt16(router.socket.endpoint.split(separator: ":").last ?? ""))
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(connected == 0)
        let request = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        #expect(write(descriptor, request, request.count) == request.count)
        close(descriptor)
        #expect(eventually { router.socket.refusals[.handshake].count > 0 })
    }

    @Test("A message of several frames is dropped and counted, and the next one is read")
    func malformed() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), answer: RouterAtWork.echo)
        defer { router.stop() }
        let hostile = try ZMQSocket.open(.dealer, in: ZMQContext())
        try hostile.connect(to: router.socket.endpoint)
        for more in [true, true, false] { #expect(try hostile.send([1], more: more) == .sent) }
        #expect(try hostile.send([2]) == .sent)
        while router.socket.counters.received == 0 { yieldProcessor() }
        #expect(router.socket.refusals[.severalParts].count == 1)
        #expect(router.received.withLock { $0.map(\.bytes) } == [[2]])
    }

    @Test("A queue that nobody empties takes its limit and refuses what comes after")
    func full() throws {
        let dealer = try DealerSocket(connect: "tcp://127.0.0.1:1", identity: [1], security: nil)
        for _ in 0..<MessagingLimits.dealerQueueFramesMax { #expect(try dealer.send([0])) }
        #expect(try !dealer.send([0]))
        #expect(dealer.counters.overflowed == 1)
        #expect(try dealer.listen(ticks: 2).isEmpty)
        #expect(dealer.counters.sent == 0)
    }

    @Test("A dealer sent elsewhere leaves what waited behind and is heard at the new place")
    func redirected() throws {
        let router = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), answer: RouterAtWork.echo)
        defer { router.stop() }
        let dealer = try DealerSocket(connect: "tcp://127.0.0.1:1", identity: [1], security: nil)
        #expect(try dealer.send([1]))
        try dealer.reconnect(to: router.socket.endpoint)
        #expect(try dealer.send([2]))
        #expect(try dealer.collect(1) == [[2]])
    }

    @Test("A coordinator that comes back on the same port is found again")
    func comeback() throws {
        let first = try RouterAtWork(
            RouterSocket(listen: Self.loopback, security: nil), answer: RouterAtWork.echo)
        let endpoint = first.socket.endpoint
        let dealer = try DealerSocket(connect: endpoint, identity: [1], security: nil)
        var second: RouterAtWork?
        var ticks = 0
        var heard: [UInt8] = []
        try dealer.run(tick: .milliseconds(20)) { frames, isTick in
            heard += frames.joined()
            if isTick { ticks += 1 }
            if heard.contains(1), second == nil {
                first.stop()
                second = try RouterAtWork(
                    RouterSocket(listen: endpoint, security: nil), answer: RouterAtWork.echo)
            }
            if heard.contains(2) || ticks > 500 { dealer.stop() }
            return isTick ? [[second == nil ? 1 : 2]] : []
        }
        second?.stop()
        #expect(heard.contains(2))
    }

    @Test("A closure's error ends the run and reaches the caller")
    func thrown() throws {
        struct Refused: Error {}
        let router = try RouterSocket(listen: Self.loopback, security: nil)
        #expect(throws: Refused.self) { try router.run(tick: .milliseconds(1)) { _, _ in throw Refused() } }
    }
}
