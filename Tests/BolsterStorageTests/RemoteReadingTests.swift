import BolsterDataset
import BolsterHTTP
import BolsterOracles
import Foundation
import Testing

@testable import BolsterStorage

@Suite("Shards behind URLs", .enabled(if: S3Server.isAvailable))
struct RemoteReadingTests {
    private let s3: S3Server
    private let client: S3Client
    /// Three blocks and a piece of `settings`.
    private static let content = (0..<350_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    private static let settings = RemoteReader.Settings(blockBytes: 100_000, window: 3, threads: 2)

    init() throws {
        s3 = try S3Server.shared.get()
        client = try s3.client()
    }

    private func place(_ name: String) throws -> S3Location {
        let place = S3Location(bucket: "bucket", key: "shards/\(name)")
        try client.put(place, Self.content)
        return place
    }

    private func read(_ object: RemoteObject, at offset: Int64 = 0) throws -> [UInt8] {
        let reader = RemoteReader(object, at: offset, Self.settings)
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 33_333)
        while true {
            let count = try block.withUnsafeMutableBytes { try reader.read(into: $0) }
            if count == 0 { return bytes }
            bytes += block[..<count]
        }
    }

    @Test(
        "Blocks are fetched in parts and come in order, from any offset",
        arguments: [0, 1, 100_000, 349_999, 350_000])
    func blocks(offset: Int) throws {
        let object = try RemoteObject.open(place("plain-\(offset)"), client)
        #expect(object.identity.size == 350_000 && object.identity.version.count == 32)
        #expect(try read(object, at: Int64(offset)) == Array(Self.content[offset...]))
    }

    @Test("Connections are kept from block to block")
    func connections() throws {
        let object = try RemoteObject.open(place("kept"), client)
        #expect(try read(object) == Self.content)
        let peers = try s3.log("shards/kept").filter { $0.range != nil }.map(\.peer)
        #expect(peers.count == 4 && Set(peers).count <= Self.settings.threads)
    }

    @Test("A broken connection goes on at the byte reached", arguments: ["reset", "truncate"])
    func resumes(kind: String) throws {
        let object = try RemoteObject.open(place(kind), client)
        try s3.arm(.init(method: "GET", match: "shards/\(kind)", kind: kind, after: 70_000))
        #expect(try read(object) == Self.content)
        let ranges = try s3.log("shards/\(kind)").compactMap(\.range)
        // Not the broken block from its beginning.
        #expect(ranges.contains { $0.hasPrefix("bytes=70000-") || $0.hasPrefix("bytes=170000-") })
    }

    @Test("Refusals that pass are waited out; a slow server is waited for")
    func patience() throws {
        let object = try RemoteObject.open(place("patience"), client)
        try s3.arm(.init(method: "GET", match: "shards/patience", kind: "status", times: 4))
        try s3.arm(.init(method: "GET", match: "shards/patience", kind: "slow", times: 1))
        #expect(try read(object) == Self.content)
    }

    @Test("A server that keeps breaking off is an error behind the bytes before it")
    func broken() throws {
        let object = try RemoteObject.open(place("broken"), s3.client(attempts: 2))
        let place = S3Location(bucket: "bucket", key: "shards/broken")
        let reader = RemoteReader(object, at: 0, .init(blockBytes: 100_000, window: 1, threads: 1))
        var block = [UInt8](repeating: 0, count: 100_000)
        #expect(try block.withUnsafeMutableBytes { try reader.read(into: $0) } == 100_000)
        // The second block may be under way already; the third is not.
        try s3.arm(.init(method: "GET", match: place.key, kind: "status", times: 100, status: 500))
        do {
            while try block.withUnsafeMutableBytes({ try reader.read(into: $0) }) > 0 {}
            Issue.record("no error")
        } catch let error as StorageError {
            #expect(error.code == .unreachable)
            #expect(error.path == place.url)
        }
    }

    @Test("An object that changes while it is read is an error, not a mixture")
    func changed() throws {
        let place = try place("changed")
        let object = try RemoteObject.open(place, client)
        try client.put(place, Self.content.reversed())
        do {
            _ = try read(object)
            Issue.record("no error")
        } catch let error as StorageError {
            #expect(error.code == .changed)
        }
    }

    @Test("An abandoned reader lets its threads go")
    func abandoned() throws {
        let queue = BlockQueue(count: 10, window: 1)
        #expect(queue.claim() == 0)
        queue.cancel()
        #expect(queue.claim() == nil && queue.isAbandoned)
    }
}

@Suite("Shards on web servers", .enabled(if: S3Server.isAvailable))
struct WebServerTests {
    private static let content = (0..<350_000).map { UInt8(truncatingIfNeeded: $0 &* 13 >> 2) }
    private let web = WebServer(http: HTTPClient(), retry: RetryPolicy(attempts: 3, sleep: { _ in }))

    @Test("A server without ranges is read in one stream, and from the beginning for an offset")
    func withoutRanges() throws {
        let folder = try ScratchFolder()
        try Data(Self.content).write(to: URL(fileURLWithPath: folder.path + "/a b.tar"))
        // Python's own server knows no ranges.
        let files = try FileServer(folder: folder.path)
        let object = try web.open("\(files.url)/a%20b.tar")
        #expect(!object.hasRanges && object.identity.size == 350_000)
        #expect(!object.identity.version.isEmpty)
        for offset in [0, 5, 200_001] {
            let reader = RemoteReader(
                object, at: Int64(offset), .init(blockBytes: 100_000, window: 2, threads: 2))
            var bytes: [UInt8] = []
            var block = [UInt8](repeating: 0, count: 30_000)
            while case let count = try block.withUnsafeMutableBytes({ try reader.read(into: $0) }), count > 0
            {
                bytes += block[..<count]
            }
            #expect(bytes == Array(Self.content[offset...]))
        }
        #expect(throws: StorageError.self) { _ = try web.open("\(files.url)/absent.tar") }
    }

    @Test("Passwords and signatures in a URL are seen")
    func secrets() {
        for url in [
            "https://me:word@host/a.tar", "https://h/a.tar?X-Amz-Signature=1",
            "https://h/a?x=1&access_token=2",
            "http://h/a.tar?sig=3",
        ] { #expect(WebServer.hasSecrets(url)) }
        for url in ["https://h/a.tar", "https://h/a@b.tar", "https://h/a.tar?download=true"] {
            #expect(!WebServer.hasSecrets(url))
        }
    }
}

/// Python's own file server over a folder, which knows no ranges.
final class FileServer {
    private let process: PythonServer

    var url: String { process.url }

    init(folder: String) throws {
        let script = """
            import functools, http.server, sys, threading
            class Quiet(http.server.SimpleHTTPRequestHandler):
                def log_message(self, *_): pass
            server = http.server.ThreadingHTTPServer(
                ("127.0.0.1", 0), functools.partial(Quiet, directory=sys.argv[1]))
            print(server.server_port, flush=True)
            threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
            server.serve_forever()
            """
        process = try PythonServer(["-c", script, folder])
    }
}
