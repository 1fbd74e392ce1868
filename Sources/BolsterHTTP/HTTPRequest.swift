import Glibc

/// One request: what to send, and how long and how much to wait for.
package struct HTTPRequest: Sendable {
    package var method: String
    /// With "http://" or "https://", percent-encoded by the caller; it is sent as it stands, dots included.
    package var url: String
    /// Sent in this order; a header of an empty value is sent empty.
    package var headers: [(name: String, value: String)]
    /// Sent with its length; none where empty, except that POST and PUT then say a length of 0.
    package var body: [UInt8]
    /// For the whole exchange, of all redirects together; zero for as long as it takes.
    package var timeout: Duration
    /// For resolving the host, connecting and the TLS handshake.
    package var connectTimeout: Duration
    /// How long no byte at all may arrive or leave before the exchange is given up; nil for `timeout` alone.
    package var stallTimeout: Duration?
    /// How many redirects are followed; with none, a redirect is an answer like any other. Only "http" and
    /// "https" are followed, and `Authorization` is not sent on to another host.
    package var redirectsMax = 0
    /// A longer body of an answer that is collected, not streamed, is refused.
    package var responseBytesMax = 256 << 20

    package init(
        method: String = "GET", url: String, headers: [(name: String, value: String)] = [],
        body: [UInt8] = [], timeout: Duration = .seconds(60), connectTimeout: Duration = .seconds(10)
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.connectTimeout = connectTimeout
    }
}

/// An answer, of whatever status: an HTTP error is an answer too.
package struct HTTPResponse: Sendable {
    package let status: Int
    /// Of the last answer where redirects were followed, in the server's order and spelling.
    package let headers: [(name: String, value: String)]
    /// Empty where it was streamed.
    package let body: [UInt8]

    package init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first header of this name, whatever the case of its letters.
    package func header(_ name: String) -> String? {
        let wanted = name.lowercased()
        return headers.first { $0.name.lowercased() == wanted }?.value
    }

    package var isSuccess: Bool { (200..<300).contains(status) }
}

/// How a client behaves towards every server.
package struct HTTPSettings: Sendable {
    package var userAgent = "bolster"
    /// A file of trusted certificates (PEM); nil for the system's.
    package var certificateFile: String?
    /// Whether `http_proxy`, `https_proxy` and `no_proxy` of the environment count.
    package var usesProxies = true
    /// How many connections are kept for the next request.
    package var idleConnectionsMax = 32

    package init() {}

    /// With the certificates that `SSL_CERT_FILE` of the environment names, as OpenSSL and Python take it.
    package static var ofEnvironment: HTTPSettings {
        var settings = HTTPSettings()
        if let file = getenv("SSL_CERT_FILE"), file.pointee != 0 {
            settings.certificateFile = String(cString: file)
        }
        return settings
    }
}
