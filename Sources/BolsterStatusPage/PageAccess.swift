import BolsterDeterminism
import Foundation

/// Who may see the page and who may press its buttons.
///
/// With a token, every request but `/healthz` needs it: in an Authorization header (scripts, Prometheus), or
/// once as `?token=…`, which a cookie then stands for. The cookie holds a digest of the token, is HttpOnly
/// and SameSite=Strict. Without a token the page is on loopback alone, and the Host header must say so too:
/// a page of elsewhere whose name was made to point at 127.0.0.1 reads nothing.
///
/// A POST also needs the secret of this start, which only a page of the same origin can have read, or the
/// token in its Authorization header, which no foreign page can set.
struct PageAccess: Sendable {
    enum Verdict: Equatable {
        case allowed
        /// The token came in the address: set the cookie and show the page without it.
        case login(cookie: String)
        case refused(PageRefusal)
    }

    static let cookieName = "bolster_status"
    static let tokenBytesMin = 16

    private let token: String?
    private let digest: String
    /// What a POST of our own page carries.
    let csrf: String

    init(token: String?) {
        self.token = token
        digest = SHA256Hasher.digest(of: "bolster status page\n" + (token ?? "")).hex
        var random = SystemRandomNumberGenerator()
        csrf = (0..<4).map { _ in String(random.next() as UInt64, radix: 16) }.joined()
    }

    func verdict(on request: PageRequest) -> Verdict {
        guard let token else {
            guard Self.isLoopbackName(request.headers["host"] ?? "") else {
                return .refused(PageRefusal(421, "this page is for this machine: use localhost or 127.0.0.1"))
            }
            return writeVerdict(on: request, bearsToken: false)
        }
        if let bearer = Self.bearer(request), Self.isEqual(bearer, token) {
            return writeVerdict(on: request, bearsToken: true)
        }
        if let cookie = request.cookie(Self.cookieName), Self.isEqual(cookie, digest) {
            return writeVerdict(on: request, bearsToken: false)
        }
        if request.method == "GET", let given = request.query["token"], Self.isEqual(given, token) {
            return .login(
                cookie: "\(Self.cookieName)=\(digest); Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000")
        }
        return .refused(
            PageRefusal(401, "open the page with ?token=TOKEN, or send Authorization: Bearer TOKEN"))
    }

    private func writeVerdict(on request: PageRequest, bearsToken: Bool) -> Verdict {
        guard request.method == "POST" else { return .allowed }
        guard Self.isSameOrigin(request) else {
            return .refused(PageRefusal(403, "this request comes from another site"))
        }
        guard bearsToken || Self.isEqual(request.headers["x-bolster-csrf"] ?? "", csrf) else {
            return .refused(PageRefusal(403, "X-Bolster-CSRF must be the csrf of /api/status"))
        }
        guard request.headers["content-type"]?.hasPrefix("application/json") == true else {
            return .refused(PageRefusal(403, "the body must be application/json"))
        }
        return .allowed
    }

    private static func bearer(_ request: PageRequest) -> String? {
        let parts = (request.headers["authorization"] ?? "").split(separator: " ")
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return String(parts[1])
    }

    /// A browser names the origin of every POST; scripts name none.
    private static func isSameOrigin(_ request: PageRequest) -> Bool {
        guard let origin = request.headers["origin"] else { return true }
        guard let host = request.headers["host"] else { return false }
        return origin == "http://\(host)" || origin == "https://\(host)"
    }

    static func isLoopbackName(_ host: String) -> Bool {
        let name: Substring
        if host.hasPrefix("[") {
            name = host.prefix { $0 != "]" }.dropFirst()
        } else {
            name = host.prefix { $0 != ":" }
        }
        var address = in_addr()
        return name == "localhost" || name == "::1"
            || (name.hasPrefix("127.") && inet_pton(AF_INET, String(name), &address) == 1)
    }

    /// Takes as long for a wrong token as for the right one, whichever byte differs.
    static func isEqual(_ given: String, _ wanted: String) -> Bool {
        let (given, wanted) = (Array(given.utf8), Array(wanted.utf8))
        var difference = given.count ^ wanted.count
        for index in wanted.indices {
            difference |= Int((index < given.count ? given[index] : 0) ^ wanted[index])
        }
        return difference == 0
    }

    /// Reads a token's file: its first line, without white space at the ends.
    static func token(file: String) throws(StatusPageError) -> String {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw StatusPageError(.token, "the token's file cannot be read", evidence: [file])
        }
        let line = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
        let token = line.trimmingCharacters(in: .whitespaces)
        guard token.utf8.count >= tokenBytesMin, token.allSatisfy({ $0.isASCII && !$0.isWhitespace }) else {
            throw StatusPageError(
                .token,
                "a status page's token is one line of at least \(tokenBytesMin) letters and digits; make "
                    + "one with: openssl rand -hex 16", evidence: [file])
        }
        return token
    }
}
