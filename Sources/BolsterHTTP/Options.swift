import CCurl

/// Sets a handle's options and remembers the first that libcurl refuses.
struct Options {
    private let handle: UnsafeMutableRawPointer
    private(set) var failure: CURLcode?

    init(_ handle: UnsafeMutableRawPointer) { self.handle = handle }

    mutating func set(_ option: CURLoption, _ value: Int) {
        note(bolster_curl_set_long(handle, option, value))
    }

    /// libcurl copies strings, and keeps any other pointer as it is.
    mutating func set(_ option: CURLoption, _ value: String) {
        note(value.withCString { bolster_curl_set_pointer(handle, option, $0) })
    }

    mutating func set(_ option: CURLoption, _ value: UnsafeRawPointer?) {
        note(bolster_curl_set_pointer(handle, option, value))
    }

    mutating func setSink(_ option: CURLoption, _ sink: @escaping bolster_curl_sink) {
        note(bolster_curl_set_sink(handle, option, sink))
    }

    /// Called about once a second and on each piece; anything but 0 ends the exchange.
    mutating func setProgress(_ progress: @escaping curl_xferinfo_callback, _ context: UnsafeRawPointer) {
        set(CURLOPT_NOPROGRESS, 0)
        set(CURLOPT_XFERINFODATA, context)
        note(bolster_curl_set_progress(handle, progress))
    }

    /// Where to, how long, and with whose trust.
    mutating func setTransport(_ request: HTTPRequest, _ settings: HTTPSettings) {
        set(CURLOPT_URL, request.url)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
        // A key may hold "..": the path is the caller's.
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        // Signals would hit whichever thread; without, resolving is bounded by its own thread.
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_USERAGENT, settings.userAgent)
        if let file = settings.certificateFile { set(CURLOPT_CAINFO, file) }
        if !settings.usesProxies { set(CURLOPT_NOPROXY, "*") }
        set(CURLOPT_TIMEOUT_MS, request.timeout.wholeMilliseconds)
        set(CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeout.wholeMilliseconds)
        if request.redirectsMax > 0 {
            set(CURLOPT_FOLLOWLOCATION, 1)
            set(CURLOPT_MAXREDIRS, request.redirectsMax)
        }
        set(CURLOPT_BUFFERSIZE, 256 << 10)
    }

    /// The body's memory must stay until the exchange is over.
    mutating func setMethod(_ method: String, body: UnsafeRawBufferPointer) {
        switch method {
        case "GET" where body.isEmpty: set(CURLOPT_HTTPGET, 1)
        case "HEAD": set(CURLOPT_NOBODY, 1)
        case "POST", "PUT", "PATCH": setBody(method, body)
        default:
            if body.isEmpty { set(CURLOPT_CUSTOMREQUEST, method) } else { setBody(method, body) }
        }
    }

    private mutating func setBody(_ method: String, _ body: UnsafeRawBufferPointer) {
        set(CURLOPT_POST, 1)
        note(bolster_curl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count)))
        // A nil pointer would make libcurl ask a callback for the body.
        if let start = body.baseAddress {
            set(CURLOPT_POSTFIELDS, start)
        } else {
            set(CURLOPT_COPYPOSTFIELDS, "")
        }
        if method != "POST" { set(CURLOPT_CUSTOMREQUEST, method) }
    }

    private mutating func note(_ status: CURLcode) {
        if status != CURLE_OK, failure == nil { failure = status }
    }
}

extension Duration {
    /// Rounded up, so that a short time is not none.
    fileprivate var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
