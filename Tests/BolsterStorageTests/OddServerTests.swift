import BolsterHTTP
import BolsterOracles
import Foundation
import Testing

@testable import BolsterStorage

@Suite("Web servers that are odd", .enabled(if: Python.has("http.server"), "needs Python"))
struct OddServerTests {
    private static let content = (0..<350_000).map { UInt8(truncatingIfNeeded: ($0 * 13) >> 2) }
    private let server: PythonServer
    private let web = WebServer(http: HTTPClient(), retry: RetryPolicy(attempts: 3, sleep: { _ in }))

    init() throws {
        server = try PythonServer([Python.checkout.path + "/Tests/BolsterStorageTests/odd_server.py"])
    }

    private func read(_ path: String, at offset: Int64 = 0) throws -> [UInt8] {
        let object = try web.open(server.url + path)
        let reader = RemoteReader(object, at: offset, .init(blockBytes: 100_000, window: 1, threads: 1))
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 64_000)
        while case let count = try block.withUnsafeMutableBytes({ try reader.read(into: $0) }), count > 0 {
            bytes += block[..<count]
        }
        return bytes
    }

    @Test(
        "Ranges ignored, more sent than asked for, resets in the middle: the bytes are right all the same",
        arguments: ["/plain", "/ignores", "/surplus", "/resets"])
    func right(path: String) throws {
        for offset in [0, 123_456] {
            let isRight = try read(path, at: Int64(offset)) == Array(Self.content[offset...])
            #expect(isRight)
        }
    }

    @Test(
        "Another range than asked for, another date, another size, fewer bytes than stated: an error",
        arguments: [
            ("/shifted", StorageError.Code.failed), ("/redated", .changed), ("/grown", .changed),
            ("/stated", .unreachable),
        ])
    func wrong(path: String, code: StorageError.Code) throws {
        let error = #expect(throws: StorageError.self) { try read(path) }
        #expect(error?.code == code, "\(error?.description ?? "none")")
        #expect(error?.path == server.url + path)
    }
}
