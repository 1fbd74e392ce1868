import CZMQ

/// Many workers' connections on one thread, for those who measure a coordinator: each has its own socket,
/// identity and handshake, all share one context. Not for threads to share.
package final class DealerPool {
    private let context: ZMQContext
    private let endpoint: Endpoint
    private let security: ClientSecurity?
    private var sockets: [UnsafeMutableRawPointer] = []
    private var message = zmq_msg_t()

    /// - Parameter count: the most connections there will be.
    package init(connect text: String, count: Int, security: ClientSecurity?) throws(MessagingError) {
        endpoint = try Endpoint(text, for: .connect)
        self.security = security
        context = try ZMQContext()
        guard zmq_ctx_set(context.handle, ZMQ_MAX_SOCKETS, Int32(count + 16)) == 0 else {
            throw .lastCall("zmq_ctx_set", "libzmq takes no \(count) sockets in one context")
        }
        zmq_msg_init(&message)
    }

    deinit {
        for socket in sockets { zmq_close(socket) }
        var message = message
        zmq_msg_close(&message)
    }

    package var count: Int { sockets.count }

    /// Begins to connect one more; it has the next number.
    package func add(identity: [UInt8]) throws(MessagingError) {
        guard let socket = zmq_socket(context.handle, ZMQ_DEALER) else {
            throw .lastCall(
                "zmq_socket", "no socket could be made; raise the limit of open files (ulimit -n)")
        }
        sockets.append(socket)
        func set(_ option: Int32, _ value: Int32) {
            var value = value
            zmq_setsockopt(socket, option, &value, MemoryLayout<Int32>.size)
        }
        set(ZMQ_LINGER, 0)
        set(ZMQ_HANDSHAKE_IVL, 120_000)
        // As a worker's connection has them.
        set(ZMQ_HEARTBEAT_IVL, 5_000)
        set(ZMQ_HEARTBEAT_TIMEOUT, 60_000)
        zmq_setsockopt(socket, ZMQ_ROUTING_ID, identity, identity.count)
        if let security {
            zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, security.serverKey.bytes, 32)
            zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, security.keys.publicKey.bytes, 32)
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, security.keys.secretKey.bytes, 32)
        }
        guard zmq_connect(socket, endpoint.text) == 0 else {
            throw .lastCall("zmq_connect", "the endpoint could not be used")
        }
    }

    /// Sends without waiting; false where the queue is full.
    package func send(_ number: Int, _ bytes: [UInt8]) -> Bool {
        zmq_send(sockets[number], bytes, bytes.count, ZMQ_DONTWAIT) >= 0
    }

    /// The next frame that waits for this connection; nil: none.
    package func receive(_ number: Int) -> [UInt8]? {
        guard zmq_msg_recv(&message, sockets[number], ZMQ_DONTWAIT) >= 0,
            let data = zmq_msg_data(&message)
        else { return nil }
        return [UInt8](UnsafeRawBufferPointer(start: data, count: zmq_msg_size(&message)))
    }

    /// Sleeps until one of these connections has a frame, or the time is up.
    package func wait(_ numbers: some Collection<Int>, milliseconds: Int) {
        var items = numbers.map {
            zmq_pollitem_t(socket: sockets[$0], fd: 0, events: Int16(ZMQ_POLLIN), revents: 0)
        }
        zmq_poll(&items, Int32(items.count), milliseconds)
    }
}
