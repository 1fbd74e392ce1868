import CCurl
import Synchronization

/// A blocking HTTP client, for any number of threads at once: each call takes a connection of its own and
/// leaves it for the next. Callers bring their threads; none is started here.
///
/// An answer of any status is returned; only what brought no answer is thrown. Nothing is repeated here: the
/// caller knows what may be.
package final class HTTPClient: Sendable {
    private let settings: HTTPSettings
    private let idle = Mutex(IdleHandles())

    package init(_ settings: HTTPSettings = .init()) {
        self.settings = settings
        precondition(Self.isLibraryReady, "libcurl cannot start")
    }

    /// The answer with its body, which may have at most `request.responseBytesMax`.
    package func send(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
        try perform(Exchange(request, head: nil, sink: nil))
    }

    /// The answer; a successful one's body goes to `body` piece by piece, as it comes, on this thread. `body`
    /// stops the exchange by false; what came is then returned as if it were all. The pieces of a body that
    /// breaks off come before the error. Another status's body is collected, its first 64 KiB.
    package func send(
        _ request: HTTPRequest, body: (UnsafeRawBufferPointer) -> Bool
    ) throws(HTTPError) -> HTTPResponse {
        try send(request, head: { _ in true }, body: body)
    }

    /// The same, with status and headers shown to `head` before the first byte of a successful answer's body;
    /// false stops there.
    package func send(
        _ request: HTTPRequest, head: (HTTPResponse) -> Bool, body: (UnsafeRawBufferPointer) -> Bool
    ) throws(HTTPError) -> HTTPResponse {
        // The closures' throws clause would lose the error's type, so it travels as a result.
        let outcome = withoutActuallyEscaping(head) { head in
            withoutActuallyEscaping(body) { body in
                let exchange = Exchange(request, head: head, sink: body)
                return Result { () throws(HTTPError) in try perform(exchange) }
            }
        }
        return try outcome.get()
    }

    private func perform(_ exchange: Exchange) throws(HTTPError) -> HTTPResponse {
        let handle = idle.withLock { $0.take() } ?? EasyHandle()
        // A handle whose exchange failed is not kept: its connection may be in any state.
        let response = try exchange.run(on: handle, settings)
        idle.withLock { $0.put(handle, keeping: settings.idleConnectionsMax) }
        return response
    }

    private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
}

/// A libcurl handle with the connections that it keeps; used by one thread at a time.
final class EasyHandle: @unchecked Sendable {
    // Never shared: whoever holds the object uses it alone, and gives it back through a lock.
    let pointer: UnsafeMutableRawPointer

    init() {
        guard let handle = curl_easy_init() else { fatalError("out of memory for a connection") }
        pointer = handle
    }

    deinit { curl_easy_cleanup(pointer) }
}

/// Handles that wait for a request, the last used first: its connection is the likeliest to be alive.
private struct IdleHandles {
    private var handles: [EasyHandle] = []

    mutating func take() -> EasyHandle? { handles.popLast() }

    mutating func put(_ handle: EasyHandle, keeping countMax: Int) {
        if handles.count < countMax { handles.append(handle) }
    }
}
