import Foundation
import Testing

@testable import BolsterStorage

@Suite("S3 store, against a server that verifies signatures", .enabled(if: S3Server.isAvailable))
struct S3StoreTests {
    private let s3: S3Server

    init() throws { s3 = try S3Server.shared.get() }

    private func code(_ body: () throws -> Void) -> StorageError.Code? {
        do {
            try body()
            return nil
        } catch let error as StorageError {
            return error.code
        } catch {
            return nil
        }
    }

    @Test("What is written is read, replaced, sized, ranged, listed and deleted")
    func roundTrip() throws {
        let store = try s3.store("round")
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        #expect(try !store.exists("a/b.bin"))
        try store.write("a/b.bin", [1])
        try store.write("a/b.bin", bytes)
        #expect(try store.read("a/b.bin") == bytes)
        #expect(try store.size("a/b.bin") == 100_000)
        #expect(try store.read("a/b.bin", range: 10..<20) == Array(bytes[10..<20]))
        #expect(try store.read("a/b.bin", range: 99_990..<200_000) == Array(bytes[99_990...]))
        #expect(try store.read("a/b.bin", range: 200_000..<200_001).isEmpty)
        try store.write("a/empty", [])
        #expect(try store.read("a/empty").isEmpty)
        try store.write("ab", [])
        #expect(try store.list(prefix: "a/") == ["a/b.bin", "a/empty"])
        #expect(try store.list(prefix: "") == ["a/b.bin", "a/empty", "ab"])
        #expect(try store.list(prefix: "none/").isEmpty)
        try store.delete("a/b.bin")
        try store.delete("a/b.bin")
        #expect(try !store.exists("a/b.bin"))
        #expect(code { _ = try store.read("a/b.bin") } == .notFound)
        #expect(code { _ = try store.size("a/b.bin") } == .notFound)
        #expect(code { try store.write("../x", []) } == .unsafeName)
    }

    @Test(
        "Odd names survive signing, listing and reading",
        arguments: [
            "a b", "plus+sign", "schön/日本", "per%41cent", "quo'te\"", "amp&<tag>", "tilde~", "eq=ual",
        ])
    func oddNames(name: String) throws {
        let store = try s3.store("odd names/\(name.hashValue)")
        try store.write(name, Array(name.utf8))
        #expect(try store.list(prefix: "") == [name])
        #expect(try store.read(name) == Array(name.utf8))
        try store.delete(name)
    }

    @Test("A listing of several pages comes whole and sorted")
    func pages() throws {
        let store = try s3.store("pages")
        let names = (0..<20).map { "x/\(String(format: "%05d", $0 * 7 % 20))" }
        for name in names { try store.write(name, [1]) }
        let prefix = S3Location(bucket: "bucket", key: "pages/x/")
        let listed = try s3.client().list(prefix, pageMax: 6)
        #expect(listed.map(\.key) == names.sorted().map { "pages/\($0)" })
        #expect(listed.allSatisfy { $0.facts.size == 1 && $0.facts.etag.count == 32 })
        #expect(try s3.log("continuation-token").count == 3)
    }

    @Test("Of many creators of one name exactly one wins")
    func exclusive() throws {
        let store = try s3.store("exclusive")
        #expect(try store.createExclusively("first", [1]))
        #expect(try !store.createExclusively("first", [2]))
        #expect(try store.read("first") == [1])
        let wins = Counter()
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            do {
                if try store.createExclusively("raced", [UInt8(index)]) { wins.increment() }
            } catch {
                Issue.record(error)
            }
        }
        #expect(wins.count == 1)
    }

    @Test("A create whose answer was lost knows its own work")
    func lostCreate() throws {
        let store = try s3.store("lost")
        #expect(try store.createExclusively("before", []))
        try s3.arm(.init(method: "PUT", match: "lost/mine", kind: "lost"))
        #expect(try store.createExclusively("mine", [7]))
        #expect(try !store.createExclusively("mine", [7]))
    }

    @Test("A large object goes in parts, is whole, and shows only when it is complete")
    func multipart() throws {
        let store = try s3.store("parts")
        let piece = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var writer = try store.writer("large.bin")
        for _ in 0..<37 { try writer.append(piece) }
        #expect(try !store.exists("large.bin"))
        #expect(writer.bytesWritten == 37 << 20)
        try writer.commit()
        #expect(try store.size("large.bin") == 37 << 20)
        #expect(try store.read("large.bin") == Array(repeatElement(piece, count: 37).joined()))
        #expect(try s3.log("parts/large.bin?partNumber").count == 3)
        #expect(try store.removeUnfinished(olderThan: .zero) == 0)
    }

    @Test("A small object goes in one request; an exclusive one keeps what is there")
    func smallWriter() throws {
        let store = try s3.store("small")
        var writer = try store.writer("one")
        try writer.append([1, 2, 3])
        #expect(try writer.commitExclusively())
        var second = try store.writer("one")
        try second.append([4])
        #expect(try !second.commitExclusively())
        #expect(try store.read("one") == [1, 2, 3])
        #expect(try s3.log("small/one?").isEmpty)
    }

    @Test("A writer without a commit leaves nothing; what a killed one left is removed")
    func leftovers() throws {
        let store = try s3.store("left")
        let piece = [UInt8](repeating: 1, count: 17 << 20)
        do {
            var writer = try store.writer("dropped")
            try writer.append(piece)
        }
        #expect(try store.removeUnfinished(olderThan: .zero) == 0)
        let client = try s3.client()
        _ = try client.beginUpload(S3Location(bucket: "bucket", key: "left/folder/killed"))
        _ = try client.beginUpload(S3Location(bucket: "bucket", key: "elsewhere/killed"))
        let all = S3Location(bucket: "bucket", key: "left/")
        // The server says of every upload that it was begun in 2010.
        #expect(try client.unfinishedUploads(all, before: Date(timeIntervalSince1970: 0)).isEmpty)
        #expect(try store.removeUnfinished(under: "other", olderThan: .seconds(3600)) == 0)
        #expect(try store.removeUnfinished(under: "folder", olderThan: .seconds(3600)) == 1)
        #expect(try store.list(prefix: "").isEmpty)
    }

    @Test(
        "Statuses that pass are waited out",
        arguments: [
            (429, "TooManyRequests"), (500, "InternalError"), (503, "SlowDown"), (400, "RequestTimeout"),
        ])
    func transient(status: Int, code word: String) throws {
        let store = try s3.store("again-\(status)")
        for method in ["PUT", "GET"] {
            try s3.arm(
                .init(
                    method: method, match: "again-\(status)/x", kind: "status", times: 3, status: status,
                    code: word))
        }
        try store.write("x", [1, 2])
        #expect(try store.read("x") == [1, 2])
        #expect(try s3.log("again-\(status)/x").filter { $0.fault != nil }.count == 6)
    }

    @Test("Patience has a stated end, told as such")
    func exhausted() throws {
        let store = try s3.store("never", attempts: 3)
        try s3.arm(.init(method: "PUT", match: "never/x", kind: "status", times: 100))
        #expect(code { try store.write("x", [1]) } == .unreachable)
        #expect(try s3.log("never/x").count == 3)
    }

    @Test("Pauses double to a limit and are drawn below it")
    func pauses() {
        let policy = RetryPolicy()
        #expect(policy.pauseLimit(after: 0) == .milliseconds(200))
        #expect(policy.pauseLimit(after: 3) == .milliseconds(1600))
        #expect(policy.pauseLimit(after: 50) == .seconds(20))
    }

    @Test(
        "A refused request is not repeated, and says what to do",
        arguments: [
            ("AWS_SECRET_ACCESS_KEY", "wrong", StorageError.Code.credentials),
            ("AWS_ACCESS_KEY_ID", "UNKNOWN", .credentials), ("AWS_REGION", "us-east-1", .misconfigured),
        ])
    func refused(name: String, value: String, expected: StorageError.Code) throws {
        let key = "refused-\(expected.rawValue)-\(value)"
        let store = ObjectStore(root: "s3://bucket/\(key)", client: try s3.client([name: value]))
        do {
            try store.write("x", [])
            Issue.record("no error")
        } catch {
            #expect(error.code == expected)
            #expect(!"\(error)".contains("a secret"))
            if expected == .misconfigured { #expect(error.message.contains("eu-test-1")) }
        }
        #expect(try s3.log(key).count == 1)
    }

    @Test("A clock that is off is told with both times")
    func skew() throws {
        let client = try s3.client(now: { Date(timeIntervalSinceNow: -3600) })
        do {
            try ObjectStore(root: "s3://bucket/skew", client: client).write("x", [])
            Issue.record("no error")
        } catch {
            #expect(error.code == .clockSkew)
            #expect(error.message.contains("clock") && error.message.contains("GMT"))
        }
    }

    @Test("Temporary credentials are signed with their token")
    func token() throws {
        let client = try s3.client([
            "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "temporary",
            "AWS_SESSION_TOKEN": "a token/with=signs",
        ])
        try ObjectStore(root: "s3://bucket/token", client: client).write("x", [])
    }

    @Test("Nobody there: unreachable, and the endpoint is named")
    func nobody() throws {
        let client = try s3.client(["AWS_ENDPOINT_URL": "http://127.0.0.1:1"], attempts: 2)
        do {
            try ObjectStore(root: "s3://bucket/x", client: client).write("x", [])
            Issue.record("no error")
        } catch {
            #expect(error.code == .unreachable)
            #expect(error.message.contains("http://127.0.0.1:1"))
        }
    }
}

/// Counts from many threads.
final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var value = 0

    var count: Int { lock.withLock { value } }

    func increment() { lock.withLock { value += 1 } }
}
