import Foundation

/// Who asks. Never printed: no part of it belongs into a log or an error.
struct AWSCredentials: Sendable, Equatable {
    var accessKeyID: String
    var secretAccessKey: String
    /// Of temporary credentials.
    var sessionToken: String?
    /// When temporary credentials end.
    var expires: Date?

    init(
        accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expires: Date? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expires = expires
    }

    /// Whether they must be fetched anew: five minutes early, as a request takes its time.
    func areStale(now: Date) -> Bool {
        guard let expires else { return false }
        return expires.timeIntervalSince(now) < 300
    }
}

extension AWSCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "credentials (not shown)" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: []) }
}

extension AWSCredentials {
    /// What container and instance metadata answer; nil where it is not that.
    init?(json bytes: [UInt8]) {
        struct Answer: Decodable {
            var AccessKeyId: String
            var SecretAccessKey: String
            var Token: String
            var Expiration: String
        }
        do {
            let answer = try JSONDecoder().decode(Answer.self, from: Data(bytes))
            self.init(
                accessKeyID: answer.AccessKeyId, secretAccessKey: answer.SecretAccessKey,
                sessionToken: answer.Token, expires: Self.date(answer.Expiration))
        } catch {
            return nil
        }
    }

    /// "2026-11-23T15:30:00Z", fractions of a second left out; nil for anything else.
    static func date(_ text: String) -> Date? {
        let digits = text.prefix { $0 != "." && $0 != "Z" }.split { "-T:".contains($0) }.map { Int($0) }
        guard digits.count == 6, let year = digits[0], let month = digits[1], let day = digits[2],
            let hour = digits[3], let minute = digits[4], let second = digits[5]
        else { return nil }
        var parts = tm()
        parts.tm_year = Int32(truncatingIfNeeded: year - 1900)
        parts.tm_mon = Int32(truncatingIfNeeded: month - 1)
        parts.tm_mday = Int32(truncatingIfNeeded: day)
        parts.tm_hour = Int32(truncatingIfNeeded: hour)
        parts.tm_min = Int32(truncatingIfNeeded: minute)
        parts.tm_sec = Int32(truncatingIfNeeded: second)
        return Date(timeIntervalSince1970: Double(timegm(&parts)))
    }
}
