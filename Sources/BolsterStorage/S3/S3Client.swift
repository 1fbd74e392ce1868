import BolsterDeterminism
import BolsterHTTP
import Foundation
import Synchronization

/// Talks to one S3 endpoint, with signed requests that are repeated where that can help. Thread-safe; each
/// call blocks until it is answered.
///
/// Repeated are statuses 408, 429, 500, 502, 503 and 504, S3's own words for "again", time-outs, refused and
/// broken connections; at most `RetryPolicy.attempts` times.
final class S3Client: Sendable {
    let configuration: S3Configuration
    let retry: RetryPolicy
    let http: HTTPClient
    private let source: CredentialSource
    private let now: @Sendable () -> Date
    /// Whether this endpoint was seen to honour a conditional create.
    let honoursConditions = Mutex(false)

    /// How long an answer may be silent.
    private static let stallMax = Duration.seconds(120)

    init(
        environment: [String: String], retry: RetryPolicy = RetryPolicy(),
        now: @escaping @Sendable () -> Date = { Date() }
    ) throws(StorageError) {
        let profile = try AWSProfile(environment: environment)
        configuration = try S3Configuration(environment: environment, profile: profile)
        source = CredentialSource(
            environment: environment, profile: profile, region: configuration.region)
        var settings = HTTPSettings()
        // Without a bundle of S3's own, what the process trusts elsewhere is trusted here.
        settings.certificateFile = ["AWS_CA_BUNDLE", "SSL_CERT_FILE"].lazy.compactMap { environment[$0] }
            .first { !$0.isEmpty }
        http = HTTPClient(settings)
        self.retry = retry
        self.now = now
    }

    /// Of the process's environment; made when first asked for, so that runs without s3:// need nothing.
    static let shared = Result { () throws(StorageError) in
        try S3Client(environment: ProcessInfo.processInfo.environment)
    }

    /// The answer, of a 2xx status or one that the request understands.
    func send(_ request: S3Request) throws(StorageError) -> HTTPResponse {
        let hash = SHA256Hasher.digest(of: request.body)
        var failure: StorageError?
        for attempt in 0..<retry.attempts {
            if attempt > 0 { retry.pause(after: attempt - 1) }
            let signed = try signed(request, payload: hash)
            let answer: HTTPResponse
            do throws(HTTPError) {
                answer = try http.send(signed)
            } catch {
                failure = unanswered(request, error)
                if error.isTransient { continue }
                break
            }
            if answer.isSuccess || request.understood.contains(answer.status) { return answer }
            failure = S3Refusal(answer).error(request, now: now())
            if !S3Refusal(answer).isTransient { break }
        }
        guard let failure else { preconditionFailure("a policy has at least one attempt") }
        throw failure
    }

    /// The request with its signature of this moment, as it is to be sent.
    func signed(_ request: S3Request, payload: SHA256Digest? = nil) throws(StorageError) -> HTTPRequest {
        let moment = now()
        let credentials = try source.credentials(now: moment)
        let (host, path) = configuration.address(
            bucket: request.location.bucket, key: request.location.key)
        let signature = RequestSignature(
            credentials: credentials, region: configuration.region, service: "s3", now: moment)
        let headers = signature.headers(
            signing: RequestSignature.Request(
                method: request.method, host: host, path: path, query: request.query,
                headers: request.headers, payloadHash: payload ?? SHA256Hasher.digest(of: request.body)))
        var url = "\(configuration.scheme)://\(host)\(RequestSignature.encoded(path: path))"
        if !request.query.isEmpty { url += "?" + RequestSignature.encoded(query: request.query) }
        var signed = HTTPRequest(
            method: request.method, url: url, headers: headers, body: request.body, timeout: .zero)
        signed.stallTimeout = Self.stallMax
        return signed
    }

    func unanswered(_ request: S3Request, _ error: HTTPError) -> StorageError {
        StorageError(
            error.isTransient ? .unreachable : .failed, path: request.location.url,
            "cannot \(request.doing): \(error.message) at \(configuration.scheme)://\(configuration.host)")
    }

    func refused(_ request: S3Request, _ answer: HTTPResponse) -> StorageError {
        S3Refusal(answer).error(request, now: now())
    }
}

/// An answer that is no success, understood.
struct S3Refusal {
    let status: Int
    /// S3's own word, "" where the answer has no body (HEAD).
    let code: String
    private let message: String
    private let answer: HTTPResponse

    init(_ answer: HTTPResponse) {
        let document = XMLScan(answer.body)
        self.answer = answer
        status = answer.status
        code = document.text(of: "Code") ?? ""
        message = document.text(of: "Message") ?? ""
    }

    var isTransient: Bool {
        [408, 429, 500, 502, 503, 504].contains(status)
            || [
                "RequestTimeout", "SlowDown", "InternalError", "ConditionalRequestConflict",
                "OperationAborted",
            ].contains(code)
    }

    func error(_ request: S3Request, now: Date) -> StorageError {
        let (kind, text) = explanation(now: now)
        let reason = [String(status), code].filter { !$0.isEmpty }.joined(separator: " ")
        return StorageError(kind, path: request.location.url, "cannot \(request.doing): \(text) (\(reason))")
    }

    private func explanation(now: Date) -> (StorageError.Code, String) {
        switch code {
        case "RequestTimeTooSkewed", "RequestExpired":
            let there = answer.header("date") ?? "unknown"
            return (
                .clockSkew,
                "this machine's clock is off: it says \(RequestSignature.timestamp(now)), the server says "
                    + "\(there); set the clock (chrony or systemd-timesyncd) and start again"
            )
        case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
            "InvalidSecurity", "TokenRefreshRequired":
            return (
                .credentials,
                "the credentials are not accepted; check which ones this process has, and whether they have "
                    + "expired"
            )
        case "NoSuchBucket": return (.notFound, "there is no such bucket; make it, or correct its name")
        default: break
        }
        if let region = answer.header("x-amz-bucket-region"), [301, 307, 400].contains(status) {
            return (.misconfigured, "the bucket lies in region \(region); set AWS_REGION to it")
        }
        switch status {
        case 404: return (.notFound, "there is no such object; check the key")
        case 401, 403:
            return (
                .permissionDenied,
                "the credentials do not allow it; grant them s3:GetObject, s3:PutObject, s3:DeleteObject, "
                    + "s3:ListBucket and s3:AbortMultipartUpload as needed"
            )
        case 412: return (.changed, "the object is not the one that it was")
        case 429, 503: return (.unreachable, "the server asks to slow down, again and again")
        case 408, 500, 502, 504: return (.unreachable, "the server fails, again and again")
        default: return (.failed, message.isEmpty ? "the server refuses" : message)
        }
    }
}
