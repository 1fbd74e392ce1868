import BolsterCompression
import BolsterDataset
import BolsterOracles
import CZstd
import Glibc
import Testing

@testable import BolsterStorage

@Suite("Finding a manifest's shards")
struct InputShardsTests {
    let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
        for name in ["00.tar", "01.tar", "02.tar", "10.tar"] { try folder.put("corpus/" + name, name) }
    }

    private func find(_ patterns: String...) throws -> [String] {
        try InputShards.find(patterns: patterns, manifestDirectory: folder.path).map(\.name)
    }

    private func message(_ patterns: String...) throws -> String {
        do {
            _ = try InputShards.find(patterns: patterns, manifestDirectory: folder.path)
        } catch {
            return error.description.replacing(folder.path, with: "")
        }
        Issue.record("passes")
        return ""
    }

    @Test("Braces, globs, paths and list files, from the manifest's folder, in order")
    func patterns() throws {
        #expect(try find("corpus/{01..02}.tar", "corpus/00.tar") == ["01", "02", "00"])
        #expect(try find("corpus/0*.tar") == ["00", "01", "02"])
        #expect(try find("{corpus/[1-9]?,corpus/00}.tar") == ["10", "00"])
        #expect(try find(folder.path + "/corpus/10.tar") == ["10"])
        #expect(try find("file://" + folder.path + "/corpus/10.tar") == ["10"])
        try folder.put("corpus/list.txt", "# all\n1*.tar\n{00..01}.tar\n")
        #expect(try find("corpus/list.txt") == ["10", "00", "01"])
    }

    @Test("A shard has its index, absolute path, size and modification time")
    func shard() throws {
        let shards = try InputShards.find(patterns: ["corpus/*.tar"], manifestDirectory: folder.path)
        #expect(shards.map(\.index) == [0, 1, 2, 3])
        #expect(shards[1].location == folder.path + "/corpus/01.tar")
        var status = stat()
        #expect(stat(shards[1].location, &status) == 0)
        #expect(shards[1].identity.size == 6)
        #expect(
            shards[1].identity.version == "\(status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec)")
        let reader = try ByteReader(opening: shards[1].location)
        #expect(reader.identity == shards[1].identity)
    }

    @Test("Every missing shard is told at once, but no more than can be read")
    func missing() throws {
        let text = try message("corpus/{00..04}.tar", "other/x.tar", "none/*.tar", "lost.txt")
        #expect(text.contains("5 problems"))
        for part in [
            "/corpus/03.tar: no such", "/corpus/04.tar: no such", "/other/x.tar",
            "/none/*.tar: no file matches",
        ] {
            #expect(text.contains(part), "\(text)")
        }
        #expect(text.contains("/lost.txt: list file: cannot open"))
        #expect(try message("corpus/{100..199}.tar").contains("and 80 more"))
    }

    @Test("Shards of equal name, or named twice, are refused with both places")
    func equalNames() throws {
        try folder.put("b/01.tar")
        #expect(
            try message("corpus/*.tar", "b/*.tar").contains(
                "/b/01.tar: has the same name, '01', as \(folder.path)/corpus/01.tar".replacing(
                    folder.path, with: "")))
        #expect(try message("corpus/*.tar", "corpus/02.tar").contains("/corpus/02.tar: is named twice"))
    }

    @Test("Folders, other files and empty lists are refused with what to write instead")
    func noShards() throws {
        #expect(try message("corpus").contains("is a folder; write /corpus/*.tar"))
        try folder.put("corpus/00_stats.json")
        #expect(
            try message("corpus/*").contains(
                "/corpus/00_stats.json: shards end in .tar, .tar.gz, .tar.zst, .jsonl"))
        try folder.put("empty.txt", "\n# none\n")
        #expect(try message("empty.txt").contains("the list file names no shard"))
        #expect(try message("corpus/**/x.tar").contains("'**' is not understood"))
        #expect(try message("corpus/{0..").contains("is never closed"))
        #expect(throws: StorageError.self) {
            try InputShards.find(patterns: [], manifestDirectory: folder.path)
        }
    }

    @Test("A compressed shard is named like a plain one, so that both of one name are refused")
    func compressed() throws {
        try folder.put("b/77.tar.gz")
        #expect(try find("b/*") == ["77"])
        try folder.put("b/77.tar")
        #expect(try message("b/*").contains("has the same name, '77'"))
    }

    @Test("A file whose name has a glob's characters is taken as it is")
    func literal() throws {
        try folder.put("a[1].tar")
        #expect(try find("a[1].tar") == ["a[1]"])
    }
}

@Suite("Reading a shard")
struct ByteReaderTests {
    private func read(_ path: String, at offset: Int64, piece: Int) throws -> [UInt8] {
        var reader = try ByteReader(opening: path, at: offset)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 16)
        defer { buffer.deallocate() }
        var bytes: [UInt8] = []
        while true {
            let count = try reader.read(into: buffer)
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    @Test("Bytes come from the offset to the end, whatever the buffer", arguments: [1, 7, 4096])
    func read(piece: Int) throws {
        let folder = try ScratchFolder()
        try folder.put("a.tar", "0123456789")
        #expect(try read(folder.path + "/a.tar", at: 0, piece: piece) == Array("0123456789".utf8))
        #expect(try read(folder.path + "/a.tar", at: 4, piece: piece) == Array("456789".utf8))
        #expect(try read(folder.path + "/a.tar", at: 10, piece: piece).isEmpty)
    }

    @Test("An absent shard, a folder, and an offset behind the end are errors with the path")
    func errors() throws {
        let folder = try ScratchFolder()
        try folder.put("a.tar", "0123456789")
        let path = folder.path
        #expect(code { _ = try ByteReader(opening: path + "/b.tar") } == .notFound)
        #expect(code { _ = try ByteReader(opening: path) } == .notAFile)
        let late = failure { _ = try ByteReader(opening: path + "/a.tar", at: 11) }
        #expect(late?.code == .changed && late?.path == path + "/a.tar")
        #expect(late?.message.contains("the shard has 10") == true)
    }

    @Test("A compressed shard reads as its content, from any offset", arguments: [1, 1000, 1 << 20])
    func gzip(piece: Int) throws {
        let folder = try ScratchFolder()
        let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 9) }
        let compressed =
            Gzip.text.compressed(Array(content[..<200_000]))
            + Gzip.text.compressed(Array(content[200_000...]))
        try ObjectStore(root: folder.path).write("a.tar.gz", compressed)
        let path = folder.path + "/a.tar.gz"
        for offset in [0, 1, 199_999, 200_000, 299_999, 300_000] where piece > 1 || offset > 250_000 {
            #expect(try read(path, at: Int64(offset), piece: piece) == Array(content[offset...]))
        }
        #expect(code { _ = try ByteReader(opening: path, at: 300_001) } == .changed)
        #expect(try ByteReader(opening: path).identity.size == Int64(compressed.count))
    }

    /// A frame of what libzstd makes of the bytes.
    private func zstandard(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { out, count in
            count = ZSTD_compress(out.baseAddress, out.count, bytes, bytes.count, 3)
        }
    }

    @Test("A shard of zstd frames reads as its content, from any offset; a cut one yields what lies before")
    func zstandardShard() throws {
        let folder = try ScratchFolder()
        let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 9) }
        let compressed = zstandard(Array(content[..<200_000])) + zstandard(Array(content[200_000...]))
        let store = ObjectStore(root: folder.path)
        try store.write("a.tar.zst", compressed)
        let path = folder.path + "/a.tar.zst"
        for offset in [0, 1, 199_999, 200_000, 299_999, 300_000] {
            #expect(try read(path, at: Int64(offset), piece: 5000) == Array(content[offset...]))
        }
        #expect(code { _ = try ByteReader(opening: path, at: 300_001) } == .changed)
        try store.write("cut.tar.zst", Array(compressed.dropLast(10)))
        var reader = try ByteReader(opening: folder.path + "/cut.tar.zst")
        var block = [UInt8](repeating: 0, count: 4096)
        var bytes: [UInt8] = []
        let error = try #require(
            failure {
                while case let count = try block.withUnsafeMutableBytes({ try reader.read(into: $0) }),
                    count > 0
                { bytes += block[..<count] }
            })
        #expect(error.code == .damaged && error.message.contains("the zstd stream is truncated"))
        #expect(bytes.count >= 200_000 && bytes == Array(content[..<bytes.count]))
    }

    @Test("A damaged or truncated compressed shard yields what lies before, and then an error with its path")
    func damagedGzip() throws {
        let folder = try ScratchFolder()
        let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 * $0 >> 9) }
        let compressed = Gzip.text.compressed(content)
        try ObjectStore(root: folder.path).write("cut.tar.gz", Array(compressed[..<(compressed.count / 2)]))
        try ObjectStore(root: folder.path).write("none.tar.gz", Array("no gzip at all".utf8))
        var reader = try ByteReader(opening: folder.path + "/cut.tar.gz")
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
        defer { buffer.deallocate() }
        var bytes: [UInt8] = []
        let error = try #require(
            failure {
                while case let count = try reader.read(into: buffer), count > 0 { bytes += buffer[..<count] }
            })
        #expect(error.code == .damaged && error.path.hasSuffix("/cut.tar.gz"))
        #expect(error.message.contains("the gzip stream is truncated"))
        #expect(bytes.count > 100_000 && bytes == Array(content[..<bytes.count]))
        #expect(code { _ = try read(folder.path + "/none.tar.gz", at: 0, piece: 100) } == .damaged)
    }

    @Test("A shard's samples come out of its file")
    func samples() throws {
        let folder = try ScratchFolder()
        var writer = TarWriter()
        var bytes: [UInt8] = []
        for index in 0..<10 { writer.append(name: "\(index).txt", bytes: [UInt8(index)], to: &bytes) }
        writer.finish(to: &bytes)
        try ObjectStore(root: folder.path).write("a.tar", bytes)
        var tar = TarSampleReader(shard: "a")
        tar.append(try read(folder.path + "/a.tar", at: 0, piece: 1000))
        tar.finish()
        var keys: [String] = []
        while let sample = try tar.next() { keys.append(sample.key) }
        #expect(keys == (0..<10).map(String.init))
    }
}
