/// A request of a browser or a script, read whole: the head within `headBytesMax`, the body within
/// `bodyBytesMax`. HTTP/1.1 as far as a page of ours needs it (RFC 9112): a body has a Content-Length, and
/// each connection carries one request.
struct PageRequest: Equatable, Sendable {
    static let headBytesMax = 16_384
    static let targetBytesMax = 4_096
    static let bodyBytesMax = 65_536

    var method: String
    /// Percent-decoded, without the query.
    var path: String
    var query: [String: String]
    /// By lower-case name; of repeated ones the last.
    var headers: [String: String]
    var body: [UInt8] = []

    /// The head, up to and without the empty line.
    ///
    /// - Throws: what to answer to a head that is no request.
    init(head: ArraySlice<UInt8>) throws(PageRefusal) {
        guard let text = String(validating: head, as: UTF8.self) else {
            throw PageRefusal(400, "the request is not UTF-8")
        }
        var lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)[...]
        let start = lines.popFirst()?.split(separator: " ", omittingEmptySubsequences: false) ?? []
        guard start.count == 3, start[2] == "HTTP/1.1" || start[2] == "HTTP/1.0" else {
            throw PageRefusal(
                start.count == 3 && start[2].hasPrefix("HTTP/") ? 505 : 400, "no HTTP/1.1 request")
        }
        guard !start[0].isEmpty, start[0].allSatisfy({ $0.isASCII && $0.isUppercase }) else {
            throw PageRefusal(400, "no method")
        }
        guard start[1].utf8.count <= Self.targetBytesMax else {
            throw PageRefusal(414, "the address is too long")
        }
        guard start[1].hasPrefix("/") else { throw PageRefusal(400, "the address does not begin with /") }
        method = String(start[0])
        let parts = start[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = Self.decoded(parts[0]), !path.contains("\0") else {
            throw PageRefusal(400, "the address is badly encoded")
        }
        self.path = path
        query = try Self.query(parts.count > 1 ? parts[1] : "")
        headers = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
                !line[..<colon].contains(where: { $0 == " " || $0 == "\t" })
            else { throw PageRefusal(400, "a header without a name") }
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            headers[line[..<colon].lowercased()] = String(value)
        }
    }

    /// Bytes of the body that follow the head.
    func bodyLength() throws(PageRefusal) -> Int {
        guard headers["transfer-encoding"] == nil else {
            throw PageRefusal(411, "a body needs a Content-Length")
        }
        guard let text = headers["content-length"] else { return 0 }
        guard !text.isEmpty, text.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            throw PageRefusal(400, "Content-Length is no number")
        }
        guard let length = Int(text), length <= Self.bodyBytesMax else {
            throw PageRefusal(413, "the body is longer than \(Self.bodyBytesMax) bytes")
        }
        return length
    }

    /// Of several cookies the one called `name`.
    func cookie(_ name: String) -> String? {
        for pair in (headers["cookie"] ?? "").split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0].drop(while: { $0 == " " }) == name { return String(parts[1]) }
        }
        return nil
    }

    private static func query(_ text: Substring) throws(PageRefusal) -> [String: String] {
        var query: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(parts[0], plusIsSpace: true),
                let value = decoded(parts.count > 1 ? parts[1] : "", plusIsSpace: true)
            else { throw PageRefusal(400, "the query is badly encoded") }
            query[name] = value
        }
        return query
    }

    /// Nil where a percent sign is not followed by two hexadecimal digits, or the bytes are no UTF-8.
    private static func decoded(_ text: Substring, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard rest.count >= 2, let value = UInt8(String(rest.prefix(2)) ?? "", radix: 16),
                    rest.first != UInt8(ascii: "+"), rest.first != UInt8(ascii: "-")
                else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

/// What to answer to a request that is refused.
struct PageRefusal: Error, Equatable {
    let status: Int
    let message: String

    init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }

    var response: PageResponse { .problem(status, message) }
}
