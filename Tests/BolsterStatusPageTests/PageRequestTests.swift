import Testing

@testable import BolsterStatusPage

private func request(_ text: String) throws -> PageRequest { try PageRequest(head: Array(text.utf8)[...]) }

private func status(_ text: String) -> Int? {
    do {
        _ = try request(text)
        return nil
    } catch {
        return (error as? PageRefusal)?.status
    }
}

@Suite("A request's head") struct PageRequestTests {
    @Test("Method, path, query and headers are read") func parsed() throws {
        let read = try request(
            "GET /api/workers?page=2&search=gpu%2007+a&flag HTTP/1.1\r\nHost: localhost:1\r\nX-A:  b ")
        #expect(read.method == "GET")
        #expect(read.path == "/api/workers")
        #expect(read.query == ["page": "2", "search": "gpu 07 a", "flag": ""])
        #expect(read.headers == ["host": "localhost:1", "x-a": "b "])
    }

    @Test(
        "What is no request is refused with the fitting status",
        arguments: [
            ("", 400), ("GET /", 400), ("GET / HTTP/1.1 x", 400), ("get / HTTP/1.1", 400),
            ("GET x HTTP/1.1", 400), ("GET / HTTP/2.0", 505), ("GET / SPDY/1", 400),
            ("GET /%zz HTTP/1.1", 400), ("GET /%4 HTTP/1.1", 400), ("GET /%00 HTTP/1.1", 400),
            ("GET /%ff HTTP/1.1", 400), ("GET /?a=%g0 HTTP/1.1", 400), ("GET /?a=%+1 HTTP/1.1", 400),
            ("GET / HTTP/1.1\r\nno colon", 400), ("GET / HTTP/1.1\r\n: x", 400),
            ("GET / HTTP/1.1\r\nA : x", 400), ("GET / HTTP/1.1\r\n folded: x", 400),
        ]) func refused(text: String, expected: Int)
    {
        #expect(status(text) == expected)
    }

    @Test("An endless address is too long") func longTarget() {
        #expect(status("GET /\(String(repeating: "a", count: 5_000)) HTTP/1.1") == 414)
    }

    @Test("Bodies have a length, and a bound") func bodies() throws {
        func length(_ header: String) throws -> Int {
            try request("POST / HTTP/1.1\r\n\(header)").bodyLength()
        }
        #expect(try length("Content-Length: 12") == 12)
        #expect(try length("X: y") == 0)
        for (header, status) in [
            ("Content-Length: -1", 400), ("Content-Length: 1e3", 400), ("Content-Length: ", 400),
            ("Content-Length: 65537", 413), ("Content-Length: 99999999999999999999999", 413),
            ("Transfer-Encoding: chunked", 411),
        ] {
            #expect(throws: PageRefusal.self) { try length(header) }
            do { _ = try length(header) } catch { #expect((error as? PageRefusal)?.status == status) }
        }
    }

    @Test("Every prefix and every flipped byte of a head is read or refused, never fatal") func hostile() {
        let head = Array(
            "GET /api/workers?page=2&search=%c3%bc HTTP/1.1\r\nHost: localhost\r\nCookie: a=b; c=d".utf8)
        var read = 0
        for length in 0...head.count {
            do { if try PageRequest(head: head[..<length]).method == "GET" { read += 1 } } catch {}
        }
        for place in head.indices {
            for bit in 0..<8 {
                var flipped = head
                flipped[place] ^= 1 << bit
                do { if try PageRequest(head: flipped[...]).path.isEmpty { read += 1 } } catch {}
            }
        }
        #expect(read > 0)
    }

    @Test("A cookie is found among others") func cookies() throws {
        let read = try request("GET / HTTP/1.1\r\nCookie: a=b; bolster_status=x=y; c")
        #expect(read.cookie("bolster_status") == "x=y")
        #expect(read.cookie("status") == nil)
    }
}

@Suite("The page's address") struct PageAddressTests {
    @Test("Literal addresses, localhost and * are taken") func taken() throws {
        #expect(try PageAddress(parsing: "127.0.0.1:80").isLoopback)
        #expect(try PageAddress(parsing: "localhost:0").description == "127.0.0.1:0")
        #expect(try PageAddress(parsing: "[::1]:81").description == "[::1]:81")
        #expect(try PageAddress(parsing: "[::1]:81").isLoopback)
        #expect(try !PageAddress(parsing: "*:80").isLoopback)
        #expect(try !PageAddress(parsing: "[::]:80").isLoopback)
        #expect(try !PageAddress(parsing: "10.1.2.3:80").isLoopback)
    }

    @Test(
        "Others are refused",
        arguments: ["", "80", "host:80", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "::1:8"])
    func refused(text: String) {
        #expect(throws: StatusPageError.self) { try PageAddress(parsing: text) }
    }

    @Test("A price is a type of device and a number") func prices() throws {
        let prices = try DevicePrices(parsing: ["cuda=2.5", "cpu=0.05"])
        #expect(prices.cost(of: "cuda", .seconds(7_200)) == 5)
        #expect(prices.cost(of: "tpu", .seconds(7_200)) == nil)
        for text in ["cuda", "=1", "cuda=x", "cuda=-1", "cuda=nan", "cuda:0=1", "a=1=2"] {
            #expect(throws: StatusPageError.self) { try DevicePrices(parsing: [text]) }
        }
    }
}
