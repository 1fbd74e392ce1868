/// The stated maximum of everything that waits or travels here.
package enum MessagingLimits {
    /// The longest frame either side sends or takes.
    package static let frameBytesMax = 1 << 20
    /// What CURVE adds to a frame, and some more.
    static let curveBytes = 64
    /// A router reads frames up to here, so that it can say who sent one that is too long. libzmq closes the
    /// connection of a peer that announces a longer one, without a word.
    static let frameBytesReadMax = 4 * frameBytesMax
    /// How many frames a router hands to its owner at once.
    package static let batchFramesMax = 4_096
    /// A batch ends early once it holds this many bytes.
    package static let batchBytesMax = 16 << 20
    /// Frames that wait for a dealer's connection, and, once connected, inside libzmq.
    package static let dealerQueueFramesMax = 1_024
    /// Frames from one peer that libzmq reads ahead for a router.
    package static let routerReceiveFramesMax = 256
    /// Answers to one peer that libzmq keeps while that peer does not read.
    package static let routerSendFramesMax = 1_024
}

/// Who sent a frame.
package struct PeerID: Hashable, Sendable, CustomStringConvertible {
    /// The routing identity, 1 to 255 bytes. The peer chose it: it names a connection and proves nothing.
    package let routingID: [UInt8]
    /// The public key (Z85, 40 characters) that the peer proved to own, nil on loopback without keys.
    package let key: String?

    package init(routingID: [UInt8], key: String?) {
        self.routingID = routingID
        self.key = key
    }

    /// The identity as text where it is printable, in hexadecimal otherwise, and the key.
    package var description: String {
        let printable = routingID.allSatisfy { (0x21...0x7E).contains($0) }
        let name =
            printable
            ? String(decoding: routingID, as: UTF8.self)
            : "0x" + routingID.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return key.map { "\(name) with key \($0)" } ?? name
    }
}

/// One frame as it came in.
package struct IncomingFrame: Sendable {
    package let peer: PeerID
    package let bytes: [UInt8]

    package init(peer: PeerID, bytes: [UInt8]) {
        self.peer = peer
        self.bytes = bytes
    }
}

/// One frame to a peer seen before.
package struct OutgoingFrame: Sendable {
    package let peer: PeerID
    package let bytes: [UInt8]

    package init(peer: PeerID, bytes: [UInt8]) {
        self.peer = peer
        self.bytes = bytes
    }
}

/// What a router let in and sent since it was made, and what it could not send.
package struct RouterCounters: Sendable, Equatable {
    package var received = 0
    package var sent = 0
    /// Answers to a peer that is no longer connected.
    package var unreachable = 0
    /// Answers to a peer that does not read and whose queue is full.
    package var congested = 0

    static func += (left: inout RouterCounters, right: RouterCounters) {
        left.received += right.received
        left.sent += right.sent
        left.unreachable += right.unreachable
        left.congested += right.congested
    }
}

/// What a dealer sent, received and could not place since it was made.
package struct DealerCounters: Sendable, Equatable {
    package var received = 0
    package var sent = 0
    /// Frames refused because the queue was full: nobody answers at the other end.
    package var overflowed = 0
    /// Messages of other than one frame.
    package var malformed = 0
    /// How often the connection's handshake was refused by the other end.
    package var refusals = 0
}
