import CZMQ
import Glibc
import Synchronization

/// The coordinator's end: many peers, batches of frames in, answers out.
///
///     peers ──► libzmq ──► one thread in `run` ──batch or tick──► owner's closure
///                     ◄──────────── answers ◄─────────────────────────┘
///
/// * The thread that calls `run` owns the socket until `run` returns, which also frees the endpoint.
/// * A peer that comes back with an equal identity takes the place of its old connection
///   (ZMQ_ROUTER_HANDOVER); an answer to a peer that has gone is counted, not queued
///   (ZMQ_ROUTER_MANDATORY).
/// * No key, no frame: with security every frame carries the key its sender proved to own, and a key that
///   is taken off the allow-list is silenced within one tick, its connection open or not.
/// * What it does not let through is counted by reason (`RouterRefusal`).
package final class RouterSocket: Sendable {
    /// Where it really listens; the port chosen where the endpoint asked for any.
    package let endpoint: String

    private let wake: WakeEvent
    private let security: ServerSecurity?
    private let authenticator: KeyAuthenticator?

    private struct State: ~Copyable {
        var sockets: Sockets?
        var stopping = false
        var counters = RouterCounters()
        var refusals = RouterRefusals()
    }

    private struct Sockets: ~Copyable {
        let router: ZMQSocket
        var monitor: ConnectionMonitor
    }

    private let state: Mutex<State>

    /// Binds. Peers may connect and send from now on; `run` reads what they sent.
    package init(listen text: String, security: ServerSecurity?) throws(MessagingError) {
        let endpoint = try Endpoint(text, for: .listen)
        guard endpoint.isLocal || security != nil else {
            throw MessagingError(
                .keysRequired,
                """
                other machines could connect here, so keys are required: `bolster keys new` makes them; \
                or listen on tcp://127.0.0.1 only
                """, evidence: text)
        }
        // Ten thousand workers are ten thousand open files.
        OpenFiles.raiseLimit()
        let context = try ZMQContext()
        wake = try WakeEvent()
        self.security = security
        if let security {
            authenticator = try KeyAuthenticator(security.allowed, in: context)
        } else {
            authenticator = nil
        }
        do throws(MessagingError) {
            let sockets = try Self.bind(endpoint, security, in: context)
            self.endpoint = try sockets.router.boundEndpoint()
            state = Mutex(State(sockets: consume sockets))
        } catch {
            authenticator?.stop()
            throw error
        }
    }

    deinit {
        authenticator?.stop()
    }

    package var counters: RouterCounters { state.withLock { $0.counters } }

    /// What was not let through since it was made.
    package var refusals: RouterRefusals {
        var refusals = state.withLock { $0.refusals }
        if let strangers = authenticator?.refusals {
            refusals.add(.stranger, strangers.count, latest: strangers.latest)
        }
        return refusals
    }

    /// What is wrong with the allow-list as it stands now, nil when all is well.
    package var listProblem: String? { security?.allowed.problem }

    /// Whether a peer's key is marked as an operator's; without keys this machine's users all are.
    package func isOperator(_ peer: PeerID) -> Bool {
        guard let security else { return true }
        return peer.key.map(security.allowed.isOperator) ?? false
    }

    /// Ends `run`, from any thread; a `run` that has not begun returns at once.
    package func stop() {
        state.withLock { $0.stopping = true }
        wake.signal()
    }

    /// Serves until `stop`, or until the closure throws. Call once.
    ///
    /// `onBatch` gets up to `MessagingLimits.batchFramesMax` frames in the order they came, each peer's
    /// in the order it sent them, and returns the answers; `isTick` is true once every `tick`, with or
    /// without frames. It is not called when there is neither.
    package func run(
        tick: Duration, onBatch: (_ frames: [IncomingFrame], _ isTick: Bool) throws -> [OutgoingFrame]
    ) throws {
        guard var sockets = state.withLock({ $0.sockets.take() }) else {
            preconditionFailure("a RouterSocket runs once")
        }
        defer { authenticator?.stop() }
        let clock = ContinuousClock()
        var nextTick = clock.now + tick
        while !state.withLock({ $0.stopping }) {
            let awakening = try sockets.router.sleep(
                writing: false, wake: wake, timeout: nextTick - clock.now)
            let isTick = clock.now >= nextTick
            if isTick {
                nextTick = clock.now + tick
                security?.allowed.reloadIfChanged()
            }
            let frames = awakening.readable || isTick ? try receiveBatch(&sockets) : []
            guard isTick || !frames.isEmpty else { continue }
            try send(try onBatch(frames, isTick), through: sockets.router)
        }
    }

    private func receiveBatch(_ sockets: inout Sockets) throws(MessagingError) -> [IncomingFrame] {
        var frames: [IncomingFrame] = []
        var refusals = RouterRefusals()
        var connections: Set<Int32> = []
        var bytes = 0
        var message = ZMQMessage()
        // Bounded by messages read, not frames kept: a flood of malformed ones must not hold the thread.
        for _ in 0..<MessagingLimits.batchFramesMax where bytes < MessagingLimits.batchBytesMax {
            guard try message.receive(from: sockets.router) else { break }
            let routingID = message.bytes
            guard message.hasMore, try message.receive(from: sockets.router) else { continue }
            let count = message.count
            let peer = PeerID(routingID: routingID, key: message.userID)
            bytes += count
            connections.insert(message.connection)
            if message.hasMore {
                while message.hasMore { guard try message.receive(from: sockets.router) else { break } }
                refusals.add(.severalParts, latest: "\(peer)")
            } else if count > MessagingLimits.frameBytesMax {
                refusals.add(.oversized, latest: "\(count) bytes from \(peer)")
            } else if let security, !(peer.key.map(security.allowed.contains) ?? false) {
                refusals.add(.revoked, latest: "\(peer)")
            } else {
                frames.append(IncomingFrame(peer: peer, bytes: message.bytes))
            }
        }
        let findings = try sockets.monitor.look(heard: connections)
        refusals.add(
            .handshake, findings.failedHandshakes, latest: "no key, the wrong server key, or no ZeroMQ")
        refusals.add(
            .cut, findings.cut,
            latest: "over \(MessagingLimits.frameBytesReadMax) bytes in one frame, or nothing at all")
        state.withLock {
            $0.counters.received += frames.count
            $0.refusals += refusals
        }
        return frames
    }

    private func send(
        _ frames: [OutgoingFrame], through socket: borrowing ZMQSocket
    ) throws(MessagingError) {
        var counted = RouterCounters()
        for frame in frames {
            guard frame.bytes.count <= MessagingLimits.frameBytesMax else {
                throw .tooLarge(frame.bytes.count, evidence: "answer to \(frame.peer)")
            }
            switch try socket.send(frame.peer.routingID, more: true) {
            case .unreachable: counted.unreachable += 1
            case .full: counted.congested += 1
            case .sent:
                _ = try socket.send(frame.bytes)
                counted.sent += 1
            }
        }
        state.withLock { $0.counters += counted }
    }

    private static func bind(
        _ endpoint: Endpoint, _ security: ServerSecurity?, in context: ZMQContext
    ) throws(MessagingError) -> Sockets {
        let socket = try ZMQSocket.open(.router, in: context)
        try socket.setCommonOptions(endpoint)
        try socket.set(ZMQ_MAXMSGSIZE, long: Int64(MessagingLimits.frameBytesReadMax))
        try socket.set(ZMQ_ROUTER_HANDOVER, 1)
        try socket.set(ZMQ_ROUTER_MANDATORY, 1)
        try socket.set(ZMQ_RCVHWM, Int32(MessagingLimits.routerReceiveFramesMax))
        try socket.set(ZMQ_SNDHWM, Int32(MessagingLimits.routerSendFramesMax))
        try socket.set(ZMQ_BACKLOG, 4_096)
        if let security {
            try socket.set(ZMQ_CURVE_SERVER, 1)
            try socket.set(ZMQ_CURVE_SECRETKEY, bytes: security.keys.secretKey.bytes)
            try socket.set(ZMQ_ZAP_DOMAIN, bytes: Array(KeyAuthenticator.domain.utf8))
        }
        let monitor = try ConnectionMonitor(of: socket, in: context)
        guard zmq_bind(socket.handle, endpoint.text) == 0 else { throw .binding(endpoint.text) }
        return Sockets(router: socket, monitor: monitor)
    }
}

extension MessagingError {
    /// Why libzmq could not listen, from its `errno`.
    fileprivate static func binding(_ endpoint: String) -> MessagingError {
        let code = zmq_errno()
        let cause = String(cString: zmq_strerror(code))
        switch code {
        case EADDRINUSE:
            return MessagingError(
                .endpointInUse,
                """
                somebody listens here already, perhaps another coordinator: stop it, or choose another \
                port (tcp://127.0.0.1:* takes a free one)
                """, evidence: endpoint, cause: cause)
        case EACCES, EPERM:
            return MessagingError(
                .badEndpoint, "this user may not listen here; ports below 1024 need root", evidence: endpoint,
                cause: cause)
        default:
            return MessagingError(
                .badEndpoint, "nobody can listen here; is the address one of this machine's?",
                evidence: endpoint, cause: cause)
        }
    }

    static func tooLarge(_ count: Int, evidence: String) -> MessagingError {
        MessagingError(
            .frameTooLarge,
            "a frame of \(count) bytes is over the limit of \(MessagingLimits.frameBytesMax)",
            evidence: evidence)
    }
}
