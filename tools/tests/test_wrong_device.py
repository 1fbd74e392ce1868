"""A device that answers its probe wrongly: it is named, and gets no further lease.

Run: BOLSTER_BINARY=… python3 -m unittest discover tools/tests
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BOLSTER_BINARY")


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
class WrongDeviceTest(unittest.TestCase):
    def test_a_probe_that_differs_is_told_to_the_coordinator_and_ends_the_worker(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            package = folder / "teacher"
            shutil.copytree(ROOT / "manifests/demo/models/teacher-a", package)
            # The graphs are whole and verified; only what they must answer is another.
            with np.load(package / "probe.npz") as probe:
                arrays = dict(probe)
            arrays["image_embedding"] = arrays["image_embedding"][::-1]
            np.savez(package / "probe.npz", **arrays)
            text = (package / "model.json").read_text()
            description = json.loads(text)
            old = description["files"]["probe.npz"]
            (package / "model.json").write_text(
                text.replace(old, hashlib.sha256((package / "probe.npz").read_bytes()).hexdigest()))
            manifest = folder / "wrong.yaml"
            manifest.write_text(json.dumps({
                "name": "wrong", "output": "out",
                "input": {"shards": str(ROOT / "manifests/demo/shards/0000.tar")},
                "ensemble": {
                    "teachers": [str(package)], "views": 1,
                    "augmentation": {"random_resized_crop": {"size": 64, "interpolation": "bicubic"}},
                },
            }))
            run = subprocess.run(
                [BINARY, "run", str(manifest), "--workers", "1", "--output", str(folder / "out")],
                capture_output=True, text=True, timeout=100, check=False)
            log = (folder / "out/logs/worker-0.log").read_text()
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertIn("this device answers wrongly and gets no more leases", log)
            self.assertIn("device=cpu", log)
            self.assertIn("image_embedding differs from PyTorch's", log)
            self.assertEqual(list((folder / "out").glob("records/**/*.records")), [])


if __name__ == "__main__":
    unittest.main()
