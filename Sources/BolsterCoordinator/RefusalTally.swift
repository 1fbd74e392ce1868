import BolsterLeasing
import BolsterMessaging
import Logging

/// How often each kind of thing was refused, and when the log was last told of it: a flood costs a count,
/// and one line now and then.
struct RefusalTally {
    /// Between two lines of one kind.
    static let lineEvery: Duration = .seconds(10)

    private struct Told {
        var count: Int
        var at: Duration
    }

    private(set) var counts: [RefusalKind: Int] = [:]
    private var latest: [RefusalKind: String] = [:]
    private var told: [RefusalKind: Told] = [:]

    /// - Parameter detail: who or what it was, for the log.
    mutating func add(_ kind: RefusalKind, count: Int = 1, _ detail: @autoclosure () -> String) {
        guard count > 0 else { return }
        counts[kind, default: 0] += count
        latest[kind] = detail()
    }

    /// What the socket has counted from its beginning on.
    mutating func set(_ refusals: RouterRefusals) {
        for reason in RouterRefusal.allCases {
            let (kind, tally) = (RefusalKind(reason), refusals[reason])
            add(kind, count: tally.count - (counts[kind] ?? 0), tally.latest)
        }
    }

    /// Says what has come since it last said so; of each kind at most one line every ten seconds.
    mutating func tell(_ log: Logger, now: Duration) {
        for kind in RefusalKind.allCases {
            let count = counts[kind] ?? 0
            let before = told[kind]
            guard count > before?.count ?? 0, before.map({ now - $0.at >= Self.lineEvery }) ?? true else {
                continue
            }
            log.warning(
                kind.message,
                metadata: [
                    LogKey.kind: "\(kind.rawValue)", LogKey.count: "\(count - (before?.count ?? 0))",
                    LogKey.reason: "\(latest[kind] ?? "")",
                ])
            told[kind] = Told(count: count, at: now)
        }
    }
}

extension RefusalKind {
    init(_ refusal: RouterRefusal) {
        self =
            switch refusal {
            case .stranger: .stranger
            case .handshake: .handshake
            case .cut: .cut
            case .revoked: .revoked
            case .oversized: .oversized
            case .severalParts: .severalParts
            }
    }

    /// Nil where nothing is amiss: of two leases on a unit, one comes late.
    init?(_ refusal: CommitRefusal) {
        switch refusal {
        case .alreadyCommitted: return nil
        case .neverGranted: self = .commitNotGranted
        case .fingerprint: self = .commitOutdated
        case .malformed: self = .commitImpossible
        }
    }

    fileprivate var message: Logger.Message {
        switch self {
        case .stranger, .handshake, .cut: "connections were refused"
        case .revoked, .oversized, .unreadable, .version, .generation, .severalParts: "frames were refused"
        case .hello: "a greeting was refused"
        case .order: "an order was refused"
        case .commitNotGranted, .commitImpossible, .commitOutdated: "commits were refused"
        }
    }
}
