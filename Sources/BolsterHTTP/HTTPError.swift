import CCurl

/// An exchange that brought no answer, or not a whole one.
package struct HTTPError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, Equatable {
        /// The URL or a header is malformed, or its scheme is neither "http" nor "https".
        case badRequest
        /// The host's name does not resolve.
        case resolve
        case connect
        case timeout
        /// The handshake failed: a certificate, most often.
        case tls
        /// The connection broke before the answer was whole.
        case interrupted
        /// The answer's body is longer than the request allows.
        case tooLarge
        case tooManyRedirects
        /// What came is not HTTP.
        case malformed
        case failed
    }

    package var code: Code
    /// Where to: scheme, host, port and path. What may be secret, userinfo and query, is left out.
    package var url: String
    /// Says what is wrong and what to do about it.
    package var message: String

    package init(_ code: Code, url: String, _ message: String) {
        self.code = code
        self.url = Self.withoutSecrets(url)
        self.message = message
    }

    package var description: String { "\(url): \(message)" }

    /// Whether the same request may fare better a moment later.
    package var isTransient: Bool {
        switch code {
        case .resolve, .connect, .timeout, .interrupted: true
        case .badRequest, .tls, .tooLarge, .tooManyRedirects, .malformed, .failed: false
        }
    }

    /// A URL without userinfo, query and fragment.
    package static func withoutSecrets(_ url: String) -> String {
        let end = url.firstIndex { $0 == "?" || $0 == "#" } ?? url.endIndex
        var parts = url[..<end].split(separator: "/", omittingEmptySubsequences: false)
        // "scheme:", "", "user:password@host", and the path.
        guard parts.count > 2, parts[1].isEmpty else { return String(url[..<end]) }
        if let at = parts[2].lastIndex(of: "@") { parts[2] = parts[2][parts[2].index(after: at)...] }
        return parts.joined(separator: "/")
    }
}

extension HTTPError {
    /// The error of a transfer that libcurl gave up. Its own message is not repeated: it may quote the URL.
    init(_ status: CURLcode, url: String) {
        let reason = "\(String(cString: curl_easy_strerror(status))), libcurl's \(status.rawValue)"
        let (code, message): (Code, String) =
            switch status {
            // libcurl says the same of a foreign scheme and of an answer without a status line.
            case CURLE_UNSUPPORTED_PROTOCOL where url.lowercased().hasPrefix("http"):
                (.malformed, "what answers there does not speak HTTP, or redirects to what is not HTTP")
            case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
                (.badRequest, "is no URL to be asked for; it begins with http:// or https://")
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
                (.resolve, "the host's name does not resolve; check its spelling, and DNS on this machine")
            case CURLE_COULDNT_CONNECT:
                (.connect, "nobody answers there; check that the server runs, its port, and firewalls")
            case CURLE_OPERATION_TIMEDOUT:
                (.timeout, "no whole answer came in time")
            case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
                CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR:
                (.tls, "no trusted connection can be made; check its certificate and this machine's clock")
            case CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_PARTIAL_FILE,
                CURLE_HTTP2, CURLE_HTTP2_STREAM:
                (.interrupted, "the connection broke before the answer was whole")
            case CURLE_TOO_MANY_REDIRECTS:
                (.tooManyRedirects, "redirects again and again")
            case CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING:
                (.malformed, "what answers there does not speak HTTP")
            default: (.failed, "the exchange failed")
            }
        self.init(code, url: url, "\(message) (\(reason))")
    }
}
