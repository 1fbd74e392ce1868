import BolsterOracles
import Foundation
import Synchronization
import Testing

@testable import BolsterHTTP

@Suite("HTTP client, against a server process")
struct HTTPClientTests {
    private let server: PythonServer
    private let client = HTTPClient()

    /// Of all tests: started once, ended with the test process.
    private static let shared = Result {
        try PythonServer([Python.checkout.path + "/Tests/BolsterHTTPTests/server.py"])
    }

    init() throws { server = try Self.shared.get() }

    private func url(_ path: String) -> String { server.url + path }

    private func text(_ response: HTTPResponse) -> String { String(decoding: response.body, as: UTF8.self) }

    private func code(_ path: String, _ change: (inout HTTPRequest) -> Void = { _ in }) -> HTTPError.Code? {
        var request = HTTPRequest(url: url(path))
        change(&request)
        do {
            _ = try client.send(request)
            return nil
        } catch {
            return error.code
        }
    }

    @Test(
        "Method, path with its dots and query, headers and body arrive as given",
        arguments: [
            "GET", "POST", "PUT", "DELETE",
        ])
    func echo(method: String) throws {
        var request = HTTPRequest(method: method, url: url("/echo?a=%2F..%2Fb&c"))
        request.headers = [("X-One", "eins"), ("X-Empty", ""), ("Content-Type", "text/x")]
        if method != "GET" { request.body = [UInt8](repeating: 0x61, count: 2_000_000) }
        let lines = text(try client.send(request)).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "\(method) /echo?a=%2F..%2Fb&c")
        #expect(lines.contains("X-One: eins"))
        #expect(lines.contains("X-Empty: "))
        #expect(lines.contains("Content-Type: text/x"))
        #expect(!lines.contains { $0.hasPrefix("Expect") || $0.hasPrefix("Accept") })
        #expect(lines.last?.utf8.count == request.body.count)
    }

    @Test("A PUT and a POST without a body say so", arguments: ["PUT", "POST"])
    func emptyBody(method: String) throws {
        let answer = try client.send(HTTPRequest(method: method, url: url("/echo")))
        #expect(text(answer).contains("Content-Length: 0"))
        #expect(!text(answer).contains("Content-Type"))
    }

    @Test("Dots in a path are not resolved")
    func dots() throws {
        let answer = try client.send(HTTPRequest(url: url("/a/../echo")))
        #expect(answer.status == 404)
    }

    @Test("Headers are found whatever their case, the first of several")
    func headers() throws {
        let answer = try client.send(HTTPRequest(url: url("/headers")))
        #expect(answer.header("etag") == #""a:b""#)
        #expect(answer.header("X-TWICE") == "1")
        #expect(answer.headers.filter { $0.name.lowercased() == "x-twice" }.map(\.value) == ["1", "2"])
        #expect(answer.header("absent") == nil)
    }

    @Test("HEAD brings headers and no body")
    func head() throws {
        let answer = try client.send(HTTPRequest(method: "HEAD", url: url("/status/200")))
        #expect(answer.header("Content-Length") == "100005")
        #expect(answer.body.isEmpty)
    }

    @Test("An HTTP error is an answer, with its body", arguments: [400, 404, 500, 503])
    func statuses(status: Int) throws {
        let answer = try client.send(HTTPRequest(url: url("/status/\(status)")))
        #expect(answer.status == status)
        #expect(answer.body.count == 100_005)
        #expect(!answer.isSuccess)
    }

    @Test("Redirects are followed only when asked, and not for ever")
    func redirects() throws {
        let plain = try client.send(HTTPRequest(url: url("/redirect/2")))
        #expect(plain.status == 302 && plain.header("Location") == "/redirect/1")
        var request = HTTPRequest(url: url("/redirect/2"))
        request.redirectsMax = 3
        let followed = try client.send(request)
        #expect(followed.status == 200 && text(followed).hasPrefix("GET /echo"))
        #expect(code("/redirect/2") { $0.redirectsMax = 2 } == .tooManyRedirects)
        #expect(code("/away") { $0.redirectsMax = 2 } == .malformed)
    }

    @Test("A slow answer times out; a stalled one too; both may be tried again")
    func timeouts() throws {
        #expect(code("/slow") { $0.timeout = .milliseconds(200) } == .timeout)
        #expect(
            code("/stall") {
                $0.timeout = .zero; $0.stallTimeout = .milliseconds(500)
            } == .timeout)
        #expect(HTTPError(.timeout, url: "", "").isTransient)
    }

    @Test("A broken connection is told, with all bytes before it", arguments: ["/reset", "/short"])
    func broken(path: String) throws {
        var count = 0
        do {
            _ = try client.send(HTTPRequest(url: url(path))) { bytes in
                count += bytes.count
                return true
            }
            Issue.record("no error")
        } catch {
            #expect(error.code == .interrupted)
            #expect(error.isTransient)
        }
        // A reset may overtake what was sent before it.
        #expect(path == "/reset" ? count <= 400 : count == 400)
    }

    @Test("No answer at all, no server, no such host, no HTTP: each has its code")
    func noAnswer() throws {
        #expect(code("/gone") == .interrupted)
        #expect(code("") { $0.url = "http://127.0.0.1:1/" } == .connect)
        #expect(code("") { $0.url = "http://no-such-host.invalid/" } == .resolve)
        #expect(code("") { $0.url = "ftp://127.0.0.1/" } == .badRequest)
        #expect(code("") { $0.url = "https://127.0.0.1:\(server.port)/" } == .tls)
        #expect(code("/garbage") == .malformed)
        #expect(code("/echo") { $0.headers = [("X", "a\r\nY: b")] } == .badRequest)
    }

    @Test("A chunked body is put together")
    func chunked() throws {
        #expect(text(try client.send(HTTPRequest(url: url("/chunked")))) == "one two three")
    }

    @Test("A large body streams in pieces, in order, after its head")
    func streaming() throws {
        let size = 50 << 20
        var count = 0
        var pieceMax = 0
        var isRight = true
        var lengthAtHead: String?
        let answer = try client.send(
            HTTPRequest(url: url("/large/\(size)")),
            head: { head in
                lengthAtHead = head.header("content-length")
                return count == 0
            },
            body: { bytes in
                isRight = isRight && bytes[0] == UInt8(truncatingIfNeeded: count)
                count += bytes.count
                pieceMax = max(pieceMax, bytes.count)
                return true
            })
        #expect(lengthAtHead == "\(size)")
        #expect(answer.status == 200 && answer.body.isEmpty)
        #expect(count == size && isRight)
        #expect(pieceMax <= 1 << 20)
    }

    @Test("A stream stops where its reader has enough; the client goes on")
    func stopping() throws {
        var count = 0
        let answer = try client.send(HTTPRequest(url: url("/large/100000000"))) { bytes in
            count += bytes.count
            return count < 1_000_000
        }
        #expect(answer.status == 200 && count < 3_000_000)
        #expect(try client.send(HTTPRequest(url: url("/echo"))).status == 200)
        let headOnly = try client.send(
            HTTPRequest(url: url("/large/100000000")), head: { _ in false }, body: { _ in true })
        #expect(headOnly.status == 200)
    }

    @Test("A refused stream's explanation is collected, its first 64 KiB, and not streamed")
    func refusedStream() throws {
        let answer = try client.send(HTTPRequest(url: url("/status/403"))) { _ in
            Issue.record("an error's body was streamed")
            return true
        }
        #expect(answer.status == 403 && answer.body.count == 64 << 10)
    }

    @Test("A body larger than expected is refused")
    func tooLarge() throws {
        #expect(code("/large/1000001") { $0.responseBytesMax = 1_000_000 } == .tooLarge)
        #expect(code("/large/1000000") { $0.responseBytesMax = 1_000_000 } == nil)
    }

    @Test("A connection is kept for the next request")
    func connectionsAreKept() throws {
        let client = HTTPClient()
        let ports = try (0..<3).map { _ in
            try client.send(HTTPRequest(url: url("/echo"))).header("X-Peer-Port")
        }
        #expect(Set(ports).count == 1 && ports[0] != nil)
    }

    @Test("Many threads share one client")
    func threads() throws {
        let sizes = Mutex<[Int]>([])
        DispatchQueue.concurrentPerform(iterations: 16) { index in
            do {
                let answer = try client.send(HTTPRequest(url: url("/large/\(100_000 + index)")))
                sizes.withLock { $0.append(answer.body.count) }
            } catch {
                Issue.record(error)
            }
        }
        #expect(sizes.withLock { $0.sorted() } == (0..<16).map { 100_000 + $0 })
    }

    @Test("An error never shows what may be secret: password, query, fragment")
    func secrets() throws {
        let url = "http://me:hunter2@127.0.0.1:1/path/x?X-Amz-Signature=abc#frag"
        do {
            _ = try client.send(HTTPRequest(url: url, headers: [("Authorization", "Bearer s3cret")]))
            Issue.record("no error")
        } catch {
            #expect(error.url == "http://127.0.0.1:1/path/x")
            for secret in ["hunter2", "abc", "s3cret", "frag"] { #expect(!"\(error)".contains(secret)) }
        }
        #expect(HTTPError.withoutSecrets("nonsense?x") == "nonsense")
        #expect(HTTPError.withoutSecrets("https://host/a@b") == "https://host/a@b")
    }
}
