import Foundation
import Logging
import Synchronization

/// A small HTTP server on threads of its own: one accepts, each connection has one for its single request.
///
/// It stands beside a coordinator that must not be disturbed, so everything is bounded: connections, the
/// bytes of a request, and the time that a slow or silent client may take.
final class PageListener: Sendable {
    static let connectionsMax = 64
    /// For the whole request, however slowly it comes.
    static let requestTime: Duration = .seconds(10)
    private static let backlog: Int32 = 128

    typealias Handler = @Sendable (PageRequest) -> PageResponse

    /// With the port that was chosen where any was asked for.
    let address: PageAddress
    private let socket: Int32
    private let handler: Handler
    private let log: Logger
    private let stopped = Atomic(false)
    private let connections = Atomic(0)

    /// Listens; requests are answered from `start` on.
    init(_ address: PageAddress, log: Logger, handler: @escaping Handler) throws(StatusPageError) {
        socket = try Self.listen(address)
        self.address = PageAddress(address, port: Self.port(of: socket))
        self.log = log
        self.handler = handler
    }

    deinit { close(socket) }

    func start() {
        let thread = Thread { [self] in accept() }
        thread.name = "status-page"
        thread.start()
    }

    /// No further connections; those open end by themselves within `requestTime`.
    func stop() {
        stopped.store(true, ordering: .relaxed)
        shutdown(socket, Int32(SHUT_RDWR))
    }

    // MARK: Connections

    private func accept() {
        while !stopped.load(ordering: .relaxed) {
            let connection = Glibc.accept(socket, nil, nil)
            guard connection >= 0 else {
                // Out of descriptors, or a client that left at once: neither ends the page.
                if errno != EINTR, errno != ECONNABORTED, !stopped.load(ordering: .relaxed) {
                    usleep(100_000)
                }
                continue
            }
            guard connections.load(ordering: .relaxed) < Self.connectionsMax else {
                send(PageResponse.problem(503, "too many connections").bytes(forHead: false), to: connection)
                close(connection)
                continue
            }
            connections.add(1, ordering: .relaxed)
            let thread = Thread { [self] in
                serve(connection)
                close(connection)
                connections.subtract(1, ordering: .relaxed)
            }
            thread.name = "status-page"
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    private func serve(_ connection: Int32) {
        Self.setTimes(connection)
        let response: PageResponse
        var isHead = false
        do throws(PageRefusal) {
            guard let request = try read(connection) else { return }
            isHead = request.method == "HEAD"
            response = handler(request)
        } catch {
            log.debug("a request was refused", metadata: ["status": "\(error.status)"])
            response = error.response
        }
        send(response.bytes(forHead: isHead), to: connection)
        finish(connection)
    }

    /// Nil where the client left without a word.
    private func read(_ connection: Int32) throws(PageRefusal) -> PageRequest? {
        let end = ContinuousClock.now + Self.requestTime
        var bytes: [UInt8] = []
        var searched = 0
        while true {
            if let head = Self.headEnd(bytes, from: searched) {
                var request = try PageRequest(head: bytes[..<head])
                let length = try request.bodyLength()
                while bytes.count < head + 4 + length { try receive(connection, until: end, into: &bytes) }
                request.body = Array(bytes[(head + 4)..<(head + 4 + length)])
                return request
            }
            searched = max(0, bytes.count - 3)
            guard bytes.count < PageRequest.headBytesMax else {
                throw PageRefusal(431, "the request's head is longer than \(PageRequest.headBytesMax) bytes")
            }
            let before = bytes.count
            do throws(PageRefusal) {
                try receive(connection, until: end, into: &bytes)
            } catch {
                if before == 0 { return nil }
                throw error
            }
        }
    }

    private static func headEnd(_ bytes: [UInt8], from start: Int) -> Int? {
        let mark: [UInt8] = [13, 10, 13, 10]
        guard bytes.count >= start + 4 else { return nil }
        return (start...(bytes.count - 4)).first { bytes[$0..<($0 + 4)].elementsEqual(mark) }
    }

    private func receive(
        _ connection: Int32, until end: ContinuousClock.Instant, into bytes: inout [UInt8]
    ) throws(PageRefusal) {
        guard ContinuousClock.now < end else { throw PageRefusal(408, "the request came too slowly") }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = recv(connection, &buffer, buffer.count, 0)
        guard count > 0 else { throw PageRefusal(count == 0 ? 400 : 408, "the request is incomplete") }
        bytes += buffer[..<count]
    }

    private func send(_ bytes: [UInt8], to connection: Int32) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Reads off what a refused client still sends for a moment: closing at once would reset the connection
    /// and may take the answer with it.
    private func finish(_ connection: Int32) {
        shutdown(connection, Int32(SHUT_WR))
        var buffer = [UInt8](repeating: 0, count: 4_096)
        for _ in 0..<64 where recv(connection, &buffer, buffer.count, 0) <= 0 { return }
    }

    // MARK: Sockets

    private static func setTimes(_ connection: Int32) {
        var time = timeval(tv_sec: 3, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(connection, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    private static func listen(_ address: PageAddress) throws(StatusPageError) -> Int32 {
        let family = address.isIPv6 ? AF_INET6 : AF_INET
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(family, kind, 0)
        guard descriptor >= 0 else { throw failure(address) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, to: address) == 0, Glibc.listen(descriptor, backlog) == 0 else {
            let failure = failure(address)
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    private static func bind(_ descriptor: Int32, to address: PageAddress) -> Int32 {
        if address.isIPv6 {
            var six = sockaddr_in6()
            six.sin6_family = sa_family_t(AF_INET6)
            six.sin6_port = address.port.bigEndian
            inet_pton(AF_INET6, address.host, &six.sin6_addr)
            return withUnsafePointer(to: &six) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var four = sockaddr_in()
        four.sin_family = sa_family_t(AF_INET)
        four.sin_port = address.port.bigEndian
        inet_pton(AF_INET, address.host, &four.sin_addr)
        return withUnsafePointer(to: &four) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private static func port(of descriptor: Int32) -> UInt16 {
        var address = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
        }
        // The port lies at the same place in both families.
        return UInt16(bigEndian: address.sin6_port)
    }

    private static func failure(_ address: PageAddress) -> StatusPageError {
        StatusPageError(
            .address, "the status page cannot be served there: is the port in use?",
            evidence: ["\(address)", String(cString: strerror(errno))])
    }
}
