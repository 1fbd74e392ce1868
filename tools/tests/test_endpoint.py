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
import time
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


    def test_hostile_answers_change_nothing_where_they_pass(self):
        calm = self.run_bolster(self.manifest(), "a")
        self.assertEqual(calm.returncode, 0, calm.stderr)
        faults = ["later", "wrapped", "none", "huge", "echo", "reset", "parts", "odd", "terminal"]
        primes = (23, 3, 5, 29, 7, 11, 2, 13, 17)
        self.state.reset({fault: [prime, 1] for fault, prime in zip(faults, primes)})
        result = self.run_bolster(self.manifest(timeout=5, attempts=10), "b")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.captions("b"), self.captions("a"))
        self.assert_key_nowhere(result)

    def test_one_bad_sample_does_not_stop_a_shard(self):
        """A sixth of the samples is never answered: in the end all others have their captions."""
        self.state.reset({"declined": [13, 1000], "long": [17, 1000], "wrapped": [19, 1000]})
        result = self.run_bolster(self.manifest(captions=2, attempts=2), "out")
        self.assertEqual(result.returncode, 0, result.stderr)
        coverage = (self.path / "out/dataset/coverage.json").read_text()
        self.assertIn("endpoint_refused", coverage)
        self.assertIn("endpoint_failed", coverage)
        self.assertGreater(len(self.captions("out")), 45)

    def test_what_a_model_thinks_is_no_caption_and_what_is_cut_off_is_counted(self):
        self.state.reset({"thought": [7, 1000], "length": [5, 1000], "thinking": [1, 1000]})
        result = self.run_bolster(self.manifest(keep="everything"), "out")
        self.assertEqual(result.returncode, 0, result.stderr)
        captions = self.captions("out")
        for texts in captions.values():
            self.assertTrue(all(t.startswith("A drawing") and t.endswith("sentence.") for t in texts), texts)
        coverage = json.loads((self.path / "out/dataset/coverage.json").read_text())
        self.assertIn("empty_caption", json.dumps(coverage))
        met = self.state.met.items()
        cut = sum(times for (fault, _), times in met if fault == "length")
        asked = sum(times for (fault, _), times in met)
        self.assertGreater(cut, 10)
        tokens = {"prompt": 100 * asked, "completion": 12 * asked, "cut": cut}
        self.assertEqual(coverage["tokens"]["captions.syn_text_vlm"], tokens)
        self.assertIn("cut_captions=", (self.path / "out/logs/worker-0.log").read_text())

    def test_a_model_that_only_thinks_ends_the_unit_with_the_reason(self):
        """Captions that are all empty would be a run that succeeds and has nothing."""
        self.state.reset({"thought": [1, 1000]})
        result = self.run_bolster(self.manifest(), "out")
        self.assertEqual(result.returncode, 2, result.stderr)
        log = (self.path / "out/logs/worker-0.log").read_text()
        self.assertIn("captioned none of 16 samples in a row", log)
        self.assertIn("set sampling.max_tokens higher", log)

    def test_the_key_is_in_no_process_list(self):
        seen = []
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                for folder in pathlib.Path("/proc").glob("[0-9]*"):
                    try:
                        words = (folder / "cmdline").read_bytes()
                    except OSError:
                        continue
                    if b"bolster" in words:
                        seen.append(words)
                stop.wait(0.01)

        watcher = threading.Thread(target=watch)
        watcher.start()
        result = self.run_bolster(self.manifest(captions=2), "out")
        stop.set()
        watcher.join()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(any(b"work" in words for words in seen))
        self.assertFalse(any(KEY.encode() in words for words in seen))

    def test_a_dead_server_quarantines_nothing_and_the_other_stages_go_on(self):
        manifest = self.manifest(outage=2)
        value = json.loads(manifest.read_text())
        value["captioners"][0]["endpoint"] = "http://127.0.0.1:9/v1"
        value["input"]["shards"] = str(ROOT / "manifests/demo/shards/{0000..0003}.tar")
        value["ensemble"] = {
            "teachers": [str(ROOT / "manifests/demo/models/teacher-b")], "views": 1,
            "augmentation": {"random_resized_crop": {"size": 48, "interpolation": "bicubic"}},
        }
        manifest.write_text(json.dumps(value))
        result = self.run_bolster(manifest, "out")
        # 1: it has not ended, and says why; 2 would be an end with quarantined units.
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("nobody answers there", result.stderr)
        status = subprocess.run(
            [BINARY, "status", "--state", str(self.path / "out/state"), "--json"], capture_output=True,
            text=True, check=True, timeout=60)
        stages = {stage["stage"]: stage for stage in json.loads(status.stdout)["status"]["stages"]}
        self.assertEqual([stage["quarantined"] for stage in stages.values()], [0] * len(stages))
        self.assertEqual((stages["views"]["done"], stages["texts.ground_truth"]["done"]), (4, 4))
        # The server is there again: the same command finishes.
        value["captioners"][0]["endpoint"] = f"http://127.0.0.1:{self.port}/v1"
        manifest.write_text(json.dumps(value))
        again = self.run_bolster(manifest, "out")
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_a_server_that_goes_away_and_comes_back_costs_no_attempt(self):
        """Down for two outages in the middle of a run: every unit is done, none at a second attempt."""
        manifest = self.manifest(outage=1, captions=2, concurrency=2)
        result = []
        runner = threading.Thread(target=lambda: result.append(self.run_bolster(manifest, "out")))
        runner.start()
        # With two requests at a time, the fifth comes when the worker has had answers to the first.
        while len(self.state.seeds) < 5 and runner.is_alive():
            time.sleep(0.01)
        self.server.shutdown()
        self.server.server_close()
        time.sleep(4)
        self.server = chat_server.serve(key=KEY, port=self.port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        runner.join()
        self.assertEqual(result[0].returncode, 0, result[0].stderr)
        log = (self.path / "out/logs/worker-0.log").read_text()
        self.assertIn("the captioner's endpoint gives no answer", log)
        self.assertNotIn("unit failed", log)
        self.assertGreater(len(self.captions("out")), 55)


SERVER = os.environ.get("BOLSTER_CHAT_SERVER")


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
@unittest.skipUnless(SERVER, "set BOLSTER_CHAT_SERVER to a real server's base URL, and BOLSTER_CHAT_MODEL")
class RealServerTest(unittest.TestCase):
    """Against a server of somebody else's that runs already: vLLM, SGLang, a paid service. Its key, if any,
    is in BOLSTER_CAPTIONER_KEY. tools/chat_servers asks llama.cpp's more."""

    def test_every_sample_gets_its_captions_and_tokens_are_counted(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            manifest = folder / "real.yaml"
            manifest.write_text(json.dumps({
                "name": "real", "seed": 5, "chunk": 16, "output": "out",
                "input": {"shards": str(ROOT / "manifests/demo/shards/0000.tar")},
                "captioners": [{
                    "name": "vlm", "endpoint": SERVER, "prompt": "Describe it.", "captions": 2,
                    "model_id": os.environ.get("BOLSTER_CHAT_MODEL", "default"), "concurrency": 2,
                    "sampling": {"temperature": 0.8, "max_tokens": 16}, "keep": "everything",
                }],
            }))
            result = subprocess.run(
                [BINARY, "run", str(manifest), "--workers", "1", "--output", str(folder / "out")],
                capture_output=True, text=True, timeout=1800, check=False)
            self.assertEqual(result.returncode, 0, result.stderr)
            with tarfile.open(folder / "out/dataset/0000.tar") as tar:
                names = [member for member in tar.getnames() if member.endswith(".syn.json")]
            self.assertGreater(len(names), 50)
            log = (folder / "out/logs/worker-0.log").read_text()
            self.assertRegex(log, r"prompt_tokens=[1-9]")


if __name__ == "__main__":
    unittest.main()
