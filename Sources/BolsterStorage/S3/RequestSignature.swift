import BolsterDeterminism
import Foundation

/// Signature version 4 of AWS, in headers, for S3: the path is encoded once and not normalised.
///
///     canonical request   method, path, sorted query, sorted headers, their names, hash of the payload
///     string to sign      "AWS4-HMAC-SHA256", time, scope (day/region/service/aws4_request), its hash
///     signing key         HMAC over day, region, service, "aws4_request", begun with the secret
///
/// Amazon's "Signature Version 4 signing process" is the specification.
struct RequestSignature {
    let credentials: AWSCredentials
    let region: String
    let service: String
    let now: Date

    /// What is signed.
    struct Request {
        var method: String
        /// "host" or "host:port", as the Host header will say.
        var host: String
        /// Not yet encoded: "/bucket/a key".
        var path: String
        /// Not yet encoded, in any order.
        var query: [(name: String, value: String)]
        /// Further headers to be sent and signed; names in lower case.
        var headers: [(name: String, value: String)]
        var payloadHash: SHA256Digest
    }

    /// All headers to be sent: those given, the date, the payload's hash, the session's token and the
    /// signature. `host` is libcurl's to send.
    func headers(signing request: Request) -> [(name: String, value: String)] {
        var headers = request.headers
        headers.append(("x-amz-content-sha256", request.payloadHash.hex))
        headers.append(("x-amz-date", Self.timestamp(now)))
        if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        let signed = (headers + [("host", request.host)]).sorted { $0.name < $1.name }
        let names = signed.map(\.name).joined(separator: ";")
        let canonical = [
            request.method, Self.encoded(path: request.path), Self.encoded(query: request.query),
            signed.map { "\($0.name):\(Self.trimmed($0.value))\n" }.joined(), names, request.payloadHash.hex,
        ].joined(separator: "\n")
        let scope = "\(Self.timestamp(now).prefix(8))/\(region)/\(service)/aws4_request"
        let toSign = [
            "AWS4-HMAC-SHA256", Self.timestamp(now), scope, SHA256Hasher.digest(of: canonical).hex,
        ].joined(separator: "\n")
        var key = Array("AWS4\(credentials.secretAccessKey)".utf8)
        for part in scope.split(separator: "/") { key = HMACSHA256.code(key: key, message: part) }
        let signature = Hexadecimal.text(of: HMACSHA256.code(key: key, message: toSign))
        headers.append(
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), SignedHeaders=\(names), "
                    + "Signature=\(signature)"
            ))
        return headers
    }

    /// "20261123T153000Z".
    static func timestamp(_ date: Date) -> String {
        let seconds = Int64(date.timeIntervalSince1970.rounded(.down))
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = "\(parts.tm_year + 1900)\(two(parts.tm_mon + 1))\(two(parts.tm_mday))"
        return "\(day)T\(two(parts.tm_hour))\(two(parts.tm_min))\(two(parts.tm_sec))Z"
    }

    /// Percent-encoded but for slashes, as it is sent too.
    static func encoded(path: String) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).map { encoded($0) }
            .joined(separator: "/")
    }

    /// Sorted by the encoded names and values, as it is sent too.
    static func encoded(query: [(name: String, value: String)]) -> String {
        // By name, then value: "=" sorts behind what a name may hold, so that whole pairs cannot be compared.
        let pairs = query.map { [encoded($0.name), encoded($0.value)] }
        return pairs.sorted { $0.lexicographicallyPrecedes($1) }.map { "\($0[0])=\($0[1])" }
            .joined(separator: "&")
    }

    /// All bytes but RFC 3986's unreserved ones as "%XX".
    static func encoded(_ text: some StringProtocol) -> String {
        var result: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."), UInt8(ascii: "~"):
                result.append(byte)
            default: result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Without blanks at the ends, and with runs of them inside as one.
    private static func trimmed(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }
}
