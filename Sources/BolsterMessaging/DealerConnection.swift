import CZMQ

/// The sockets behind a dealer: the one that carries frames, and libzmq's monitor of it.
///
/// libzmq gives up for good on a server that refused its handshake. The monitor tells of that, and the
/// connection is then dialled afresh after `redialDelay`, for as long as its owner wants it.
struct DealerConnection: ~Copyable {
    static let redialDelay: Duration = .seconds(2)

    private let endpoint: Endpoint
    private let monitor: ZMQSocket
    private let socket: ZMQSocket
    /// When to dial again after a refusal; nil while libzmq looks after the connection itself.
    private(set) var redialTime: ContinuousClock.Instant?

    private init(endpoint: Endpoint, monitor: consuming ZMQSocket, socket: consuming ZMQSocket) {
        self.endpoint = endpoint
        self.monitor = monitor
        self.socket = socket
    }

    /// Begins to connect, on a context of its own.
    static func open(
        _ endpoint: Endpoint, identity: [UInt8], security: ClientSecurity?
    ) throws(MessagingError) -> DealerConnection {
        let context = try ZMQContext()
        let socket = try ZMQSocket.open(.dealer, in: context)
        let monitor = try ZMQSocket.open(.pair, in: context)
        try socket.setCommonOptions(endpoint)
        try socket.set(ZMQ_ROUTING_ID, bytes: identity)
        try socket.set(ZMQ_IMMEDIATE, 1)
        try socket.set(ZMQ_SNDHWM, Int32(MessagingLimits.dealerQueueFramesMax))
        try socket.set(ZMQ_RCVHWM, Int32(MessagingLimits.dealerQueueFramesMax))
        try socket.set(ZMQ_RECONNECT_IVL, 100)
        try socket.set(ZMQ_RECONNECT_IVL_MAX, 5_000)
        try socket.set(ZMQ_CONNECT_TIMEOUT, 10_000)
        // A router that answers no ping for 15 s is gone, whatever TCP believes. Only dealers ping, and they
        // ask for no timer at the other end (TTL): libzmq 4.3 finds a timer to cancel by walking through all
        // of them, which with ten thousand connections took a router four fifths of its time.
        try socket.set(ZMQ_HEARTBEAT_IVL, 5_000)
        try socket.set(ZMQ_HEARTBEAT_TIMEOUT, 15_000)
        if let security {
            try socket.set(ZMQ_CURVE_SERVERKEY, bytes: security.serverKey.bytes)
            try socket.set(ZMQ_CURVE_PUBLICKEY, bytes: security.keys.publicKey.bytes)
            try socket.set(ZMQ_CURVE_SECRETKEY, bytes: security.keys.secretKey.bytes)
        }
        let failures =
            ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
            | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
        guard zmq_socket_monitor(socket.handle, "inproc://monitor", failures) == 0 else {
            throw .lastCall("zmq_socket_monitor", "the connection could not be watched")
        }
        try monitor.connect(to: "inproc://monitor")
        let connection = DealerConnection(endpoint: endpoint, monitor: monitor, socket: socket)
        try connection.socket.connect(to: endpoint.text)
        return connection
    }

    /// Gives up the refused connection and dials again.
    mutating func redial() throws(MessagingError) {
        redialTime = nil
        // ENOENT: libzmq has already forgotten it, which is what is wanted.
        _ = zmq_disconnect(socket.handle, endpoint.text)
        try socket.connect(to: endpoint.text)
    }

    func sleep(writing: Bool, wake: WakeEvent, timeout: Duration) throws(MessagingError) -> Awakening {
        try socket.sleep(writing: writing, wake: wake, monitor: monitor.handle, timeout: timeout)
    }

    /// Reads what the monitor says (it only tells of refusals). True when there was anything.
    mutating func readNotices() throws(MessagingError) -> Bool {
        var message = ZMQMessage()
        var noticed = false
        while try message.receive(from: monitor) {
            // Two frames: event and value, then the address. None of it is more than "refused".
            if !message.hasMore { noticed = true }
        }
        if noticed && redialTime == nil { redialTime = .now + Self.redialDelay }
        return noticed
    }

    func send(_ bytes: [UInt8]) throws(MessagingError) -> ZMQSocket.SendResult {
        try socket.send(bytes)
    }

    /// The frames that wait, bounded as a router's batch; messages of several frames are counted and dropped.
    func receiveBatch() throws(MessagingError) -> (frames: [[UInt8]], malformed: Int) {
        var frames: [[UInt8]] = []
        var malformed = 0
        var bytes = 0
        var message = ZMQMessage()
        for _ in 0..<MessagingLimits.batchFramesMax where bytes < MessagingLimits.batchBytesMax {
            guard try message.receive(from: socket) else { break }
            if message.hasMore {
                while message.hasMore { guard try message.receive(from: socket) else { break } }
                malformed += 1
                continue
            }
            frames.append(message.bytes)
            bytes += frames[frames.count - 1].count
        }
        return (frames, malformed)
    }
}
