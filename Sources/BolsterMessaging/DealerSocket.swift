import CZMQ
import Glibc
import Synchronization

/// A worker's end: one connection, kept up by libzmq, frames in and out.
///
///     any thread ──send──► bounded queue ──► one thread in `run` ──► libzmq ──► router
///                       owner's closure ◄──frames, tick──┘
///
/// * The thread that calls `run` owns the socket until `run` returns.
/// * Frames wait in the queue, oldest first, until the connection stands (ZMQ_IMMEDIATE), so nothing is
///   sent to a server that did not prove its key. Frames handed to a connection that then breaks are
///   lost: whoever needs an answer repeats.
/// * A server that refuses our key says next to nothing. The owner sees ticks without frames, and
///   `refusals` in the counters grows where libzmq could tell; the connection is tried again every
///   few seconds, for the key may be allowed meanwhile.
package final class DealerSocket: Sendable {
    private let identity: [UInt8]
    private let wake: WakeEvent

    private struct State: ~Copyable {
        var connection: DealerConnection?
        /// Where to go instead, taken up by the owning thread.
        var redirection: Endpoint?
        var security: ClientSecurity?
        var stopping = false
        var queue = FrameQueue(framesMax: MessagingLimits.dealerQueueFramesMax)
        var counters = DealerCounters()
    }

    private let state: Mutex<State>

    /// Begins to connect; succeeds whether or not anybody is there. `identity` has 1 to 255 bytes and does
    /// not begin with zero, and is this worker's alone.
    package init(
        connect text: String, identity: [UInt8], security: ClientSecurity?
    ) throws(MessagingError) {
        precondition(
            (1...255).contains(identity.count) && identity[0] != 0, "an identity ZeroMQ cannot carry")
        let endpoint = try Self.checked(text, security)
        self.identity = identity
        wake = try WakeEvent()
        let connection = try DealerConnection.open(endpoint, identity: identity, security: security)
        state = Mutex(State(connection: connection, security: security))
    }

    package var counters: DealerCounters { state.withLock { $0.counters } }

    /// Puts a frame behind those already waiting, from any thread. False when the queue is full.
    package func send(_ bytes: [UInt8]) throws(MessagingError) -> Bool {
        guard bytes.count <= MessagingLimits.frameBytesMax else {
            throw .tooLarge(bytes.count, evidence: "frame to send")
        }
        let taken = state.withLock { state in
            let taken = state.queue.append(bytes)
            if !taken { state.counters.overflowed += 1 }
            return taken
        }
        wake.signal()
        return taken
    }

    /// Leaves the present server for another (or for the same one, afresh), from any thread. Frames that
    /// wait were meant for the old one and are dropped.
    ///
    /// - Parameter serverKey: the key that the other server must prove; nil: that of the present one.
    package func reconnect(to text: String, serverKey: CurveKey? = nil) throws(MessagingError) {
        var security = state.withLock { $0.security }
        if let serverKey, let old = security {
            security = ClientSecurity(keys: old.keys, serverKey: serverKey)
        }
        let endpoint = try Self.checked(text, security)
        state.withLock { [security] state in
            state.redirection = endpoint
            state.security = security
            state.queue.removeAll()
        }
        wake.signal()
    }

    /// Ends `run`, from any thread; a `run` that has not begun returns at once. Frames that have not left
    /// by then are dropped.
    package func stop() {
        state.withLock { $0.stopping = true }
        wake.signal()
    }

    /// Serves until `stop`, or until the closure throws. Call once.
    ///
    /// `onEvents` gets the frames that came, in order, and returns frames to send; `isTick` is true once
    /// every `tick`, with or without frames. A returned frame that finds the queue full is counted and
    /// dropped, as in `send`.
    package func run(
        tick: Duration, onEvents: (_ frames: [[UInt8]], _ isTick: Bool) throws -> [[UInt8]]
    ) throws {
        guard var connection = state.withLock({ $0.connection.take() }) else {
            preconditionFailure("a DealerSocket runs once")
        }
        let clock = ContinuousClock()
        var nextTick = clock.now + tick
        while !state.withLock({ $0.stopping }) {
            if let endpoint = state.withLock({ $0.redirection.take() }) {
                let security = state.withLock { $0.security }
                connection = try DealerConnection.open(endpoint, identity: identity, security: security)
            }
            if let moment = connection.redialTime, clock.now >= moment { try connection.redial() }
            let waiting = state.withLock { !$0.queue.isEmpty }
            let until = min(nextTick, connection.redialTime ?? nextTick)
            let awakening = try connection.sleep(writing: waiting, wake: wake, timeout: until - clock.now)
            if awakening.noticed, try connection.readNotices() {
                state.withLock { $0.counters.refusals += 1 }
            }
            if awakening.writable { try sendQueued(through: connection) }
            let isTick = clock.now >= nextTick
            if isTick { nextTick = clock.now + tick }
            let frames = awakening.readable ? try receiveBatch(connection) : []
            guard isTick || !frames.isEmpty else { continue }
            for bytes in try onEvents(frames, isTick) { _ = try send(bytes) }
        }
        try sendQueued(through: connection)
    }

    /// Sends until the queue is empty or libzmq takes no more.
    private func sendQueued(through connection: borrowing DealerConnection) throws(MessagingError) {
        // The lock is not held while sending: `send` from other threads must not wait for libzmq.
        while let bytes = state.withLock({ $0.queue.removeFirst() }) {
            guard case .sent = try connection.send(bytes) else {
                state.withLock { $0.queue.putBack(bytes) }
                return
            }
            state.withLock { $0.counters.sent += 1 }
        }
    }

    private func receiveBatch(
        _ connection: borrowing DealerConnection
    ) throws(MessagingError) -> [[UInt8]] {
        let (frames, malformed) = try connection.receiveBatch()
        state.withLock {
            $0.counters.received += frames.count
            $0.counters.malformed += malformed
        }
        return frames
    }

    private static func checked(
        _ text: String, _ security: ClientSecurity?
    ) throws(MessagingError) -> Endpoint {
        let endpoint = try Endpoint(text, for: .connect)
        guard endpoint.isLocal || security != nil else {
            throw MessagingError(
                .keysRequired,
                """
                the way there leaves this machine, so keys are required: give --key and --server-key \
                (`bolster keys new` makes them)
                """, evidence: text)
        }
        return endpoint
    }
}
