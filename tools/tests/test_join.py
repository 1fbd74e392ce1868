"""Sets in the published form, joined with images that lie in a bucket, on a web server and in packed tars.

Runs only with BOLSTER_BINARY, webdataset, moto and boto3. The local join of the same files is the measure,
and the result is opened as a trainer opens it.
"""

import functools
import gzip
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BOLSTER_BINARY")
sys.path.insert(0, str(ROOT / "tools"))

try:
    import boto3
    import moto.server  # noqa: F401
    import webdataset  # noqa: F401

    MISSING = None
except ImportError as error:
    MISSING = f"{error.name} is not installed"
try:
    import torch  # noqa: F401

    KIND = "pth.gz"
except ImportError:
    KIND = "npz-compressed"

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "a secret/with+signs",
    "AWS_REGION": "eu-test-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
@unittest.skipIf(MISSING, MISSING)
class JoinTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        script = ROOT / "tools/oracles/published_set.py"
        subprocess.run([sys.executable, script, cls.folder / "set", KIND, "text"], check=True)
        cls.local = cls.folder / "local"
        status, output = cls.join("dr/*.tar", f"{cls.folder}/set/images/*.tar", cls.local)
        assert status == 0, output

    @classmethod
    def bolster(cls, *arguments, **environment):
        done = subprocess.run(
            [BINARY, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | environment)
        return done.returncode, done.stdout

    @classmethod
    def join(cls, published, sources, out, *more, **environment):
        if "://" not in published:
            published = f"{cls.folder}/set/{published}"
        return cls.bolster(
            "join", "--reinforcements", published, "--sources", sources, "--out", out,
            "--unpack-parameters", *more, **environment)

    def expect_local_bytes(self, out):
        for path in self.local.iterdir():
            if path.is_file():
                self.assertEqual((out / path.name).read_bytes(), path.read_bytes(), path.name)

    def test_the_joined_set_is_good_and_opens_as_a_trainer_opens_it(self):
        from dataset_checks import trainer
        from dataset_checks.report import Report

        status, output = self.bolster("verify", self.local)
        self.assertEqual(status, 0, output)
        report = Report()
        for path in sorted(self.local.glob("*.tar")):
            trainer.check_with_trainer(path, report)
            trainer.check_with_tar(path, report)
        self.assertEqual(report.failures, {})
        self.assertEqual(report.passed["the trainer's calls find what they take"], 8)
        self.assertEqual(json.loads((self.local / "sizes.json").read_text()), {
            "00000000.tar": 4, "00000001.tar": 4})
        sums = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=self.local)
        self.assertEqual(sums.returncode, 0)

    def test_a_bucket_on_both_sides(self):
        server = subprocess.Popen(
            [sys.executable, ROOT / "tools/tests/s3_server.py"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.communicate)
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        s3 = boto3.client(
            "s3", endpoint_url=url, region_name="eu-test-1", aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            config=boto3.session.Config(
                s3={"addressing_style": "path", "payload_signing_enabled": True},
                request_checksum_calculation="when_required"))
        for path in (self.folder / "set").rglob("*.tar"):
            s3.put_object(Bucket="bucket", Key=f"{path.parent.name}/{path.name}", Body=path.read_bytes())
        environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": url}
        for by in ("key", "uid"):
            status, output = self.join(
                "s3://bucket/dr/*.tar", "s3://bucket/images/*.tar", f"s3://bucket/{by}", "--by", by,
                "--scratch", self.folder / "scratch", **environment)
            self.assertEqual(status, 0, output)
            self.assertEqual(list((self.folder / "scratch").iterdir()), [])
            for path in self.local.glob("*.tar"):
                body = s3.get_object(Bucket="bucket", Key=f"{by}/{path.name}")["Body"].read()
                self.assertEqual(body, path.read_bytes(), path.name)
            status, output = self.bolster("verify", f"s3://bucket/{by}", **environment)
            self.assertEqual(status, 0, output)

    def test_packed_sources_on_a_web_server(self):
        packed = self.folder / "packed"
        packed.mkdir()
        for path in (self.folder / "set/images").glob("*.tar"):
            (packed / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(QuietFiles, directory=packed))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        address = f"http://127.0.0.1:{server.server_address[1]}/{{00000000..00000001}}.tar.gz"
        out = self.folder / "web"
        status, output = self.join("dr/*.tar", address, out)
        self.assertEqual(status, 0, output)
        self.expect_local_bytes(out)
        # Cut off on the way: what came before is joined, and file and place are told.
        whole = (packed / "00000001.tar.gz").read_bytes()
        (packed / "00000001.tar.gz").write_bytes(whole[: len(whole) // 2])
        status, output = self.join("dr/*.tar", address, self.folder / "cut")
        self.assertEqual(status, 2, output)
        self.assertIn("00000001.tar.gz", output)
        self.assertIn("truncated", output)


if __name__ == "__main__":
    unittest.main()
