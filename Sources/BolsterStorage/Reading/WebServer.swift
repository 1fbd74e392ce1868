import BolsterDataset
import BolsterHTTP
import Foundation

/// Shards that lie on any web server, at "http://" and "https://" URLs.
struct WebServer: Sendable {
    let http: HTTPClient
    let retry: RetryPolicy

    static let shared = WebServer(http: HTTPClient(.ofEnvironment), retry: RetryPolicy())

    static func isURL(_ location: String) -> Bool {
        location.hasPrefix("http://") || location.hasPrefix("https://")
    }

    /// Whether a URL holds what looks like a password or a signature: shards' URLs are kept in the ledger and
    /// shown, so such a one is not taken.
    static func hasSecrets(_ url: String) -> Bool {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        if parts.count > 2, parts[2].contains("@") { return true }
        guard let mark = url.firstIndex(of: "?") else { return false }
        let telling = ["signature", "sig", "token", "credential", "key", "password", "secret", "auth"]
        return url[mark...].dropFirst().split(separator: "&").contains { pair in
            let name = pair.prefix { $0 != "=" }.lowercased()
            return telling.contains { name == $0 || name.hasSuffix("-\($0)") || name.hasSuffix("_\($0)") }
        }
    }

    /// Asks for the first byte: the answer tells size, version, and whether parts can be asked for. Not by
    /// HEAD, which many servers answer otherwise than they send.
    func open(_ url: String) throws(StorageError) -> RemoteObject {
        var failure: StorageError?
        for attempt in 0..<retry.attempts {
            if attempt > 0 { retry.pause(after: attempt - 1) }
            let answer: HTTPResponse
            do throws(HTTPError) {
                answer = try http.send(
                    request(url, [("range", "bytes=0-0")]), head: { $0.status == 206 }, body: { _ in true })
            } catch {
                failure = StorageError(
                    error.isTransient ? .unreachable : .failed, path: error.url, error.message)
                if error.isTransient { continue }
                break
            }
            if answer.isSuccess || answer.status == 416 { return try object(url, answer) }
            failure = refused(url, answer)
            if !isTransient(answer) { break }
        }
        guard let failure else { preconditionFailure("a policy has at least one attempt") }
        throw failure
    }

    private func object(_ url: String, _ answer: HTTPResponse) throws(StorageError) -> RemoteObject {
        let stated =
            answer.status == 200
            ? answer.header("content-length")
            : answer.header("content-range")?.split(separator: "/").last.map(String.init)
        guard let size = stated.flatMap({ Int64($0) }), size >= 0 else {
            throw StorageError(
                .misconfigured, path: HTTPError.withoutSecrets(url),
                "the server does not tell the size; a shard that may change unseen cannot be read")
        }
        let etag = Self.etag(of: answer)
        let version = etag ?? answer.header("last-modified") ?? ""
        return RemoteObject(
            self, url: url, identity: ShardIdentity(size: size, version: version), etag: etag,
            hasRanges: answer.status != 200)
    }

    /// A strong ETag without its quotes; a weak one tells too little.
    static func etag(of answer: HTTPResponse) -> String? {
        guard let etag = answer.header("etag"), etag.hasPrefix("\""), etag.count > 2 else { return nil }
        return S3Client.unquoted(etag)
    }

    func request(_ url: String, _ headers: [(name: String, value: String)]) -> HTTPRequest {
        var request = HTTPRequest(url: url, headers: headers, timeout: .zero)
        request.stallTimeout = .seconds(60)
        request.redirectsMax = 5
        return request
    }

    func isTransient(_ answer: HTTPResponse) -> Bool {
        [408, 425, 429, 500, 502, 503, 504].contains(answer.status)
    }

    func refused(_ url: String, _ answer: HTTPResponse) -> StorageError {
        let path = HTTPError.withoutSecrets(url)
        let status = "(status \(answer.status))"
        switch answer.status {
        case 404, 410: return StorageError(.notFound, path: path, "is not there; check the URL \(status)")
        case 401, 403:
            return StorageError(
                .permissionDenied, path: path, "the server does not allow reading it \(status)")
        case _ where isTransient(answer):
            return StorageError(.unreachable, path: path, "the server fails, again and again \(status)")
        default: return StorageError(.failed, path: path, "the server refuses \(status)")
        }
    }
}
