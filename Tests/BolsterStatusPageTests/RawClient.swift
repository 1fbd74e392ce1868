import Foundation

@testable import BolsterStatusPage

/// Sends bytes as they are and reads what comes until the server closes.
struct RawClient {
    private let socket: Int32

    init(_ page: StatusPage) {
        let port = UInt16(page.url.dropLast().split(separator: ":").last!)!
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "the page does not listen")
    }

    func leave() { Glibc.close(socket) }

    /// The whole answer to `bytes`; `close` ends our side first.
    func exchange(_ bytes: [UInt8], closing: Bool = false) -> String {
        defer { Glibc.close(socket) }
        _ = bytes.withUnsafeBytes { send(socket, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }
        if closing { shutdown(socket, Int32(SHUT_WR)) }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            guard count > 0 else { return String(decoding: answer, as: UTF8.self) }
            answer += buffer[..<count]
        }
    }
}

/// An answer taken apart.
struct Answer {
    let status: Int
    let head: String
    let body: String

    init(_ text: String) {
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        head = String(parts[0])
        body = parts.count > 1 ? String(parts[1]) : ""
        status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
    }
}

extension StatusPage {
    func ask(
        _ target: String, method: String = "GET", headers: [String] = [], body: String = "",
        host: String = "localhost"
    ) -> Answer {
        var lines = ["\(method) \(target) HTTP/1.1", "Host: \(host)"] + headers
        if !body.isEmpty { lines.append("Content-Length: \(body.utf8.count)") }
        return Answer(
            RawClient(self).exchange([UInt8]((lines.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)))
    }
}
