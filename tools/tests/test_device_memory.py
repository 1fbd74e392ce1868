"""What lies in a GPU's memory stays there: captions, embeddings and a whole run with a runtime whose device
memory the host cannot touch (tools/oracles/device_runtime.c). Its device computes on the CPU, so that every
result must be the CPU's.

Run: BOLSTER_BINARY=… python3 -m unittest discover tools/tests
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BOLSTER_BINARY")
RUNTIME = os.environ.get("BOLSTER_ONNXRUNTIME") or ROOT / ".tools/onnxruntime/lib/libonnxruntime.so"
COMPILER = next((name for name in ("cc", "clang", "gcc") if shutil.which(name)), None)
MODELS = ROOT / "manifests/demo/models"
PICTURES = sorted(str(path) for path in (ROOT / "manifests/demo/pictures").glob("*.jpg"))


@unittest.skipUnless(BINARY and COMPILER, "set BOLSTER_BINARY to the release binary; needs a C compiler")
class DeviceMemoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        library = cls.folder / "runtime/libonnxruntime.so"
        library.parent.mkdir()
        source = ROOT / "tools/oracles/device_runtime.c"
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread"], check=True)
        cls.device = {
            "BOLSTER_ONNXRUNTIME": str(library), "DEVICE_RUNTIME_REAL": str(RUNTIME),
            "DEVICE_RUNTIME_REPORT": str(cls.folder / "report"),
        }

    def bolster(self, *arguments, **environment):
        return subprocess.run(
            [BINARY, *arguments], env={**os.environ, **environment}, capture_output=True, text=True,
            timeout=120, check=True).stdout

    def report(self):
        """By tensor: runs with it on the device, runs with it on the host, bytes that crossed."""
        lines = (line.split() for line in (self.folder / "report").read_text().splitlines())
        return {name: tuple(map(int, numbers)) for name, *numbers in lines}

    def captions(self, device, *options, **environment):
        out = self.folder / f"captions-{device.replace(':', '-')}.json"
        self.bolster(
            "caption", "--model", str(MODELS / "captioner-a"), "--device", device, "--threads", "1",
            "--keep", "everything", "--out", str(out), *options, *PICTURES, **environment)
        return json.loads(out.read_text())

    def test_captions_are_the_cpus_and_no_cache_leaves_the_device(self):
        # One slot, fewer slots than an image has captions, more slots than captions: rows move, images are
        # kept while others are encoded, and captions begin from a kept first row.
        for batch in ("1", "3", "7", "64"):
            options = ["--count", "5", "--seed", "3", "--top-p", "0.95", "--batch", batch]
            expected = self.captions("cpu", *options)
            self.assertEqual(self.captions("cuda:0", *options, **self.device), expected, batch)
            self.assertGreater(len({text for texts in expected.values() for text in texts}), len(PICTURES))
            report = self.report()
            self.assertNotIn("never_freed", report)
            steps = report["logits"][1]
            for part in ("keys", "values"):
                for tensor in ("cache", "new"):
                    self.assertEqual(report[f"{tensor}_{part}"], (steps, 0, 0), batch)
                self.assertGreater(report[f"cross_{part}"][0], steps)
                self.assertEqual(report[f"cross_{part}"][1:], (0, 0))
                for tensor in ("target", "moved"):
                    self.assertEqual(report[f"{tensor}_{part}"][1:], (0, 0))
                # The host gives one row of zeros whenever caches are new.
                self.assertLess(report[f"source_{part}"][2], 4096)

    def test_embeddings_are_the_cpus(self):
        for what in ([*PICTURES], ["--text", "a dog", "--text", "two red apples"]):
            found = []
            for device, environment in (("cpu", {}), ("cuda:0", self.device)):
                out = self.folder / f"{device.replace(':', '-')}.npy"
                self.bolster(
                    "embed", "--model", str(MODELS / "teacher-a"), "--device", device, "--threads", "1",
                    "--out", str(out), *what, **environment)
                found.append(out.read_bytes())
            self.assertEqual(*found)

    def test_a_run_on_the_device_makes_the_cpus_dataset(self):
        models = {name: str(MODELS / name) for name in ("captioner-a", "teacher-a", "teacher-b")}
        manifest = self.folder / "device.yaml"
        manifest.write_text(json.dumps({
            "name": "device", "seed": 5, "chunk": 16, "output": "out",
            "input": {"shards": str(ROOT / "manifests/demo/shards/0000.tar")},
            "captioners": [{"name": "", "model": models["captioner-a"], "captions": 3, "batch": 8}],
            "ensemble": {
                "teachers": [models["teacher-a"], models["teacher-b"]], "views": 2, "batch": 16,
                "augmentation": {"random_resized_crop": {"size": 64, "interpolation": "bicubic"}},
            },
            "merge": {"layout": "split", "embeddings": "npz", "require": "all"},
        }))
        for device, environment in (("cpu", {}), ("cuda:0", self.device)):
            self.bolster(
                "run", str(manifest), "--workers", "1", "--threads", "1", "--devices", device, "--output",
                str(self.folder / device), **environment)
        expected, found = (self.folder / name / "dataset/0000.tar" for name in ("cpu", "cuda:0"))
        self.assertEqual(found.read_bytes(), expected.read_bytes())


if __name__ == "__main__":
    unittest.main()
