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
package final class RouterSocket: Sendable {
    /// Where it really listens; the port chosen where the endpoint asked for any.
    package let endpoint: String

    private let wake: WakeEvent
    private let security: ServerSecurity?
    private let authenticator: KeyAuthenticator?

    private struct State: ~Copyable {
        var socket: ZMQSocket?
        var stopping = false
        var counters = RouterCounters()
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
            let socket = try Self.boundSocket(endpoint, security, in: context)
            self.endpoint = try socket.boundEndpoint()
            state = Mutex(State(socket: consume socket))
        } catch {
            authenticator?.stop()
            throw error
        }
    }

    deinit {
        authenticator?.stop()
    }

    package var counters: RouterCounters {
        var counters = state.withLock { $0.counters }
        counters.strangers = authenticator?.refusals ?? 0
        return counters
    }

    /// What the log should say of refused connections and of the allow-list; forgotten by this call.
    package func takeRefusals() -> [String] {
        (authenticator?.takeRefusals() ?? []) + (security?.allowed.problem.map { [$0] } ?? [])
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
        guard let socket = state.withLock({ $0.socket.take() }) else {
            preconditionFailure("a RouterSocket runs once")
        }
        defer { authenticator?.stop() }
        let clock = ContinuousClock()
        var nextTick = clock.now + tick
        while !state.withLock({ $0.stopping }) {
            let awakening = try socket.sleep(writing: false, wake: wake, timeout: nextTick - clock.now)
            let isTick = clock.now >= nextTick
            if isTick {
                nextTick = clock.now + tick
                security?.allowed.reloadIfChanged()
            }
            let frames = awakening.readable ? try receiveBatch(socket) : []
            guard isTick || !frames.isEmpty else { continue }
            try send(try onBatch(frames, isTick), through: socket)
        }
    }

    private func receiveBatch(_ socket: borrowing ZMQSocket) throws(MessagingError) -> [IncomingFrame] {
        var frames: [IncomingFrame] = []
        var counted = RouterCounters()
        var bytes = 0
        var message = ZMQMessage()
        // Bounded by messages read, not frames kept: a flood of malformed ones must not hold the thread.
        for _ in 0..<MessagingLimits.batchFramesMax where bytes < MessagingLimits.batchBytesMax {
            guard try message.receive(from: socket) else { break }
            let routingID = message.bytes
            guard message.hasMore, try message.receive(from: socket) else { continue }
            let body = message.bytes
            bytes += body.count
            let key = message.userID
            if message.hasMore {
                while message.hasMore { guard try message.receive(from: socket) else { break } }
                counted.malformed += 1
            } else if let security, !(key.map(security.allowed.contains) ?? false) {
                counted.revoked += 1
            } else {
                frames.append(IncomingFrame(peer: PeerID(routingID: routingID, key: key), bytes: body))
            }
        }
        counted.received = frames.count
        add(counted)
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
        add(counted)
    }

    private func add(_ counted: RouterCounters) {
        state.withLock {
            $0.counters.received += counted.received
            $0.counters.sent += counted.sent
            $0.counters.unreachable += counted.unreachable
            $0.counters.congested += counted.congested
            $0.counters.malformed += counted.malformed
            $0.counters.revoked += counted.revoked
        }
    }

    private static func boundSocket(
        _ endpoint: Endpoint, _ security: ServerSecurity?, in context: ZMQContext
    ) throws(MessagingError) -> ZMQSocket {
        let socket = try ZMQSocket.open(.router, in: context)
        try socket.setCommonOptions(endpoint)
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
        guard zmq_bind(socket.handle, endpoint.text) == 0 else { throw .binding(endpoint.text) }
        return socket
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
