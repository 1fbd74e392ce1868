import Foundation

/// Where the page is served: `127.0.0.1:8080`, `localhost:0`, `[::1]:8080`, `*:8080` or `10.0.0.7:8080`.
package struct PageAddress: Hashable, Sendable, CustomStringConvertible {
    /// A literal address; no name, so that what is listened on does not depend on a resolver.
    package let host: String
    /// 0: any free one.
    package let port: UInt16
    package let isIPv6: Bool

    package init(parsing text: String) throws(StatusPageError) {
        let bad = StatusPageError(
            .address,
            "the status page's address is HOST:PORT with an IP address, localhost or *, such as "
                + "127.0.0.1:8080 or [::1]:8080", evidence: [text])
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw bad
        }
        var host = String(text[..<colon])
        if host == "localhost" { host = "127.0.0.1" }
        if host == "*" { host = "0.0.0.0" }
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, host, &four) == 1 {
            isIPv6 = false
        } else if host.hasPrefix("["), host.hasSuffix("]"),
            inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &six) == 1
        {
            host = String(host.dropFirst().dropLast())
            isIPv6 = true
        } else {
            throw bad
        }
        self.host = host
        self.port = port
    }

    init(_ address: PageAddress, port: UInt16) {
        host = address.host
        isIPv6 = address.isIPv6
        self.port = port
    }

    /// Only this machine can connect.
    package var isLoopback: Bool { isIPv6 ? host == "::1" : host.hasPrefix("127.") }

    package var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
