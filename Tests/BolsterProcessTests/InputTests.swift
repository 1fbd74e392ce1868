import BolsterOracles
import Foundation
import Testing

/// Every form of input through the whole program.
@Suite(.enabled(if: Program.path != nil, "set BOLSTER_BINARY to the release binary"))
struct InputTests {
    /// The demo's first shard: samples in order.
    private static let shard = Program.checkout + "/manifests/demo/shards/0000.tar"

    private static func python(_ script: String, _ arguments: [String]) throws -> String {
        String(decoding: try Python.run(["-c", script] + arguments), as: UTF8.self)
    }

    /// Writes the first shard as JSONL, as RayGen does, with its info.json; prints the uids in order.
    private static let asLines = """
        import base64, gzip, json, sys, tarfile
        samples = {}
        with tarfile.open(sys.argv[1]) as tar:
            for member in tar:
                key, extension = member.name.split(".", 1)
                samples.setdefault(key, {})[extension] = tar.extractfile(member).read()
        lines = []
        for key, files in samples.items():
            line = {"uid": key}
            for extension, content in files.items():
                if extension in ("jpg", "png", "webp", "jpeg"):
                    line["image"] = base64.b64encode(content).decode()
                elif extension == "txt":
                    line["text"] = content.decode()
                elif extension == "json":
                    line |= {name: value for name, value in json.loads(content).items() if name != "uid"}
                elif extension == "url.txt":
                    line["url"] = content.decode()
            lines.append(json.dumps(line) + "\\n")
        with gzip.open(sys.argv[2] + "/0000.jsonl.gz", "wt") as file:
            file.writelines(lines)
        json.dump({"name": "/old/place", "lengths": {"old/place/0000.jsonl.gz": str(len(lines))}},
            open(sys.argv[2] + "/info.json", "w"))
        print("\\n".join(samples))
        """

    private func coverage(_ run: SmallRun) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: run.output + "/dataset/coverage.json"))
        let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return try #require(object?["total"] as? [String: Any])
    }

    @Test("JSONL by a peer's info.json gives the tar's views and embeddings")
    func lines() throws {
        var tar = try SmallRun()
        tar.shards = Self.shard
        #expect(try tar.run().status == 0)
        var lines = try SmallRun()
        let keys = try Self.python(Self.asLines, [Self.shard, lines.folder.path])
            .split(separator: "\n").map(String.init)
        lines.shards = lines.folder.path + "/info.json"
        try lines.write()
        let plan = try Program.run(["plan", lines.manifest, "--count"])
        #expect(plan.output.contains("1 shards (1 jsonl)"), "\(plan.output)")
        #expect(plan.output.contains("found    \(keys.count) samples: "), "\(plan.output)")
        let result = try lines.run()
        #expect(result.status == 0, "\(result.errors)")
        let same = """
            import sys, tarfile
            def files(path):
                with tarfile.open(path) as tar:
                    return {m.name: tar.extractfile(m).read() for m in tar if not m.name.endswith(".json")}
            one, other = map(files, sys.argv[1:])
            print(len(one), one == other)
            """
        let compared = try Self.python(
            same, [tar, lines].map { $0.output + "/dataset/0000.tar" })
        #expect(compared.hasSuffix("True\n") && !compared.hasPrefix("0"), "\(compared)")
    }

    @Test("input.keep works on the samples it names; the others are a class of their own")
    func keep() throws {
        var run = try SmallRun()
        run.shards = Self.shard
        let keys = try Self.python(Self.asLines, [Self.shard, run.folder.path])
            .split(separator: "\n").map(String.init)
        let kept = [keys[3], keys[20], keys[21]]
        try (kept + ["not-there"]).joined(separator: "\n").write(
            toFile: run.folder.path + "/keep.txt", atomically: true, encoding: .utf8)
        let text = run.text.replacingOccurrences(
            of: "input: {shards: \"\(run.shards)\"}",
            with: "input: {shards: \"\(run.shards)\", keep: {uids: keep.txt, field: __key__}}")
        try run.write(text)
        let plan = try Program.run(["plan", run.manifest, "--count"])
        #expect(plan.output.contains("4 uids; they take 3 of \(keys.count) samples"), "\(plan.output)")
        let result = try Program.run(["run", run.manifest, "--workers", "1"])
        #expect(result.status == 0, "\(result.errors)")
        let total = try coverage(run)
        #expect(total["merged"] as? Int == 3 && total["excluded"] as? Int == keys.count - 3, "\(total)")
        #expect(total["missing"] as? Int == 0 && total["skipped"] as? Int == 0, "\(total)")
        let merged = try Self.python(
            """
            import sys, tarfile
            print(" ".join(sorted({m.name.split(".")[0] for m in tarfile.open(sys.argv[1])})))
            """, [run.output + "/dataset/0000.tar"])
        #expect(merged == kept.sorted().joined(separator: " ") + "\n")
    }

    @Test("A truncated JSONL shard is retried, then quarantined; its whole samples are not lost")
    func truncatedLines() throws {
        var run = try SmallRun()
        _ = try Self.python(Self.asLines, [Self.shard, run.folder.path])
        let path = run.folder.path + "/cut.jsonl"
        _ = try Self.python(
            """
            import gzip, sys
            text = gzip.open(sys.argv[1]).read()
            open(sys.argv[2], "wb").write(text[: len(text) - 100])
            """, [run.folder.path + "/0000.jsonl.gz", path])
        run.shards = path
        let result = try run.run()
        #expect(result.status == 2, "\(result.errors)")
        #expect((result.output + result.errors).contains("cut"))
        let status = try Program.run(["status", "--state", run.output + "/state"])
        #expect((status.output + status.errors).contains("truncated"), "\(status.output)")
        let total = try coverage(run)
        #expect((total["merged"] as? Int ?? 0) > 0, "\(total)")
    }
}
