import BolsterDataset
import BolsterHTTP
import BolsterOracles
import Foundation
import Testing

@testable import BolsterStorage

@Suite("Shards by info.json, in folders")
struct PeerInfoTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
        for name in ["set/00.jsonl", "set/01.jsonl.gz", "set/{x},y.tar.zst"] { try folder.put(name, "x") }
    }

    private func find(_ pattern: String) throws -> [String] {
        try InputShards.find(patterns: [pattern], manifestDirectory: folder.path).map(\.location)
    }

    @Test("Names are resolved against the folder of the file, as RayGen writes them and as we do")
    func names() throws {
        let expected = ["00.jsonl", "01.jsonl.gz", "{x},y.tar.zst"].map { "\(folder.path)/set/\($0)" }
        try folder.put(
            "set/info.json",
            #"{"name": "old/place", "lengths": {"old/place/01.jsonl.gz": "3", "old/place/00.jsonl": "5","#
                + #" "{x},y.tar.zst": 1}, "totalLength": "9"}"#)
        #expect(try find("set/info.json") == [expected[1], expected[0], expected[2]].sorted())
        try folder.put("set/info.json", #"{"lengths": {"00.jsonl": 5, "\#(expected[1])": 2}}"#)
        #expect(Set(try find("set/info.json")) == Set(expected.prefix(2)))
    }

    @Test(
        "What is no info.json is told", arguments: ["", "[]", "{}", #"{"lengths": {}}"#, #"{"lengths": 7}"#])
    func damaged(text: String) throws {
        try folder.put("set/info.json", text)
        do {
            _ = try find("set/info.json")
            Issue.record("passes")
        } catch let error as StorageError {
            #expect(error.description.contains("info.json"))
        }
    }
}

@Suite("Shards in buckets and on web servers", .enabled(if: S3Server.isAvailable))
struct RemoteShardsTests {
    private let remote: RemoteShards
    private let s3: S3Server

    init() throws {
        s3 = try S3Server.shared.get()
        let web = WebServer(http: HTTPClient(), retry: RetryPolicy(attempts: 2, sleep: { _ in }))
        remote = RemoteShards(client: try s3.client(), web: web)
        let store = try s3.store("corpus")
        for index in 0..<12 where index != 7 {
            try store.write("\(index < 10 ? "0" : "")\(index).tar", Array(repeating: 1, count: index))
        }
        try store.write("sub/00.tar", [1])
    }

    private func find(_ patterns: String...) throws -> [Shard] {
        try InputShards.find(patterns: patterns, manifestDirectory: "/nowhere", remote: remote)
    }

    @Test("Braces over many keys cost one listing, and tell what is missing")
    func braces() throws {
        let shards = try find("s3://bucket/corpus/{08..11}.tar", "s3://bucket/corpus/00.tar")
        #expect(shards.map(\.name) == ["08", "09", "10", "11", "00"])
        #expect(shards.map(\.identity.size) == [8, 9, 10, 11, 0])
        #expect(shards.allSatisfy { $0.identity.version.count == 32 })
        do {
            _ = try find("s3://bucket/corpus/{00..11}.tar")
            Issue.record("passes")
        } catch let error as StorageError {
            #expect(error.message.contains("s3://bucket/corpus/07.tar: there is no such object"))
            #expect(error.message.hasPrefix("1 problem"))
        }
    }

    @Test("A glob's star stays within its folder; both looks at a shard agree")
    func globs() throws {
        #expect(try find("s3://bucket/corpus/0[0-2].tar").map(\.name) == ["00", "01", "02"])
        let all = try find("s3://bucket/corpus/*.tar")
        #expect(all.count == 11)
        #expect(try find("s3://bucket/corpus/11.tar").map(\.identity) == [all[10].identity])
        #expect(throws: StorageError.self) { try find("s3://bucket/corpus/9*.tar") }
    }

    @Test("Shards on a web server have size and version; missing ones and secrets are told")
    func web() throws {
        let folder = try ScratchFolder()
        try folder.put("a/00.tar", "12345")
        let files = try FileServer(folder: folder.path)
        let shards = try find("\(files.url)/a/{00..00}.tar")
        #expect(shards.map(\.name) == ["00"] && shards[0].identity.size == 5)
        #expect(!shards[0].identity.version.isEmpty)
        for (pattern, message) in [
            ("\(files.url)/a/{00..01}.tar", "status 404"), ("https://me:word@host/x.tar", "password"),
            ("ftp://host/x.tar", "shards are read from"),
        ] {
            do {
                _ = try find(pattern)
                Issue.record("passes")
            } catch let error as StorageError {
                #expect(error.message.contains(message) && !error.message.contains("me:word"))
            }
        }
    }
}
