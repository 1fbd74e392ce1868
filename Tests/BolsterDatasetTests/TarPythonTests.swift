import BolsterOracles
import Foundation
import Testing

@testable import BolsterDataset

private let hasPython = Python.has("tarfile")
private let hasWebDataset = Python.has("webdataset")

@Suite("Tars of other programs")
struct TarPythonTests {
    /// Keys, extensions and sizes that every writer here is given, odd ones among them.
    private static let files: [(String, Int)] = [
        ("0001.jpg", 5000), ("0001.txt", 12), ("0002.png", 0), ("dir.a/0003.url.txt", 511),
        ("dir.a/0003.json", 512),
        (String(repeating: "long/", count: 40) + "0004.webp", 513), ("schön/0005.txt", 3),
    ]

    private static func content(_ index: Int, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: $0 * 7 + index) }
    }

    /// The files with their bytes.
    private static let contents: [(String, [UInt8])] = files.enumerated().map { index, file in
        (file.0, content(index, file.1))
    }

    private func check(_ path: String) throws {
        let reading = Reading([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))), piece: 1 << 16)
        #expect(reading.error == nil)
        let members = reading.samples.flatMap(\.members)
        #expect(members.map(\.name) == Self.files.map(\.0))
        let contents: [[UInt8]] = Self.contents.map(\.1)
        #expect(members.map(\.bytes) == contents)
        #expect(reading.keys.count == 5)
    }

    @Test(
        "Python's tarfile, in each of its formats",
        .enabled(if: hasPython, "needs Python; set BOLSTER_PYTHON"),
        arguments: ["USTAR_FORMAT", "GNU_FORMAT", "PAX_FORMAT"])
    func tarfile(format: String) throws {
        let folder = try ScratchFolder()
        let path = folder.path + "/a.tar"
        let script = """
            import io, json, sys, tarfile
            with tarfile.open(sys.argv[1], "w", format=tarfile.\(format)) as tar:
                for index, (name, size) in enumerate(json.loads(sys.argv[2])):
                    info = tarfile.TarInfo(name)
                    info.size = size
                    info.mtime = 1.5
                    tar.addfile(info, io.BytesIO(bytes((i * 7 + index) % 256 for i in range(size))))
            """
        let names = try JSONSerialization.data(withJSONObject: Self.files.map { [$0.0, $0.1] as [Any] })
        try Python.run(["-c", script, path, String(decoding: names, as: UTF8.self)])
        try check(path)
    }

    @Test("GNU tar, in each of its formats", arguments: ["ustar", "gnu", "oldgnu", "pax"])
    func gnuTar(format: String) throws {
        let folder = try ScratchFolder()
        for (index, (name, size)) in Self.files.enumerated() {
            let url = URL(fileURLWithPath: folder.path + "/in/" + name)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(Self.content(index, size)).write(to: url)
        }
        let made = try OtherProgram.run(
            ["tar", "--format=\(format)", "-C", folder.path + "/in", "-cf", folder.path + "/a.tar"]
                + Self.files.map { "./" + $0.0 })
        #expect(made.status == 0)
        try check(folder.path + "/a.tar")
    }

    @Test("webdataset's own writer", .enabled(if: hasWebDataset, "needs the Python package webdataset"))
    func webdatasetWriter() throws {
        let folder = try ScratchFolder()
        let script = """
            import sys, webdataset
            with webdataset.TarWriter(sys.argv[1]) as sink:
                for n in range(50):
                    sink.write({"__key__": f"a.dir/{n:06d}", "jpg": bytes([n] * n), "txt": f"text {n}",
                                "json": {"uid": n}})
            """
        try Python.run(["-c", script, folder.path + "/a.tar"])
        let reading = Reading([UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.path + "/a.tar"))))
        #expect(reading.error == nil)
        #expect(reading.samples.count == 50)
        #expect(reading.samples[7].key == "a.dir/000007")
        #expect(reading.samples[7].member("jpg")?.bytes == [UInt8](repeating: 7, count: 7))
        #expect(reading.samples[7].texts == ["text 7"])
    }

    @Test(
        "What is written opens with Python's tarfile",
        .enabled(if: hasPython, "needs Python; set BOLSTER_PYTHON"))
    func written() throws {
        let folder = try ScratchFolder()
        let path = folder.path + "/a.tar"
        try Data(TarWriterTests.archive(Self.contents)).write(
            to: URL(fileURLWithPath: path))
        let script = """
            import json, sys, tarfile
            with tarfile.open(sys.argv[1]) as tar:
                print(json.dumps([[m.name, m.size, m.mode, m.mtime, m.uid, sum(tar.extractfile(m).read())]
                                  for m in tar]))
            """
        let output = try Python.run(["-c", script, path])
        let rows = try #require(try JSONSerialization.jsonObject(with: output) as? [[Any]])
        #expect(rows.map { $0[0] as? String } == Self.files.map(\.0))
        #expect(rows.map { $0[1] as? Int } == Self.files.map(\.1))
        let sums = Self.contents.map { $0.1.reduce(0) { $0 + Int($1) } }
        #expect(rows.map { $0[5] as? Int } == sums)
        #expect(rows.allSatisfy { $0[2] as? Int == 0o644 && $0[3] as? Int == 0 && $0[4] as? Int == 0 })
        try check(path)
    }

    @Test("What is written reads as samples in webdataset", .enabled(if: hasWebDataset, "needs webdataset"))
    func writtenForWebDataset() throws {
        let folder = try ScratchFolder()
        let path = folder.path + "/a.tar"
        try Data(TarWriterTests.archive(Self.contents)).write(
            to: URL(fileURLWithPath: path))
        let script = """
            import json, sys, webdataset
            data = webdataset.WebDataset(sys.argv[1], shardshuffle=False)
            print(json.dumps([[s["__key__"], sorted(k for k in s if not k.startswith("__"))] for s in data]))
            """
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Python.run(["-c", script, path])) as? [[Any]])
        let ours = Reading([UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))).samples
        #expect(rows.map { $0[0] as? String } == ours.map(\.key))
        #expect(rows.map { $0[1] as? [String] } == ours.map { $0.members.map(\.extension).sorted() })
    }
}
