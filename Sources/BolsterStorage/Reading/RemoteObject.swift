import BolsterDataset
import BolsterHTTP
import Foundation

/// An object behind a URL whose bytes can be asked for: of a bucket, with signed requests, or of any web
/// server. A download goes on where a broken connection left it.
struct RemoteObject: Sendable {
    /// For messages, without what may be secret.
    let url: String
    /// What it was when it was opened: each request asks for that version.
    let identity: ShardIdentity
    /// Its strong ETag, where it has one.
    private let etag: String?
    /// Whether the server gives a part of it when asked; one that does not sends everything each time.
    let hasRanges: Bool
    private let client: HTTPClient
    private let retry: RetryPolicy
    private let request: @Sendable ([(name: String, value: String)]) throws(StorageError) -> HTTPRequest
    private let refusal: @Sendable (HTTPResponse) -> (error: StorageError, isTransient: Bool)

    /// An object of a bucket, of which a HEAD or a listing has told size and ETag.
    init(_ client: S3Client, _ location: S3Location, _ identity: ShardIdentity) {
        url = location.url
        self.identity = identity
        etag = identity.version
        hasRanges = true
        self.client = client.http
        retry = client.retry
        let template = S3Request(method: "GET", location: location, doing: "read")
        request = { headers throws(StorageError) in
            var request = template
            request.headers = headers
            return try client.signed(request)
        }
        refusal = { answer in
            (client.refused(template, answer), S3Refusal(answer).isTransient)
        }
    }

    /// What a web server has at a URL, as `WebServer.open` found it.
    init(
        _ web: WebServer, url: String, identity: ShardIdentity, etag: String?, hasRanges: Bool
    ) {
        self.url = HTTPError.withoutSecrets(url)
        self.identity = identity
        self.etag = etag
        self.hasRanges = hasRanges
        client = web.http
        retry = web.retry
        request = { headers in web.request(url, headers) }
        refusal = { answer in (web.refused(url, answer), web.isTransient(answer)) }
    }

    /// Gives the bytes of `range`, in order, to `take`, which stops the download by false. Repeats what fails
    /// for a moment: an attempt that brought 64 KiB is no failed one.
    func download(
        _ range: Range<Int64>, take: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) {
        var position = range.lowerBound
        var attempt = 0
        while position < range.upperBound {
            let before = position
            let failure: StorageError
            switch try fetch(position..<range.upperBound, &position, take) {
            case .stopped: return
            case .ended where position == range.upperBound: return
            case .ended: failure = broken("the answer is shorter than the server said", at: position)
            case .failed(let error, let isTransient):
                guard isTransient else { throw error }
                failure = error
            }
            attempt = position - before >= 64 << 10 ? 0 : attempt + 1
            guard attempt < retry.attempts else { throw failure }
            retry.pause(after: max(0, attempt - 1))
        }
    }

    private enum Outcome {
        case ended, stopped
        case failed(StorageError, isTransient: Bool)
    }

    /// One request for the range; `position` advances with the bytes that came.
    private func fetch(
        _ range: Range<Int64>, _ position: inout Int64, _ take: (UnsafeRawBufferPointer) -> Bool
    ) throws(StorageError) -> Outcome {
        let prepared = try request(headers(for: range))
        var isStopped = false
        var mismatch: StorageError?
        // Bytes before the range, of a server that sends everything.
        var toSkip: Int64 = 0
        // An answer that ends by itself leaves its connection for the next request.
        var sendsMore = false
        var reached = position
        let outcome = Result { () throws(HTTPError) in
            try client.send(
                prepared,
                head: { answer in
                    toSkip = answer.status == 206 ? 0 : range.lowerBound
                    sendsMore = answer.status != 206 && range.upperBound < identity.size
                    mismatch = wrong(answer, for: range)
                    return mismatch == nil
                },
                body: { piece in
                    let skipped = min(toSkip, Int64(piece.count))
                    toSkip -= skipped
                    let rest = piece.dropFirst(Int(skipped)).prefix(Int(range.upperBound - reached))
                    if !rest.isEmpty {
                        reached += Int64(rest.count)
                        isStopped = !take(UnsafeRawBufferPointer(rebasing: rest))
                    }
                    return !isStopped && !(sendsMore && reached == range.upperBound)
                })
        }
        position = reached
        if let mismatch { throw mismatch }
        switch outcome {
        case .success(let answer) where answer.status == 412: throw changedWhileRead()
        case .success(let answer) where !answer.isSuccess:
            let (error, isTransient) = refusal(answer)
            return .failed(error, isTransient: isTransient)
        case .success: return isStopped ? .stopped : .ended
        case .failure(let error):
            return .failed(broken(error.message, at: reached), isTransient: error.isTransient)
        }
    }

    private func headers(for range: Range<Int64>) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        if hasRanges, range != 0..<identity.size {
            headers.append(("range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)"))
        }
        if let etag { headers.append(("if-match", "\"\(etag)\"")) }
        return headers
    }

    /// The error of an answer that is not of the version that was opened, or not of the bytes asked for. What
    /// a server does not state cannot be compared.
    private func wrong(_ answer: HTTPResponse, for range: Range<Int64>) -> StorageError? {
        if let etag {
            if let now = WebServer.etag(of: answer), now != etag { return changedWhileRead() }
        } else if let now = answer.header("last-modified"), now != identity.version {
            return changedWhileRead()
        }
        guard answer.status == 206 else {
            let size = answer.header("content-length").flatMap { Int64($0) }
            return size == nil || size == identity.size ? nil : changedWhileRead()
        }
        // "bytes 100-199/5000"; the size may be a star.
        guard let stated = answer.header("content-range")?.dropFirst("bytes ".count).split(separator: "/"),
            stated.count == 2, let start = stated[0].split(separator: "-").first.flatMap({ Int64($0) })
        else { return nil }
        if let size = Int64(stated[1]), size != identity.size { return changedWhileRead() }
        guard start == range.lowerBound else {
            return StorageError(
                .failed, path: url,
                "the server was asked for the bytes from \(range.lowerBound) and sends those from \(start); "
                    + "it cannot be read in parts")
        }
        return nil
    }

    private func changedWhileRead() -> StorageError {
        StorageError(.changed, path: url, "was changed while it was read; put the old one back")
    }

    private func broken(_ what: String, at position: Int64) -> StorageError {
        StorageError(.unreachable, path: url, "cannot read on from byte \(position): \(what)")
    }
}
