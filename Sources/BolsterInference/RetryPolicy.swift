/// When a request is tried again: exponential pauses with jitter, bounded in number where the server answers
/// wrongly and in time where it does not answer at all.
///
/// Pure: the caller tells the time and draws the random number.
struct RetryPolicy {
    enum Trouble: Equatable {
        /// No connection: the server is not there.
        case unreachable
        /// The server asks for patience, perhaps saying how much.
        case busy(retryAfter: Duration?)
        /// A wrong answer, half of one, or none in time.
        case broken
    }

    enum OnTrouble: Equatable {
        /// Wait, then try again; `forAll` asks every other request to wait too.
        case retry(Duration, forAll: Bool)
        case giveUp(tries: Int, after: Duration)
    }

    static let firstPause = Duration.milliseconds(500)
    static let pauseMax = Duration.seconds(30)

    private let attempts: Int
    private let outage: Duration
    private var tries = 0
    private var broken = 0
    /// When the first trouble was.
    private var since: Duration?

    init(attempts: Int, outage: Duration) {
        self.attempts = attempts
        self.outage = outage
    }

    /// - Parameter random: from 0 to 1; pauses are between half and the whole of their length.
    mutating func after(_ trouble: Trouble, now: Duration, random: Double) -> OnTrouble {
        tries += 1
        let since = since ?? now
        self.since = since
        let pause =
            min(Self.pauseMax, Self.firstPause * (1 << min(tries - 1, 10))) * (0.5 + 0.5 * random)
        switch trouble {
        case .broken:
            broken += 1
            if broken >= attempts { return .giveUp(tries: tries, after: now - since) }
            return .retry(pause, forAll: false)
        case .unreachable, .busy(retryAfter: nil):
            if now + pause - since > outage { return .giveUp(tries: tries, after: now - since) }
            return .retry(pause, forAll: false)
        case .busy(let wait?):
            let left = outage - (now - since)
            if left <= .zero { return .giveUp(tries: tries, after: now - since) }
            // A little later than asked, and not all at the same moment; asked for longer than there is
            // patience, the server is left alone till the end of that, so that giving up takes its time too.
            let later = max(wait + Self.firstPause * random, Self.firstPause)
            return .retry(min(later, left), forAll: true)
        }
    }

    /// `Retry-After` in either form (RFC 9110, 10.2.3): seconds, or a date, of which one in the past is none.
    ///
    /// - Parameter now: seconds since 1970.
    static func wait(fromHeader text: String, now: Int64) -> Duration? {
        let seconds: Double
        if let number = Double(text.filter { !$0.isWhitespace }) {
            seconds = number
        } else if let date = HTTPDate.seconds(of: text) {
            seconds = Double(max(0, date - now))
        } else {
            return nil
        }
        guard seconds.isFinite, seconds >= 0 else { return nil }
        return .milliseconds(Int64(min(seconds, 86_400) * 1000))
    }
}
