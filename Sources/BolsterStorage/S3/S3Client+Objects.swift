import BolsterDeterminism
import BolsterHTTP
import Foundation

/// Single objects: whole bodies that are held in memory.
extension S3Client {
    /// What a listing or a HEAD tells.
    struct ObjectFacts: Sendable, Equatable {
        var size: Int64
        /// Without its quotes.
        var etag: String
        /// Seconds since 1970; nil where a listing was not asked.
        var modified: Int64?
    }

    /// Nil where there is none.
    func facts(_ location: S3Location) throws(StorageError) -> ObjectFacts? {
        let answer = try send(
            S3Request(method: "HEAD", location: location, doing: "look at", understood: [404]))
        guard answer.isSuccess else { return nil }
        return ObjectFacts(
            size: answer.header("content-length").flatMap { Int64($0) } ?? 0,
            etag: Self.unquoted(answer.header("etag") ?? ""))
    }

    /// Replaces what is there. S3 checks the body against the hash in the signature and keeps the checksum.
    func put(_ location: S3Location, _ body: [UInt8]) throws(StorageError) {
        _ = try send(putRequest(location, body))
    }

    /// False where the key is taken. Of several that try at once exactly one gets true.
    func putUnlessPresent(_ location: S3Location, _ body: [UInt8]) throws(StorageError) -> Bool {
        let isNew = try putConditionally(location, body)
        // A server that ignores the condition would let two coordinators rule: tried once.
        if isNew, !honoursConditions.withLock({ $0 }) {
            guard try send(conditional(location, body, mark: "probe")).status == 412 else {
                throw StorageError(
                    .misconfigured, path: location.url,
                    "this S3 server ignores 'If-None-Match: *', so that nothing keeps two writers apart; use "
                        + "one that honours it")
            }
            honoursConditions.withLock { $0 = true }
        }
        return isNew
    }

    private func putConditionally(_ location: S3Location, _ body: [UInt8]) throws(StorageError) -> Bool {
        let mark = Hexadecimal.text(of: UInt64.random(in: 0...UInt64.max))
        if try send(conditional(location, body, mark: mark)).isSuccess { return true }
        // The answer to a first attempt may have been lost: then the key is taken, by us.
        let answer = try send(
            S3Request(method: "HEAD", location: location, doing: "look at", understood: [404]))
        return answer.header(Self.markHeader) == mark
    }

    private static let markHeader = "x-amz-meta-bolster-writer"

    private func conditional(_ location: S3Location, _ body: [UInt8], mark: String) -> S3Request {
        var request = putRequest(location, body)
        request.headers += [("if-none-match", "*"), (Self.markHeader, mark)]
        request.understood = [412]
        return request
    }

    private func putRequest(_ location: S3Location, _ body: [UInt8]) -> S3Request {
        let checksum = Data(SHA256Hasher.digest(of: body).bytes).base64EncodedString()
        return S3Request(
            method: "PUT", location: location, headers: [("x-amz-checksum-sha256", checksum)], body: body,
            doing: "write")
    }

    /// An absent key is no error.
    func delete(_ location: S3Location) throws(StorageError) {
        _ = try send(S3Request(method: "DELETE", location: location, doing: "remove", understood: [404]))
    }

    /// All keys that begin with the location's, sorted by their bytes, fetched in pages.
    func list(
        _ prefix: S3Location, pageMax: Int = 1000
    ) throws(StorageError) -> [(key: String, facts: ObjectFacts)] {
        var found: [(key: String, facts: ObjectFacts)] = []
        var token: String?
        repeat {
            var query = [("list-type", "2"), ("prefix", prefix.key), ("encoding-type", "url")]
            query.append(("max-keys", "\(pageMax)"))
            if let token { query.append(("continuation-token", token)) }
            let request = S3Request(
                method: "GET", location: S3Location(bucket: prefix.bucket, key: ""), query: query,
                doing: "list")
            let page = XMLScan(try send(request).body)
            for element in page.elements("Contents") {
                guard let key = element.text(of: "Key").flatMap(Self.decodedKey),
                    let size = element.text(of: "Size").flatMap({ Int64($0) })
                else { throw malformed(prefix, "the listing") }
                let etag = Self.unquoted(element.text(of: "ETag") ?? "")
                let modified = element.text(of: "LastModified").flatMap(AWSCredentials.date)
                let facts = ObjectFacts(
                    size: size, etag: etag, modified: modified.map { Int64($0.timeIntervalSince1970) })
                found.append((key, facts))
            }
            let next = page.text(of: "IsTruncated") == "true" ? page.text(of: "NextContinuationToken") : nil
            // A server that repeats itself must not keep us for ever.
            guard next == nil || next != token else { throw malformed(prefix, "the listing's continuation") }
            token = next
        } while token != nil
        return found.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    }

    func malformed(_ location: S3Location, _ what: String) -> StorageError {
        StorageError(
            .failed, path: location.url, "\(what) is not what S3 answers; does the endpoint speak S3?")
    }

    static func unquoted(_ etag: String) -> String {
        etag.hasPrefix("\"") && etag.hasSuffix("\"") && etag.count > 1
            ? String(etag.dropFirst().dropLast()) : etag
    }

    /// A listing's keys are encoded as forms are.
    private static func decodedKey(_ text: String) -> String? {
        text.replacing("+", with: " ").removingPercentEncoding
    }
}
