import Foundation

/// An answer, with the headers that keep browsers from doing more with it than show it.
struct PageResponse: Equatable, Sendable {
    var status = 200
    var type: String
    var headers: [String] = []
    var body: [UInt8]

    static func json(_ value: some Encodable, status: Int = 200) throws -> PageResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return PageResponse(
            status: status, type: "application/json", body: [UInt8](try encoder.encode(value)))
    }

    static func text(_ text: String, type: String = "text/plain; charset=utf-8") -> PageResponse {
        PageResponse(type: type, body: [UInt8](text.utf8))
    }

    /// A refusal as JSON, which scripts and our page read.
    static func problem(_ status: Int, _ message: String, headers: [String] = []) -> PageResponse {
        let quoted = message.unicodeScalars.map { scalar in
            switch scalar {
            case "\\", "\"": "\\\(scalar)"
            case "\n": "\\n"
            case _ where scalar.value < 32: " "
            case _: String(scalar)
            }
        }.joined()
        return PageResponse(
            status: status, type: "application/json", headers: headers,
            body: [UInt8]("{\"error\":\"\(quoted)\"}".utf8))
    }

    /// The bytes on the wire. A HEAD request gets the same head and no body.
    func bytes(forHead: Bool) -> [UInt8] {
        let fixed = [
            "HTTP/1.1 \(status) \(Self.reason(status))", "Content-Type: \(type)",
            "Content-Length: \(body.count)", "Connection: close", "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "X-Frame-Options: DENY",
            "Cross-Origin-Resource-Policy: same-origin",
            "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
                + "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                + "frame-ancestors 'none'",
        ]
        let head = (fixed + headers).joined(separator: "\r\n") + "\r\n\r\n"
        return [UInt8](head.utf8) + (forHead ? [] : body)
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 421: "Misdirected Request"
        case 431: "Request Header Fields Too Large"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Error"
        }
    }
}
