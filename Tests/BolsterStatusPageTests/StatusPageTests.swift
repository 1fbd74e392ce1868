import BolsterLeasing
import Foundation
import Synchronization
import Testing

@testable import BolsterStatusPage

private let token = "0123456789abcdef0123"

@Suite("The status page over its socket") struct StatusPageTests {
    @Test("The page and its parts come with their types, and with a policy that loads nothing from elsewhere")
    func files() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        for (path, type) in [
            ("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript"),
            ("/chart.js", "text/javascript"), ("/format.js", "text/javascript"),
            ("/ask.js", "text/javascript"), ("/workers.js", "text/javascript"),
            ("/failures.js", "text/javascript"),
        ] {
            let answer = page.ask(path)
            #expect(answer.status == 200)
            #expect(answer.head.contains("Content-Type: \(type)"))
            #expect(answer.head.contains("default-src 'none'"))
            #expect(!answer.body.contains("https://"))
        }
        #expect(page.ask("/", method: "HEAD").body.isEmpty)
    }

    @Test("Before the first state the API says so, and health is good") func early() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        #expect(page.ask("/api/status").status == 503)
        #expect(page.ask("/metrics").status == 503)
        #expect(page.ask("/healthz").body == "ok\n")
    }

    @Test("The status tells progress, time left, workers and cost") func status() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        page.publish(FakeRun().status)
        let answer = page.ask("/api/status")
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
        #expect(json["run"] as? String == "datacompdr-1b")
        #expect((json["stages"] as? [Any])?.count == 4)
        #expect((json["workers"] as? [String: Any])?["connected"] as? Int == 10_000)
        // 2.4 billion device-seconds at 2.5 an hour.
        #expect(json["cost"] as? Double == 2_400_000_000.0 / 3600 * 2.5)
        #expect((json["remaining"] as? Double ?? 0) > 0)
    }

    @Test("Ten thousand workers are sorted, searched and paged by the server") func workers() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        page.publish(FakeRun().status)
        func list(_ query: String) throws -> (total: Int, matching: Int, names: [String]) {
            let answer = page.ask("/api/workers?\(query)")
            let json = try #require(
                JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
            let workers = json["workers"] as? [[String: Any]] ?? []
            return (
                json["total"] as? Int ?? -1, json["matching"] as? Int ?? -1,
                workers.compactMap { $0["name"] as? String }
            )
        }
        let first = try list("per=3&sort=name")
        #expect(first.total == 10_000)
        #expect(first.names == ["gpu0000/cuda:0", "gpu0000/cuda:1", "gpu0000/cuda:2"])
        #expect(try list("per=3&sort=name&order=descending").names.first == "gpu1249/cuda:7")
        #expect(try list("per=8&page=1250&sort=name").names.last == "gpu1249/cuda:7")
        #expect(try list("per=8&page=999999&sort=name").names.last == "gpu1249/cuda:7")
        let found = try list("search=GPU0007")
        #expect(found.matching == 8)
        #expect(page.ask("/api/workers?sort=colour").status == 400)
        #expect(page.ask("/api/workers?page=0").status == 400)
        #expect(page.ask("/api/workers?order=up").status == 400)
    }

    @Test("History has a bound however long the run") func history() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        FakeRun(workers: 0).publishHistory(hours: 3, to: page)
        for (span, most) in [("hour", 720), ("day", 90), ("month", 3)] {
            let answer = page.ask("/api/history?span=\(span)")
            let json = try #require(
                JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
            let times = json["times"] as? [Double] ?? []
            #expect(times.count <= most && times.count >= most - 1)
            #expect(times == times.sorted(by: >))
        }
        #expect(page.ask("/api/history?span=week").status == 400)
    }

    @Test("Wrong addresses and methods get 404, 405 with Allow, and 501") func wrong() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        for path in [
            "/x", "/../etc/passwd", "/%2e%2e/etc/passwd", "//", "/api", "/page.html", "/api/status/",
        ] {
            #expect(page.ask(path).status == 404)
        }
        let wrong = page.ask("/api/status", method: "DELETE")
        #expect(wrong.status == 405 && wrong.head.contains("Allow: GET, HEAD"))
        #expect(page.ask("/api/retry").head.contains("Allow: POST"))
        #expect(page.ask("/", method: "BREW").status == 501)
    }

    @Test("Endless heads, endless bodies and noise are answered and cost nothing") func hostile() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        let long = String(repeating: "a", count: 20_000)
        #expect(page.ask("/", headers: ["X: \(long)"]).status == 431)
        #expect(page.ask("/" + String(repeating: "a", count: 5_000)).status == 414)
        #expect(Answer(RawClient(page).exchange([UInt8](repeating: 0x41, count: 300_000))).status == 431)
        let noise: [UInt8] = [22, 3, 1, 2, 0, 255, 13, 10, 13, 10]
        #expect(Answer(RawClient(page).exchange(noise)).status == 400)
        #expect(Answer(RawClient(page).exchange([UInt8]("GET / HT".utf8), closing: true)).status == 400)
        #expect(page.ask("/api/retry", method: "POST", headers: ["Content-Length: 9999999"]).status == 413)
        #expect(page.ask("/api/retry", method: "POST", headers: ["Transfer-Encoding: chunked"]).status == 411)
        #expect(RawClient(page).exchange([], closing: true).isEmpty)
        #expect(page.ask("/healthz").status == 200)
    }

    @Test("Seventy silent connections do not keep the seventy-first from an answer") func crowded() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        let silent = (0..<70).map { _ in RawClient(page) }
        let answer = page.ask("/healthz")
        #expect(answer.status == 503 || answer.status == 200)
        for client in silent { client.leave() }
    }
}

@Suite("Who may see the page") struct PageAccessTests {
    @Test("Without a token it answers to names of this machine alone") func rebinding() throws {
        let page = try FakeRun.page()
        defer { page.stop() }
        page.publish(FakeRun(workers: 1).status)
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"] {
            #expect(page.ask("/api/status", host: host).status == 200)
        }
        for host in ["evil.example", "localhost.evil.example", "127.evil.example", "10.0.0.1", ""] {
            #expect(page.ask("/api/status", host: host).status == 421)
        }
    }

    @Test("Off loopback a token is needed") func unprotected() throws {
        let configuration = StatusPage.Configuration(
            address: try PageAddress(parsing: "*:0"), tokenFile: nil, version: "1", log: .init(label: "t"))
        #expect(throws: StatusPageError.self) { _ = try StatusPage(configuration, retry: nil) }
    }

    @Test("A short token is refused") func shortToken() {
        #expect(throws: StatusPageError.self) { _ = try FakeRun.page(token: "short") }
    }

    @Test("The token opens by header, by address once, and by the cookie that stands for it") func login()
        throws
    {
        let page = try FakeRun.page(token: token)
        defer { page.stop() }
        page.publish(FakeRun(workers: 1).status)
        #expect(page.ask("/api/status").status == 401)
        #expect(page.ask("/", host: "anything").status == 401)
        #expect(page.ask("/api/status", headers: ["Authorization: Bearer \(token)"]).status == 200)
        #expect(page.ask("/api/status", headers: ["Authorization: Bearer \(token)x"]).status == 401)
        #expect(page.ask("/api/status", headers: ["Authorization: Basic \(token)"]).status == 401)
        #expect(page.ask("/?token=wrong").status == 401)
        let login = page.ask("/?token=\(token)")
        let cookie = try #require(
            login.head.split(separator: "\r\n").first { $0.hasPrefix("Set-Cookie: ") }?.dropFirst(12))
        #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"))
        #expect(!cookie.contains(token))
        let value = String(cookie.prefix { $0 != ";" })
        #expect(page.ask("/api/status", headers: ["Cookie: x=y; \(value)"]).status == 200)
        #expect(page.ask("/api/status", headers: ["Cookie: \(value)0"]).status == 401)
        #expect(page.ask("/healthz").status == 200)
    }

    @Test("A retry needs the page's secret or the token, JSON, and the page's own origin") func retry() throws
    {
        let asked = Mutex<[RetryRequest]>([])
        let page = try FakeRun.page(
            token: token,
            retry: { request in
                asked.withLock { $0.append(request) }
                return OperatorReply(units: max(1, request.units.count))
            })
        defer { page.stop() }
        page.publish(FakeRun(workers: 1).status)
        let bearer = "Authorization: Bearer \(token)"
        let json = "Content-Type: application/json"
        let body = #"{"units": [{"stage": "views", "shard": 12}]}"#
        func post(_ headers: [String], _ body: String) -> Int {
            page.ask("/api/retry", method: "POST", headers: headers, body: body).status
        }
        let login = page.ask("/?token=\(token)").head
        let cookie = "Cookie: " + login.split(separator: "Set-Cookie: ")[1].prefix { $0 != ";" }
        let status = page.ask("/api/status", headers: [bearer]).body
        let secret = status.split(separator: "\"csrf\":\"")[1].prefix { $0 != "\"" }
        #expect(post([json], body) == 401)
        #expect(post([json, cookie], body) == 403)
        #expect(post([cookie, "X-Bolster-CSRF: \(secret)"], body) == 403)
        #expect(
            post([json, cookie, "X-Bolster-CSRF: \(secret)", "Origin: http://evil.example"], body) == 403)
        #expect(post([json, bearer], "[]") == 400)
        #expect(asked.withLock(\.count) == 0)
        #expect(post([json, cookie, "X-Bolster-CSRF: \(secret)", "Origin: http://localhost"], body) == 200)
        #expect(post([json, bearer], #"{"units": []}"#) == 200)
        #expect(
            asked.withLock { $0 } == [
                RetryRequest(units: [UnitID(stage: "views", shard: 12)]), RetryRequest(),
            ])
    }

    @Test("What the coordinator refuses is told") func refusedRetry() throws {
        let page = try FakeRun.page(retry: { _ in OperatorReply(refusal: "no such \"unit\"\n") })
        defer { page.stop() }
        page.publish(FakeRun(workers: 1).status)
        let secret = page.ask("/api/status").body.split(separator: "\"csrf\":\"")[1].prefix { $0 != "\"" }
        let answer = page.ask(
            "/api/retry", method: "POST",
            headers: ["Content-Type: application/json", "X-Bolster-CSRF: \(secret)"], body: #"{"units":[]}"#)
        #expect(answer.status == 409)
        let json = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: String]
        #expect(json == ["error": "no such \"unit\"\n"])
    }

    @Test("Secrets are compared to the last byte") func equal() {
        #expect(PageAccess.isEqual("abc", "abc"))
        for wrong in ["", "ab", "abd", "abcd", "xbc"] { #expect(!PageAccess.isEqual(wrong, "abc")) }
    }
}
