import CZMQ
import Glibc

/// Ends the sleep of the thread that owns a socket, from any thread (eventfd(2)).
final class WakeEvent: Sendable {
    let descriptor: Int32

    init() throws(MessagingError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else {
            throw MessagingError(
                .system, "no wake-up event could be made; is the file limit exhausted (ulimit -n)?",
                evidence: "eventfd", cause: String(cString: strerror(errno)))
        }
    }

    deinit { close(descriptor) }

    func signal() {
        var one: UInt64 = 1
        // EAGAIN means that the counter is at its end: the sleeper is woken all the same.
        while write(descriptor, &one, 8) < 0 && errno == EINTR {}
    }

    func clear() {
        var count: UInt64 = 0
        while read(descriptor, &count, 8) < 0 && errno == EINTR {}
    }
}

/// What a sleep ended with.
struct Awakening: Sendable {
    var readable = false
    var writable = false
    var noticed = false
}

extension ZMQSocket {
    /// Sleeps until a frame can be read (or sent, when `writing`), the event is signalled, the monitor
    /// has something to say, or the time is up.
    func sleep(
        writing: Bool, wake: WakeEvent, monitor: UnsafeMutableRawPointer? = nil, timeout: Duration
    ) throws(MessagingError) -> Awakening {
        let milliseconds = timeout <= .zero ? 0 : Int(timeout / .milliseconds(1)) + 1
        let events = Int16(ZMQ_POLLIN | (writing ? ZMQ_POLLOUT : 0))
        var items = [
            zmq_pollitem_t(socket: handle, fd: 0, events: events, revents: 0),
            zmq_pollitem_t(socket: nil, fd: wake.descriptor, events: Int16(ZMQ_POLLIN), revents: 0),
        ]
        if let monitor {
            items.append(zmq_pollitem_t(socket: monitor, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0))
        }
        guard zmq_poll(&items, Int32(items.count), milliseconds) >= 0 else {
            if zmq_errno() == EINTR { return Awakening() }
            throw .lastCall("zmq_poll", "the socket could not be waited for")
        }
        if items[1].revents != 0 { wake.clear() }
        return Awakening(
            readable: Int32(items[0].revents) & ZMQ_POLLIN != 0,
            writable: Int32(items[0].revents) & ZMQ_POLLOUT != 0,
            noticed: items.count > 2 && items[2].revents != 0)
    }
}
