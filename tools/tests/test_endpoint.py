"""A run with a captioner behind an HTTP endpoint: `bolster run` against tools/oracles/chat_server.py.

Run: BOLSTER_BINARY=… python3 -m unittest discover tools/tests
"""

import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/oracles"), str(ROOT / "tools")]

import chat_server  # noqa: E402

BINARY = os.environ.get("BOLSTER_BINARY")
KEY = "sk-never-in-a-log-42"


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
class EndpointRunTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.server = chat_server.serve(key=KEY)
        self.state = self.server.RequestHandlerClass.state
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.folder.cleanup()

    def manifest(self, **changes):
        endpoint = {
            "name": "vlm", "endpoint": f"http://127.0.0.1:{self.port}/v1", "model_id": "tiny-vlm",
            "prompt": ["Describe it.", "What is it?"], "captions": 3, "concurrency": 8, "timeout": 2,
            "sampling": {"temperature": 0.5, "max_tokens": 64}, **changes,
        }
        value = {
            "name": "endpoint", "seed": 5, "chunk": 16, "output": "out",
            "input": {"shards": str(ROOT / "manifests/demo/shards/0000.tar")}, "captioners": [endpoint],
            "leases": {"attempts": 2},
        }
        file = self.path / "endpoint.yaml"
        # JSON is YAML.
        file.write_text(json.dumps(value))
        return file

    def run_bolster(self, manifest, out, key=KEY):
        environment = {k: v for k, v in os.environ.items() if k != "BOLSTER_CAPTIONER_KEY"}
        if key:
            environment["BOLSTER_CAPTIONER_KEY"] = key
        return subprocess.run(
            [BINARY, "run", str(manifest), "--workers", "1", "--output", str(self.path / out)],
            env=environment, capture_output=True, text=True, timeout=120, check=False)

    def captions(self, out):
        """Captions by key of the merged shard."""
        found = {}
        with tarfile.open(self.path / out / "dataset/0000.tar") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                if extension == "syn.json":
                    found[key] = json.load(io.TextIOWrapper(tar.extractfile(member)))["syn_text_vlm"]
        return found

    def assert_key_nowhere(self, result):
        self.assertNotIn(KEY, result.stdout + result.stderr)
        for file in self.path.rglob("*"):
            if file.is_file():
                self.assertNotIn(KEY.encode(), file.read_bytes(), file)

    def test_faults_that_pass_change_nothing(self):
        """Captions are those of an undisturbed run, clean, with the tokens counted and the key nowhere."""
        first = self.run_bolster(self.manifest(), "a")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(self.state.violations, [])
        self.assertLessEqual(self.state.most, 8)
        calm = self.captions("a")
        self.assertGreater(len(calm), 50)
        for texts in calm.values():
            self.assertEqual(len(texts), 3)
            self.assertEqual(len(set(texts)), 3)
            self.assertTrue(all(t.startswith("A drawing") and "." not in t for t in texts), texts)
        log = (self.path / "a/logs/worker-0.log").read_text()
        self.assertIn(f"prompt_tokens={100 * 3 * len(calm)}", log)
        self.assertIn("bottleneck=model", log)
        self.state.reset({"broken": [3, 1], "cut": [5, 1], "garbage": [7, 1], "busy": [40, 1]})
        second = self.run_bolster(self.manifest(), "b")
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertGreater(sum(n for s, n in self.state.statuses.items() if s != 200), 10)
        self.assertEqual(self.captions("b"), calm)
        self.assert_key_nowhere(second)

    def test_a_sample_that_is_never_answered_is_skipped(self):
        self.state.reset({"refused": [4, 1000], "empty": [9, 1000]})
        result = self.run_bolster(self.manifest(captions=2), "out")
        self.assertEqual(result.returncode, 0, result.stderr)
        coverage = json.loads((self.path / "out/dataset/coverage.json").read_text())
        self.assertIn("endpoint_refused", json.dumps(coverage))
        self.assertIn("empty_caption", json.dumps(coverage))
        self.assertLess(len(self.captions("out")), 55)
        self.assert_key_nowhere(result)

    def test_a_wrong_key_fails_the_units_and_the_right_one_mends_them(self):
        result = self.run_bolster(self.manifest(), "out", key="sk-wrong")
        self.assertNotEqual(result.returncode, 0)
        log = (self.path / "out/logs/worker-0.log").read_text()
        self.assertIn("answered 401", log)
        self.assertNotIn("sk-wrong", log + result.stderr)
        self.assertEqual(self.run_bolster(self.manifest(), "out").returncode, 0)

    def test_a_named_variable_that_is_not_set_is_told(self):
        result = self.run_bolster(self.manifest(key_variable="NO_SUCH_KEY"), "out")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("NO_SUCH_KEY", result.stderr + (self.path / "out/logs/worker-0.log").read_text())


if __name__ == "__main__":
    unittest.main()
