import CCurl

/// One request on its way and what came back so far. libcurl's callbacks find it through a pointer, all of
/// them called on the thread that performs the exchange.
final class Exchange {
    private let request: HTTPRequest
    private let head: ((HTTPResponse) -> Bool)?
    /// Where a successful answer's body goes; collected where nil.
    private let sink: ((UnsafeRawBufferPointer) -> Bool)?

    private var status = 0
    private var headers: [(name: String, value: String)] = []
    private var body: [UInt8] = []
    private var isHeadShown = false
    /// The caller has had enough.
    private var isStopped = false
    private var isTooLarge = false
    private var isStalled = false
    /// How many bytes had come and gone when last something had, and when that was.
    private var moved: (bytes: Int64, at: ContinuousClock.Instant) = (0, .now)

    /// How much of an unsuccessful answer is kept beside a stream: enough for any server's explanation.
    private static let refusalBytesMax = 64 << 10

    init(
        _ request: HTTPRequest, head: ((HTTPResponse) -> Bool)?, sink: ((UnsafeRawBufferPointer) -> Bool)?
    ) {
        self.request = request
        self.head = head
        self.sink = sink
    }

    func run(on easy: EasyHandle, _ settings: HTTPSettings) throws(HTTPError) -> HTTPResponse {
        try checkRequest()
        let handle = easy.pointer
        // Forgets the last request's options and keeps its connections.
        curl_easy_reset(handle)
        var options = Options(handle)
        options.setTransport(request, settings)
        var lines: UnsafeMutablePointer<curl_slist>?
        for line in headerLines() { lines = curl_slist_append(lines, line) }
        defer { curl_slist_free_all(lines) }
        options.set(CURLOPT_HTTPHEADER, UnsafeRawPointer(lines))
        let context = Unmanaged.passUnretained(self).toOpaque()
        options.set(CURLOPT_HEADERDATA, context)
        options.setSink(CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            Exchange.from(context).took(header: UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        options.set(CURLOPT_WRITEDATA, context)
        options.setSink(CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            Exchange.from(context).took(body: UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        if request.stallTimeout != nil {
            let watch: curl_xferinfo_callback = { context, _, received, _, sent in
                Exchange.from(context).goesOn(bytes: Int64(received + sent)) ? 0 : 1
            }
            options.setProgress(watch, context)
        }
        let outcome = request.body.withUnsafeBytes { bytes in
            options.setMethod(request.method, body: bytes)
            return options.failure ?? curl_easy_perform(handle)
        }
        return try response(outcome)
    }

    private func checkRequest() throws(HTTPError) {
        let parts = request.headers.flatMap { [$0.name, $0.value] } + [request.method, request.url]
        guard !parts.contains(where: { $0.utf8.contains { $0 == 0 || $0 == 0x0A || $0 == 0x0D } }) else {
            throw HTTPError(
                .badRequest, url: "", "a header, the method or the URL has a line break or a zero")
        }
    }

    private func response(_ outcome: CURLcode) throws(HTTPError) -> HTTPResponse {
        if isTooLarge {
            throw HTTPError(
                .tooLarge, url: request.url,
                "answers with more than the \(request.responseBytesMax) bytes that are expected")
        }
        let failure = isStalled ? CURLE_OPERATION_TIMEDOUT : outcome
        guard failure == CURLE_OK || isStopped else { throw HTTPError(failure, url: request.url) }
        let response = HTTPResponse(status: status, headers: headers, body: body)
        // An empty body has no first byte to be shown before.
        if !isHeadShown, response.isSuccess, let head { _ = head(response) }
        return response
    }

    /// "Name: value" as libcurl takes them; without what it would add of its own accord.
    private func headerLines() -> [String] {
        var lines = request.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        for name in ["Expect", "Content-Type", "Accept"]
        where !request.headers.contains(where: { $0.name.lowercased() == name.lowercased() }) {
            lines.append("\(name):")
        }
        return lines
    }

    private static func from(_ context: UnsafeMutableRawPointer?) -> Exchange {
        guard let context else { preconditionFailure("libcurl lost its context") }
        return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
    }

    /// One header line; a status line begins the next answer, after a redirect or a "100 Continue".
    private func took(header line: UnsafeRawBufferPointer) -> Int {
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            headers = []
            let fields = text.split(separator: " ", maxSplits: 2)
            status = fields.count > 1 ? Int(fields[1].prefix(3)) ?? 0 : 0
        } else if let colon = text.firstIndex(of: ":") {
            let value = text[text.index(after: colon)...]
            headers.append((String(text[..<colon]), String(value.trimmed)))
        }
        return line.count
    }

    /// How many of the bytes were taken; fewer than all make libcurl stop.
    private func took(body bytes: UnsafeRawBufferPointer) -> Int {
        guard let sink, (200..<300).contains(status) else { return collect(bytes) }
        if !isHeadShown {
            isHeadShown = true
            if let head, !head(HTTPResponse(status: status, headers: headers, body: [])) {
                isStopped = true
                return 0
            }
        }
        guard sink(bytes) else {
            isStopped = true
            return 0
        }
        // The time that the reader took is not the server's.
        moved.at = .now
        return bytes.count
    }

    /// False where nothing has come or gone for too long.
    private func goesOn(bytes: Int64) -> Bool {
        if bytes != moved.bytes {
            moved = (bytes, .now)
        } else if let limit = request.stallTimeout, ContinuousClock.now - moved.at > limit {
            isStalled = true
        }
        return !isStalled
    }

    private func collect(_ bytes: UnsafeRawBufferPointer) -> Int {
        if sink != nil {
            body += bytes.prefix(Self.refusalBytesMax - body.count)
        } else if body.count + bytes.count <= request.responseBytesMax {
            body += bytes
        } else {
            isTooLarge = true
            return 0
        }
        return bytes.count
    }
}

extension Substring {
    /// Without the blanks and line breaks around it.
    fileprivate var trimmed: Substring {
        var rest = self
        while let first = rest.unicodeScalars.first, first.value <= 0x20 {
            rest.unicodeScalars.removeFirst()
        }
        while let last = rest.unicodeScalars.last, last.value <= 0x20 { rest.unicodeScalars.removeLast() }
        return rest
    }
}
