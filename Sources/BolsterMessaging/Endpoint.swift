import CZMQ

/// Where a socket listens or connects to, read before libzmq sees it, so that a mistake has a clear
/// message and nothing leaves the machine unprotected by accident.
///
///     tcp://HOST:PORT     HOST: a name, an IPv4 address, [an IPv6 address], or * for every interface
///                         PORT: 1 to 65535; when listening also * for any free one
///     ipc://PATH          a Unix socket
package struct Endpoint: Sendable, Equatable {
    package enum Use: Sendable { case listen, connect }

    /// The text as libzmq takes it.
    package let text: String
    /// True where no other machine can take part.
    package let isLocal: Bool
    let needsIPv6: Bool

    package init(_ text: String, for use: Use) throws(MessagingError) {
        self.text = text
        if text.hasPrefix("ipc://") {
            guard text.utf8.count > 6 else { throw Self.bad(text, "names no path after ipc://") }
            isLocal = true
            needsIPv6 = false
            return
        }
        guard text.hasPrefix("tcp://") else {
            throw Self.bad(text, "does not begin with tcp:// or ipc://")
        }
        let address = text.dropFirst(6)
        guard let colon = address.lastIndex(of: ":") else { throw Self.bad(text, "has no :PORT at its end") }
        try Self.checkPort(address[address.index(after: colon)...], of: text, for: use)
        let host = address[..<colon]
        try Self.checkHost(host, of: text, for: use)
        needsIPv6 = host.hasPrefix("[")
        isLocal = Self.isLoopback(host)
    }

    private static func checkPort(_ port: Substring, of text: String, for use: Use) throws(MessagingError) {
        if port == "*" || port == "0" {
            if use == .connect { throw bad(text, "must name the port to connect to") }
            return
        }
        guard port.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(port),
            (1...65_535).contains(number)
        else { throw bad(text, "has the port \"\(port)\"; a port is a number from 1 to 65535") }
    }

    private static func checkHost(_ host: Substring, of text: String, for use: Use) throws(MessagingError) {
        if host.isEmpty { throw bad(text, "names no host") }
        if host == "*" {
            if use == .connect { throw bad(text, "must name the host to connect to, not *") }
            return
        }
        if host.hasPrefix("[") {
            guard host.hasSuffix("]") else { throw bad(text, "has an IPv6 address without its closing ]") }
            return
        }
        guard !host.contains(":") else {
            throw bad(text, "has an IPv6 address; write it in brackets, as in tcp://[::1]:5570")
        }
        let letters = host.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard letters else { throw bad(text, "has the host \"\(host)\", which is no name and no address") }
    }

    /// 127.0.0.0/8, ::1 and localhost; a name that merely resolves to one of them is not trusted.
    private static func isLoopback(_ host: Substring) -> Bool {
        if host == "localhost" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func bad(_ text: String, _ reason: String) -> MessagingError {
        MessagingError(
            .badEndpoint, "the endpoint \(reason); give one like tcp://127.0.0.1:5570", evidence: text)
    }
}
