/// What a router does not let through.
package enum RouterRefusal: Hashable, Sendable, CaseIterable {
    /// A connection whose key is not on the allow-list.
    case stranger
    /// A connection whose handshake failed: no key where one is needed, or no ZeroMQ at all.
    case handshake
    /// A connection that ended before one whole frame had come: libzmq closes one that announces a frame
    /// longer than `MessagingLimits.frameBytesReadMax`.
    case cut
    /// A frame of a connection whose key has left the allow-list since it was opened.
    case revoked
    /// A frame over `MessagingLimits.frameBytesMax`.
    case oversized
    /// A message of other than one frame.
    case severalParts
}

/// How often a router refused something, by reason, and what the latest was: a flood costs a count.
package struct RouterRefusals: Sendable, Equatable {
    package struct Tally: Sendable, Equatable {
        package var count = 0
        /// Who or what it was, for the log.
        package var latest = ""
    }

    private var tallies: [RouterRefusal: Tally] = [:]

    package subscript(_ reason: RouterRefusal) -> Tally { tallies[reason] ?? Tally() }

    mutating func add(_ reason: RouterRefusal, _ count: Int = 1, latest: @autoclosure () -> String) {
        guard count > 0 else { return }
        tallies[reason, default: Tally()].count += count
        tallies[reason]?.latest = latest()
    }

    static func += (left: inout RouterRefusals, right: RouterRefusals) {
        for (reason, tally) in right.tallies { left.add(reason, tally.count, latest: tally.latest) }
    }
}
