import CZMQ
import Synchronization

/// Answers libzmq's question whether a key may connect (ZAP, ZeroMQ RFC 27) on a thread of its own.
///
///     socket's handshake ──request──► inproc://zeromq.zap.01 ──► AllowList
///                        ◄──200 and the key as User-Id, or 400──
///
/// It listens before the server binds: without a handler libzmq admits every client that knows the
/// server's public key.
final class KeyAuthenticator: Sendable {
    static let domain = "bolster"

    private let allowed: AllowList
    private let wake: WakeEvent
    private let stopping = Mutex(false)
    private let refused = Mutex(RouterRefusals.Tally())
    private let thread: Mutex<NamedThread?> = Mutex(nil)

    init(_ allowed: AllowList, in context: ZMQContext) throws(MessagingError) {
        self.allowed = allowed
        wake = try WakeEvent()
        let socket = try ZMQSocket.open(.reply, in: context)
        guard zmq_bind(socket.handle, "inproc://zeromq.zap.01") == 0 else {
            throw .lastCall("zmq_bind", "the authentication handler could not be set up")
        }
        let carrier = SocketCarrier(consume socket)
        let started = try NamedThread("bolster-zap") { [self] in
            if let socket = carrier.take() { serve(socket) }
        }
        thread.withLock { $0 = started }
    }

    /// Connections refused for their key.
    var refusals: RouterRefusals.Tally { refused.withLock { $0 } }

    /// Ends the thread and waits for it.
    func stop() {
        stopping.withLock { $0 = true }
        wake.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func serve(_ socket: borrowing ZMQSocket) {
        while !stopping.withLock({ $0 }) {
            do throws(MessagingError) {
                let awakening = try socket.sleep(writing: false, wake: wake, timeout: .seconds(3_600))
                if awakening.readable { try answer(socket) }
            } catch {
                // Without this thread nobody can connect any more, which is the safe side of a failure.
                note("authentication ended: \(error)")
                return
            }
        }
    }

    /// One request: version, request id, domain, address, identity, mechanism, credentials.
    private func answer(_ socket: borrowing ZMQSocket) throws(MessagingError) {
        var frames: [[UInt8]] = []
        var message = ZMQMessage()
        guard try message.receive(from: socket) else { return }
        frames.append(message.bytes)
        while message.hasMore {
            guard try message.receive(from: socket) else { break }
            frames.append(message.bytes)
        }
        let key = Self.key(in: frames)
        allowed.reloadIfChanged()
        let admitted = key.map { allowed.contains($0.text) } ?? false
        if !admitted {
            let address = frames.count > 3 ? String(decoding: frames[3], as: UTF8.self) : "unknown address"
            note("key \(key?.text ?? "missing") from \(address) is not on the list")
        }
        let reply: [[UInt8]] = [
            Array("1.0".utf8), frames.count > 1 ? frames[1] : [],
            Array((admitted ? "200" : "400").utf8), Array((admitted ? "OK" : "not on the list").utf8),
            admitted ? Array((key?.text ?? "").utf8) : [], [],
        ]
        for (index, frame) in reply.enumerated() {
            _ = try socket.send(frame, more: index + 1 < reply.count)
        }
    }

    private static func key(in frames: [[UInt8]]) -> CurveKey? {
        guard frames.count == 7, frames[0] == Array("1.0".utf8), frames[5] == Array("CURVE".utf8) else {
            return nil
        }
        return CurveKey(bytes: frames[6])
    }

    private func note(_ refusal: String) {
        refused.withLock { refused in
            refused.count += 1
            refused.latest = refusal
        }
    }
}

/// Hands one socket to the thread that is to own it: a closure cannot give away what it captured.
private final class SocketCarrier: Sendable {
    private let socket: Mutex<ZMQSocket?>

    init(_ socket: consuming ZMQSocket) { self.socket = Mutex(socket) }

    func take() -> ZMQSocket? { socket.withLock { $0.take() } }
}
