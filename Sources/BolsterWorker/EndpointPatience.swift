/// What a worker does with a lease whose captioner's endpoint gives it no captions, so that a server that is
/// away costs time and no unit its attempts, and yet nobody waits for ever.
///
///     the server                                  first          later
///     is away, answered this worker before        hand back      hand back, until `patience` after its
///                                                                last answer: leave
///     is away, and never answered                 hand back      leave
///     will answer nothing (401, 403, 404, TLS)    hand back      leave
///     fails at sample after sample                burn           rest, hand back; as if it were away
///
/// A worker that leaves says why, and its leases go back unharmed. After the first trouble it asks for the
/// other stages' units before this one's, so that "later" comes when nothing else is left to do.
///
/// Pure: the caller tells the time. One for each captioner behind an endpoint.
struct EndpointPatience {
    enum Trouble: Equatable {
        /// Not there or busy, for as long as the manifest's `outage`.
        case away
        /// A wrong address, key or model.
        case misconfigured
        /// Sixteen samples in a row without an answer, tried as often as the manifest says.
        case broken
    }

    enum Verdict: Equatable {
        /// The lease goes back unharmed, when so much time has passed.
        case handBack(after: Duration)
        /// It may be the unit's samples: another worker tries, and in the end it is quarantined.
        case burn
        /// This worker is of no use.
        case leave
    }

    private static let restMax = Duration.seconds(30)

    /// How long a server that has answered before may be away.
    private let patience: Duration
    /// Troubles since the server's last answer.
    private var count = 0
    private var lastTrouble: ContinuousClock.Instant?

    init(patience: Duration) { self.patience = patience }

    /// - Parameter lastAnswer: when the server last answered this worker; nil for never.
    mutating func after(
        _ trouble: Trouble, lastAnswer: ContinuousClock.Instant?, now: ContinuousClock.Instant
    ) -> Verdict {
        if let lastAnswer, let lastTrouble, lastAnswer > lastTrouble { count = 0 }
        lastTrouble = now
        count += 1
        if count == 1 { return trouble == .broken ? .burn : .handBack(after: .zero) }
        guard trouble != .misconfigured, let lastAnswer, now - lastAnswer < patience else { return .leave }
        // A server that fails quickly would be asked again at once.
        let rest = trouble == .broken ? min(Self.restMax, .seconds(1) * (1 << min(count, 10))) : .zero
        return .handBack(after: rest)
    }
}

extension EndpointPatience.Trouble {
    /// Nil for an error that is none of an endpoint.
    init?(_ error: any Error) {
        switch (error as? WorkerError)?.code {
        case .endpointDown: self = .away
        case .endpointMisconfigured: self = .misconfigured
        case .endpointBroken: self = .broken
        default: return nil
        }
    }
}
