"""Model packages at https:// and s3:// URLs: fetched once per node, verified, and fetched again when damaged.

Run: BOLSTER_BINARY=… python3 -m unittest discover tools/tests
"""

import contextlib
import datetime
import http.server
import importlib.util
import ipaddress
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BOLSTER_BINARY")
PACKAGE = ROOT / "manifests/demo/models/teacher-a"
SHARD = ROOT / "manifests/demo/shards/0000.tar"
MISSING = [name for name in ("cryptography", "moto", "boto3") if importlib.util.find_spec(name) is None]
S3_KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "a secret/with+signs",
    "AWS_REGION": "eu-test-1",
}


def make_certificates(folder):
    """A test authority's certificate, and a server's with its key that it signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def certificate(subject, key, issuer, issuer_key, extension, is_critical):
        now = datetime.datetime.now(datetime.timezone.utc)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)])
        return (x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1))
                .not_valid_after(now + datetime.timedelta(hours=1))
                .add_extension(extension, critical=is_critical).sign(issuer_key, hashes.SHA256()))

    def pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = certificate(
        "test authority", authority_key, "test authority", authority_key, x509.BasicConstraints(True, 0),
        True)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = certificate("server", server_key, "test authority", authority_key, address, False)
    (folder / "authority.pem").write_bytes(pem(authority))
    (folder / "server.pem").write_bytes(pem(server) + server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


class Files(http.server.BaseHTTPRequestHandler):
    """A folder's files, with ranges; counts the bytes sent of each. `harm` changes what is sent of a name."""

    protocol_version = "HTTP/1.1"
    root, harm, sent, lock = None, {}, {}, threading.Lock()

    def log_message(self, *_):
        pass

    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        data = self.harm.get(name, lambda data: data)((self.root / name).read_bytes())
        start, end = 0, len(data) - 1
        asked = self.headers["Range"]
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or end), end)
        body = data[start:end + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{len(data)}-{hash(data)}"')
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        self.end_headers()
        with self.lock:
            self.sent[name] = self.sent.get(name, 0) + len(body)
        self.wfile.write(body)


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
@unittest.skipIf(MISSING, f"needs the Python packages {MISSING}")
class PackageTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.package = self.folder / "package"
        shutil.copytree(PACKAGE, self.package)
        self.cache = self.folder / "cache"

    # MARK: Servers

    def serve_https(self):
        make_certificates(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem")
        self.files = type("BoundFiles", (Files,), {"root": self.package, "harm": {}, "sent": {}})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.files)
        server.daemon_threads = True
        server.handle_error = lambda *_: None
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.environment = {"SSL_CERT_FILE": str(self.folder / "authority.pem")}
        return f"https://127.0.0.1:{server.server_address[1]}/models/a"

    def serve_s3(self, over_tls=False):
        import boto3

        command = [sys.executable, ROOT / "tools/tests/s3_server.py"]
        authority = self.folder / "authority.pem"
        if over_tls:
            make_certificates(self.folder)
            command.append(self.folder / "server.pem")
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdin.close)
        url = f"{'https' if over_tls else 'http'}://127.0.0.1:{server.stdout.readline().decode().strip()}"
        server.stdout.close()
        self.environment = {**S3_KEYS, "AWS_ENDPOINT_URL": url}
        if over_tls:
            # A machine's own bundle would go before.
            self.environment |= {"SSL_CERT_FILE": str(authority), "AWS_CA_BUNDLE": ""}
        client = boto3.client(
            "s3", endpoint_url=url, region_name=S3_KEYS["AWS_REGION"],
            verify=str(authority) if over_tls else None,
            aws_access_key_id=S3_KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=S3_KEYS["AWS_SECRET_ACCESS_KEY"],
            config=boto3.session.Config(
                s3={"addressing_style": "path", "payload_signing_enabled": True},
                request_checksum_calculation="when_required"))
        for path in self.package.iterdir():
            client.put_object(Bucket="bucket", Key=f"models/a/{path.name}", Body=path.read_bytes())
        self.client = client
        return "s3://bucket/models/a"

    # MARK: The program

    def embed_command(self, url):
        return [BINARY, "embed", "--model", url, "--cache", str(self.cache), "--text", "a red house",
                "--out", str(self.folder / f"{threading.get_ident()}.npy")]

    def embed(self, url, **environment):
        return subprocess.run(
            self.embed_command(url), env={**os.environ, **self.environment, **environment},
            capture_output=True, text=True, timeout=60, check=False)

    def assert_intact(self):
        """One whole copy is in the cache, and nothing half done."""
        copies = [path for path in (self.cache / "models").iterdir() if path.is_dir()]
        self.assertEqual(len(copies), 1, copies)
        self.assertNotIn("partial", copies[0].name)
        for path in self.package.iterdir():
            self.assertEqual((copies[0] / path.name).read_bytes(), path.read_bytes(), path.name)
        return copies[0]

    def check_two_at_once(self, url):
        processes = [
            subprocess.Popen(
                self.embed_command(url), env={**os.environ, **self.environment}, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True) for _ in range(3)
        ]
        for process in processes:
            with contextlib.closing(process.stderr):
                self.assertEqual(process.wait(timeout=60), 0, process.stderr.read())
        self.assert_intact()

    # MARK: Tests

    def test_processes_that_ask_at_once_fetch_a_package_once(self):
        url = self.serve_https()
        self.check_two_at_once(url)
        for path in self.package.iterdir():
            if path.name != "model.json":
                # The first byte is asked for to learn the size.
                self.assertLessEqual(self.files.sent[path.name], path.stat().st_size + 8, path.name)

    def test_processes_that_ask_at_once_share_a_package_in_a_bucket(self):
        self.check_two_at_once(self.serve_s3(over_tls=True))

    def test_a_bucket_is_believed_for_the_sake_of_its_own_bundle_too(self):
        url = self.serve_s3(over_tls=True)
        self.environment |= {"AWS_CA_BUNDLE": self.environment["SSL_CERT_FILE"], "SSL_CERT_FILE": ""}
        self.assertEqual(self.embed(url).returncode, 0)
        self.assert_intact()

    def test_a_server_whose_certificate_nobody_vouches_for_is_not_believed(self):
        for serve in (self.serve_https, lambda: self.serve_s3(over_tls=True)):
            url = serve()
            for environment in ({"SSL_CERT_FILE": ""}, {"SSL_CERT_FILE": str(self.folder / "none.pem")}):
                with self.subTest(url, **environment):
                    result = self.embed(url, **environment)
                    self.assertEqual(result.returncode, 1, result.stdout)
                    self.assertIn("no trusted connection can be made", result.stderr)
        self.assertEqual(self.files.sent, {})

    def test_a_file_that_was_damaged_or_cut_on_the_server_is_refused_by_name(self):
        url = self.serve_https()
        harms = {
            "damaged": lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
            "cut": lambda data: data[:-1000],
            "empty": lambda data: b"",
        }
        for harm, change in harms.items():
            with self.subTest(harm):
                self.files.harm["image.onnx"] = change
                result = self.embed(url)
                self.assertEqual(result.returncode, 1, result.stdout)
                self.assertIn("image.onnx", result.stderr)
                folders = [path.name for path in (self.cache / "models").glob("*") if path.is_dir()]
                self.assertTrue(all(name.endswith(".partial") for name in folders), folders)
        # Mended there, it is taken, and of the other files nothing comes twice.
        self.files.harm.clear()
        self.assertEqual(self.embed(url).returncode, 0)
        self.assert_intact()
        probe = self.package / "probe.npz"
        self.assertLessEqual(self.files.sent[probe.name], 2 * probe.stat().st_size)

    def test_a_model_json_that_is_none_is_told(self):
        url = self.serve_https()
        for words in (b"<html>login</html>", b"{}", b'{"format": 1}'):
            self.files.harm["model.json"] = lambda data, words=words: words
            result = self.embed(url)
            self.assertEqual(result.returncode, 1)
            self.assertIn("model.json", result.stderr)
            self.assertNotIn("Fatal error", result.stderr)

    def test_a_copy_that_was_damaged_in_the_cache_is_fetched_again(self):
        for serve in (self.serve_https, self.serve_s3):
            url = serve()
            self.assertEqual(self.embed(url).returncode, 0)
            copy = self.assert_intact()
            for name, harm in (("text.onnx", lambda path: path.write_bytes(b"1")),
                               ("image.onnx", lambda path: path.write_bytes(path.read_bytes()[:-1])),
                               ("vocab.json", pathlib.Path.unlink), ("model.json", pathlib.Path.unlink)):
                with self.subTest(name, url=url):
                    harm(copy / name)
                    result = self.embed(url)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    self.assert_intact()

    def test_a_run_takes_its_teacher_from_a_bucket_and_makes_what_a_folder_gives(self):
        url = self.serve_s3()

        def run(teacher, out):
            manifest = self.folder / f"{out}.yaml"
            manifest.write_text(json.dumps({
                "name": "packages", "chunk": 32, "output": out, "input": {"shards": str(SHARD)},
                "ensemble": {
                    "teachers": [teacher], "views": 1,
                    "augmentation": {"random_resized_crop": {"size": 64, "interpolation": "bicubic"}},
                },
                "merge": {"layout": "split"},
            }))
            return subprocess.run(
                [BINARY, "run", str(manifest), "--workers", "2", "--output", str(self.folder / out)],
                env={**os.environ, **self.environment, "XDG_CACHE_HOME": str(self.folder / "xdg")},
                capture_output=True, text=True, timeout=100, check=False)

        for teacher, out in ((url, "remote"), (str(self.package), "local")):
            result = run(teacher, out)
            self.assertEqual(result.returncode, 0, result.stderr)
        remote, local = ((self.folder / out / "dataset/0000.tar").read_bytes() for out in ("remote", "local"))
        self.assertEqual(remote, local)
        self.cache = self.folder / "xdg/bolster"
        self.assert_intact()


if __name__ == "__main__":
    unittest.main()
