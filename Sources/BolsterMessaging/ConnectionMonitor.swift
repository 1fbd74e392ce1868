import CZMQ

/// libzmq's monitor of a router's connections, for those that come to nothing.
///
///     accepted ──► handshake fails ──► ends               counted
///     accepted ──► frames ──► ends                        a peer that came and went
///     accepted ───────────► ends                          counted: nothing was heard
///
/// A connection is known by its descriptor, which the next one may have again. Events and frames come in
/// two queues: an end is judged after the batch of frames that follows it, so that what was said before it
/// has been heard.
struct ConnectionMonitor: ~Copyable {
    /// What has happened since the last look.
    struct Findings: Equatable {
        var failedHandshakes = 0
        /// Connections that ended before one whole frame had come.
        var cut = 0
    }

    private let socket: ZMQSocket
    /// Open connections that have not been heard yet.
    private var silent: Set<Int32> = []
    /// Connections that have ended and are judged after the next batch.
    private var ended: [Int32] = []
    /// Failed handshakes whose connections have not been judged: libzmq does not say which they were.
    private var excused = 0

    /// Begins to watch a router that is not bound yet.
    init(of router: borrowing ZMQSocket, in context: ZMQContext) throws(MessagingError) {
        let failures =
            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
        let events = failures | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED
        guard zmq_socket_monitor(router.handle, "inproc://router-monitor", events) == 0 else {
            throw .lastCall("zmq_socket_monitor", "the connections could not be watched")
        }
        let socket = try ZMQSocket.open(.pair, in: context)
        // libzmq's own thread would wait for room in a full queue, and every connection with it.
        try socket.set(ZMQ_RCVHWM, 0)
        try socket.connect(to: "inproc://router-monitor")
        self.socket = socket
    }

    /// Reads all events that wait. Call after each batch and at each tick.
    ///
    /// - Parameter heard: the connections that the batch's frames came from.
    mutating func look(heard: Set<Int32>) throws(MessagingError) -> Findings {
        var findings = Findings()
        silent.subtract(heard)
        for connection in ended { judge(connection, &findings) }
        ended = []
        var message = ZMQMessage()
        while try message.receive(from: socket) {
            // Two frames: sixteen bits of event and 32 of value, then the address.
            let (event, value) = Self.parsed(message.bytes)
            while message.hasMore { guard try message.receive(from: socket) else { break } }
            switch event {
            case ZMQ_EVENT_ACCEPTED:
                if let former = ended.firstIndex(of: value) {
                    ended.remove(at: former)
                    judge(value, &findings)
                }
                if !heard.contains(value) { silent.insert(value) }
            case ZMQ_EVENT_DISCONNECTED:
                ended.append(value)
            case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
                // The allow-list refused it, and counts that.
                excused += 1
            default:
                excused += 1
                findings.failedHandshakes += 1
            }
        }
        return findings
    }

    private mutating func judge(_ ended: Int32, _ findings: inout Findings) {
        guard silent.remove(ended) != nil else { return }
        if excused > 0 { excused -= 1 } else { findings.cut += 1 }
    }

    private static func parsed(_ bytes: [UInt8]) -> (event: Int32, value: Int32) {
        guard bytes.count == 6 else { return (0, 0) }
        return bytes.withUnsafeBytes { bytes in
            (
                Int32(bytes.loadUnaligned(as: UInt16.self)),
                bytes.loadUnaligned(fromByteOffset: 2, as: Int32.self)
            )
        }
    }
}
