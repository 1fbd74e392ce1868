import CZMQ
import Glibc

/// A libzmq context. It ends with the last socket that came from it.
final class ZMQContext: @unchecked Sendable {
    // A context is the one libzmq object that threads may share.
    let handle: UnsafeMutableRawPointer

    init() throws(MessagingError) {
        guard let handle = zmq_ctx_new() else {
            throw .lastCall("zmq_ctx_new", "no ZeroMQ context could be made; is the file limit exhausted?")
        }
        self.handle = handle
    }

    deinit {
        while zmq_ctx_term(handle) != 0 && zmq_errno() == EINTR {}
    }
}

/// A libzmq socket. Only one thread at a time may hold it; moving it to another thread passes through a
/// lock, which is the memory fence that libzmq asks for.
struct ZMQSocket: ~Copyable, @unchecked Sendable {
    let handle: UnsafeMutableRawPointer
    private let context: ZMQContext

    private init(handle: UnsafeMutableRawPointer, context: ZMQContext) {
        self.handle = handle
        self.context = context
    }

    enum Kind {
        case router, dealer, reply, pair

        fileprivate var type: Int32 {
            switch self {
            case .router: ZMQ_ROUTER
            case .dealer: ZMQ_DEALER
            case .reply: ZMQ_REP
            case .pair: ZMQ_PAIR
            }
        }
    }

    /// A socket that does not linger when closed.
    static func open(_ kind: Kind, in context: ZMQContext) throws(MessagingError) -> ZMQSocket {
        guard let handle = zmq_socket(context.handle, kind.type) else {
            throw .lastCall("zmq_socket", "no socket could be made; is the file limit exhausted (ulimit -n)?")
        }
        let socket = ZMQSocket(handle: handle, context: context)
        try socket.set(ZMQ_LINGER, 0)
        return socket
    }

    deinit {
        zmq_close(handle)
    }

    /// Closes the socket and frees its endpoint; frames not yet sent are dropped.
    consuming func close() {}

    func set(_ option: Int32, _ value: Int32) throws(MessagingError) {
        var value = value
        guard zmq_setsockopt(handle, option, &value, MemoryLayout<Int32>.size) == 0 else {
            throw .lastCall("zmq_setsockopt(\(option))", "libzmq refused the value \(value)")
        }
    }

    func set(_ option: Int32, long value: Int64) throws(MessagingError) {
        var value = value
        guard zmq_setsockopt(handle, option, &value, MemoryLayout<Int64>.size) == 0 else {
            throw .lastCall("zmq_setsockopt(\(option))", "libzmq refused the value \(value)")
        }
    }

    /// Never shows the bytes in its error: they may be a key.
    func set(_ option: Int32, bytes: [UInt8]) throws(MessagingError) {
        guard zmq_setsockopt(handle, option, bytes, bytes.count) == 0 else {
            throw .lastCall("zmq_setsockopt(\(option))", "libzmq refused a value of \(bytes.count) bytes")
        }
    }

    func connect(to endpoint: String) throws(MessagingError) {
        guard zmq_connect(handle, endpoint) == 0 else {
            throw .lastCall(
                "zmq_connect(\(endpoint))", "the endpoint could not be used; is its host's name right?")
        }
    }

    /// The endpoint really bound: the port chosen where `*` was asked for.
    func boundEndpoint() throws(MessagingError) -> String {
        var text = [CChar](repeating: 0, count: 1_024)
        var size = text.count
        guard zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &text, &size) == 0 else {
            throw .lastCall("zmq_getsockopt", "the bound endpoint could not be read")
        }
        let bytes = text.prefix(while: { $0 != 0 }).map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What every socket of ours sets: bounds, dead peers noticed, no wait at the end.
    func setCommonOptions(_ endpoint: Endpoint) throws(MessagingError) {
        try set(ZMQ_MAXMSGSIZE, long: Int64(MessagingLimits.frameBytesMax + MessagingLimits.curveBytes))
        try set(ZMQ_HANDSHAKE_IVL, 10_000)
        try set(ZMQ_TCP_KEEPALIVE, 1)
        try set(ZMQ_TCP_KEEPALIVE_IDLE, 60)
        try set(ZMQ_TCP_KEEPALIVE_INTVL, 10)
        try set(ZMQ_TCP_KEEPALIVE_CNT, 6)
        if endpoint.needsIPv6 { try set(ZMQ_IPV6, 1) }
    }

    enum SendResult { case sent, full, unreachable }

    /// Sends without waiting.
    func send(_ bytes: [UInt8], more: Bool = false) throws(MessagingError) -> SendResult {
        while zmq_send(handle, bytes, bytes.count, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0 {
            switch zmq_errno() {
            case EINTR: continue
            case EAGAIN: return .full
            case EHOSTUNREACH: return .unreachable
            default: throw .lastCall("zmq_send", "a frame of \(bytes.count) bytes could not be sent")
            }
        }
        return .sent
    }
}

/// One reusable libzmq message: receive into it, then look at it.
struct ZMQMessage: ~Copyable {
    private var message = zmq_msg_t()

    init() { zmq_msg_init(&message) }

    deinit {
        var message = message
        zmq_msg_close(&message)
    }

    /// False when nothing waits. Never blocks.
    mutating func receive(from socket: borrowing ZMQSocket) throws(MessagingError) -> Bool {
        while zmq_msg_recv(&message, socket.handle, ZMQ_DONTWAIT) < 0 {
            switch zmq_errno() {
            case EINTR: continue
            case EAGAIN: return false
            default: throw .lastCall("zmq_msg_recv", "the socket could not be read")
            }
        }
        return true
    }

    /// True when another frame of the same message follows.
    var hasMore: Bool {
        mutating get { zmq_msg_more(&message) != 0 }
    }

    /// A copy of the frame's bytes.
    var bytes: [UInt8] {
        mutating get {
            guard let data = zmq_msg_data(&message) else { return [] }
            return [UInt8](UnsafeRawBufferPointer(start: data, count: zmq_msg_size(&message)))
        }
    }

    var count: Int {
        mutating get { zmq_msg_size(&message) }
    }

    /// The descriptor of the connection it came through; negative where it came through none.
    var connection: Int32 {
        mutating get { zmq_msg_get(&message, ZMQ_SRCFD) }
    }

    /// What the authentication handler said of the sender, nil without authentication.
    var userID: String? {
        mutating get {
            guard let text = zmq_msg_gets(&message, "User-Id") else { return nil }
            return text.pointee == 0 ? nil : String(cString: text)
        }
    }
}
