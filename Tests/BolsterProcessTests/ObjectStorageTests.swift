import BolsterOracles
import Foundation
import Testing

/// `tools/tests/s3_server.py` as a process, driven with boto3.
private final class S3Process {
    static let secret = "a secret/with+signs"

    static let isAvailable = Python.has("moto.server", "boto3")

    private let server: PythonServer

    var url: String { server.url }

    init() throws { server = try PythonServer([Program.checkout + "/tools/tests/s3_server.py"]) }

    func environment(cache: String) -> [String: String] {
        [
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": Self.secret,
            "AWS_REGION": "eu-test-1", "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true",
            "XDG_CACHE_HOME": cache,
        ]
    }

    /// What a script prints that has boto3's client as `s3`.
    func script(_ body: String, _ arguments: [String] = []) throws -> String {
        let head = """
            import boto3, json, sys, urllib.request
            s3 = boto3.client("s3", endpoint_url="\(url)", region_name="eu-test-1",
                aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="\(Self.secret)",
                config=boto3.session.Config(s3={"addressing_style": "path", "payload_signing_enabled": True},
                    request_checksum_calculation="when_required"))
            def control(command, body=b""):
                request = urllib.request.Request("\(url)/_control/" + command, data=body, method="POST")
                return urllib.request.urlopen(request).read().decode()

            """
        return String(decoding: try Python.run(["-c", head + body] + arguments), as: UTF8.self)
    }

    /// Puts the demo's first two shards into the bucket, below corpus/.
    func uploadShards() throws {
        let shards = ["0000", "0001"].map { Program.checkout + "/manifests/demo/shards/\($0).tar" }
        _ = try script(
            """
            for path in sys.argv[1:]:
                key = "corpus/" + path.rsplit("/", 1)[1]
                s3.put_object(Bucket="bucket", Key=key, Body=open(path, "rb").read())
            """, shards)
    }
}

@Suite(
    "Runs on S3", .enabled(if: Program.path != nil && S3Process.isAvailable, "needs BOLSTER_BINARY and moto"))
struct ObjectStorageTests {
    @Test(
        "Shards and output in a bucket, with failing requests between, give the files of a local run",
        .timeLimit(.minutes(3)))
    func wholeRun() throws {
        let s3 = try S3Process()
        try s3.uploadShards()
        _ = try s3.script(
            """
            for method, match, kind in [("PUT", "records/", "status"), ("PUT", "records/", "lost"),
                    ("GET", "corpus/", "truncate"), ("PUT", "dataset/", "lost"),
                    ("PUT", "generation/", "lost"),
                    ("HEAD", "corpus/", "status")]:
                control("fault", json.dumps(dict(method=method, match=match, kind=kind, times=2, after=100000,
                    status=503, code="SlowDown")).encode())
            """)

        var local = try SmallRun()
        local.shards = Program.checkout + "/manifests/demo/shards/{0000..0001}.tar"
        let expected = try local.run()
        #expect(expected.status == 0, "\(expected.errors)")

        var remote = try SmallRun()
        remote.shards = "s3://bucket/corpus/*.tar"
        let state = remote.folder.path + "/state"
        let result = try remote.run(
            ["--state", state, "--log-level", "trace"], output: "s3://bucket/runs/small",
            environment: s3.environment(cache: remote.folder.path + "/cache"))
        #expect(result.status == 0, "\(result.errors)")

        let copies = remote.folder.path + "/dataset"
        let keys = try s3.script(
            """
            import os
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix="runs/small/"):
                for item in page["Contents"]:
                    key = item["Key"].removeprefix("runs/small/")
                    print(key)
                    if key.startswith("dataset/"):
                        os.makedirs(os.path.dirname(os.path.join(sys.argv[1], key)), exist_ok=True)
                        s3.download_file("bucket", item["Key"], os.path.join(sys.argv[1], key))
            log = urllib.request.urlopen("\(s3.url)/_control/log").read().decode()
            print("faults", sum(json.loads(line)["fault"] is not None for line in log.splitlines()))
            print("uploads", len(s3.list_multipart_uploads(Bucket="bucket").get("Uploads", [])))
            """, [remote.folder.path]
        ).split(separator: "\n").map(String.init)
        for part in ["generation/1", "dataset/0000.tar", "dataset/coverage.json", "uploads 0", "faults 12"] {
            #expect(keys.contains(part), "\(keys)")
        }
        #expect(keys.contains { $0.hasPrefix("records/") } && keys.contains { $0.hasPrefix("ledger/") })
        for name in ["0000.tar", "0001.tar", "coverage.json"] {
            let one = try Data(contentsOf: URL(fileURLWithPath: "\(copies)/\(name)"))
            let other = try Data(contentsOf: URL(fileURLWithPath: "\(local.output)/dataset/\(name)"))
            #expect(one == other, "\(name)")
        }
        try expectNoSecrets(below: state, result)
    }

    @Test(
        "Two stages and two workers fetch each shard once; a bucket that is away holds nobody up",
        .timeLimit(.minutes(3)))
    func onceAndLater() throws {
        let s3 = try S3Process()
        try s3.uploadShards()
        // So many that one of the two workers meets more in a row than a request is repeated for.
        _ = try s3.script(
            """
            control("fault", json.dumps(dict(method="PUT", match="records/", kind="status", times=17,
                status=503, code="SlowDown")).encode())
            """)
        var run = try SmallRun()
        run.shards = "s3://bucket/corpus/*.tar"
        let state = run.folder.path + "/state"
        let result = try run.run(
            ["--state", state, "--no-merge", "--workers", "2"], output: "s3://bucket/runs/once",
            environment: s3.environment(cache: run.folder.path + "/cache"))
        #expect(result.status == 0, "\(result.errors)")
        let logs = try (0..<2).map { index in
            String(
                decoding: try Data(contentsOf: URL(fileURLWithPath: "\(state)/logs/worker-\(index).log")),
                as: UTF8.self)
        }.joined()
        #expect(logs.contains("record files wait in the spool, and the work goes on"))
        #expect(logs.contains("the output takes record files again"))
        let facts = try s3.script(
            """
            log = urllib.request.urlopen("\(s3.url)/_control/log").read().decode()
            lines = [json.loads(line) for line in log.splitlines()]
            print("fetches", sum(line["method"] == "GET" and "corpus/0" in line["path"] for line in lines))
            """
        ).split(separator: "\n")
        #expect(facts == ["fetches 2"])
        let kept = try FileManager.default.contentsOfDirectory(
            atPath: run.folder.path + "/cache/bolster/shards")
        #expect(kept.count { $0.hasSuffix(".shard") } == 2 && !kept.contains { $0.hasSuffix(".part") })
        let spool = run.folder.path + "/cache/bolster/spool"
        #expect(try FileManager.default.contentsOfDirectory(atPath: spool).isEmpty)
    }

    private func expectNoSecrets(below folder: String, _ result: Program.Result) throws {
        var texts = [result.output, result.errors]
        for case let name as String in FileManager.default.enumerator(atPath: folder) ?? .init() {
            if let bytes = FileManager.default.contents(atPath: "\(folder)/\(name)") {
                texts.append(String(decoding: bytes, as: UTF8.self))
            }
        }
        #expect(texts.count > 3)
        for text in texts { #expect(!text.contains(S3Process.secret)) }
    }

    @Test("Without credentials a run says what it looked for, at once")
    func noCredentials() throws {
        let run = try SmallRun()
        let folder = try ScratchFolder()
        let result = try run.run(
            ["--state", folder.path + "/state"], output: "s3://bucket/runs/none",
            environment: [
                "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": folder.path,
                "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            ])
        #expect(result.status == 1, "\(result.errors)")
        #expect(result.errors.contains("no AWS credentials"))
    }
}
