"""A device that answers its probe wrongly, at loading or after a while: it is named and gets no further
lease; what it has made in doubt is made again, and the dataset is that of a run without it.

Run: BOLSTER_BINARY=… python3 -m unittest discover tools/tests
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import read_records  # noqa: E402

BINARY = os.environ.get("BOLSTER_BINARY")
RUNTIME = os.environ.get("BOLSTER_ONNXRUNTIME") or ROOT / ".tools/onnxruntime/lib/libonnxruntime.so"
COMPILER = next((name for name in ("cc", "clang", "gcc") if shutil.which(name)), None)
TEACHER = ROOT / "manifests/demo/models/teacher-a"


def write_manifest(folder, teacher, shards):
    path = folder / "wrong.yaml"
    path.write_text(json.dumps({
        "name": "wrong", "seed": 3, "chunk": 8, "output": "out", "input": {"shards": shards},
        "ensemble": {
            "teachers": [str(teacher)], "views": 2, "batch": 16,
            "augmentation": {"random_resized_crop": {"size": 64, "interpolation": "bicubic"}},
        },
        "merge": {"layout": "split", "embeddings": "npz", "require": "all"},
    }))
    return path


def same_embeddings(one, other):
    return all(
        len(a) == len(b) and (isinstance(a, str) or np.array_equal(a, b))
        for name in one.columns for a, b in zip(one.columns[name], other.columns[name]))


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
class WrongDeviceTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = pathlib.Path(self.scratch.name)

    def test_a_probe_that_differs_is_told_to_the_coordinator_and_ends_the_worker(self):
        package = self.folder / "teacher"
        shutil.copytree(TEACHER, package)
        # The graphs are whole and verified; only what they must answer is another.
        with np.load(package / "probe.npz") as probe:
            arrays = dict(probe)
        arrays["image_embedding"] = arrays["image_embedding"][::-1]
        np.savez(package / "probe.npz", **arrays)
        text = (package / "model.json").read_text()
        old = json.loads(text)["files"]["probe.npz"]
        (package / "model.json").write_text(
            text.replace(old, hashlib.sha256((package / "probe.npz").read_bytes()).hexdigest()))
        manifest = write_manifest(self.folder, package, str(ROOT / "manifests/demo/shards/0000.tar"))
        run = subprocess.run(
            [BINARY, "run", str(manifest), "--workers", "1", "--output", str(self.folder / "out")],
            capture_output=True, text=True, timeout=100, check=False)
        log = (self.folder / "out/logs/worker-0.log").read_text()
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("this device answers wrongly and gets no more leases", log)
        self.assertIn("device=cpu", log)
        self.assertIn("image_embedding differs from PyTorch's", log)
        self.assertEqual(self.records(), {})

    def records(self):
        """Record files by path below the run's folder."""
        folder = self.folder / "out/records"
        return {str(path.relative_to(folder)): path.read_bytes()
                for path in folder.rglob("*") if path.is_file()}

    def false_runtime(self):
        library = self.folder / "wrong/libonnxruntime.so"
        library.parent.mkdir()
        source = ROOT / "tools/oracles/wrong_runtime.c"
        subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return library

    def work(self, name, **environment):
        return subprocess.run(
            [BINARY, "work", "--rendezvous", str(self.folder / "rendezvous"), "--name", name, "--threads",
             "2", "--probe-every", "4"],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=100, check=False)

    def coordinate(self, manifest):
        log = (self.folder / "head.log").open("w")
        self.addCleanup(log.close)
        head = subprocess.Popen(
            [BINARY, "coordinate", str(manifest), "--listen", "tcp://127.0.0.1:*", "--state",
             str(self.folder / "state"), "--rendezvous", str(self.folder / "rendezvous"), "--output",
             str(self.folder / "out")], stdout=log, stderr=log)
        self.addCleanup(head.kill)
        return head

    @unittest.skipUnless(COMPILER, "needs a C compiler")
    def test_a_device_that_goes_wrong_is_found_out_and_what_it_made_is_made_again(self):
        shards = str(ROOT / "manifests/demo/shards/{0000..0001}.tar")
        manifest = write_manifest(self.folder, TEACHER, shards)
        expected = self.folder / "expected"
        subprocess.run(
            [BINARY, "run", str(manifest), "--workers", "1", "--threads", "2", "--output", str(expected)],
            check=True, capture_output=True, timeout=100)

        head = self.coordinate(manifest)
        false = {"BOLSTER_ONNXRUNTIME": str(self.false_runtime()), "WRONG_RUNTIME_REAL": str(RUNTIME)}
        # Four runs load and prove the teacher, each chunk is one, the good probe after four chunks two. Then
        # one more right chunk, and two wrong ones before the next probe.
        wrong = self.work("wrong", WRONG_RUNTIME_AFTER=str(4 + 4 + 2 + 1), **false)
        self.assertEqual(wrong.returncode, 1, wrong.stderr)
        told = re.search(r"bolster invalidate --worker (\S+) --since (\S+?)`", wrong.stderr)
        self.assertIsNotNone(told, wrong.stderr)
        self.assertIn("this device answers wrongly and gets no more leases", wrong.stderr)
        before = self.records()
        self.assertEqual(len(before), 4 + 3)

        # Started again it is found out at once, and makes nothing.
        again = self.work("wrong", WRONG_RUNTIME_AFTER="0", **false)
        self.assertEqual(again.returncode, 1, again.stderr)
        self.assertEqual(self.records(), before)

        rendezvous = ["--rendezvous", str(self.folder / "rendezvous")]
        status = subprocess.run(
            [BINARY, "status", "--json", *rendezvous], capture_output=True, text=True, timeout=60, check=True)
        devices = json.loads(status.stdout)["status"]["refusedDevices"]
        self.assertEqual([(device["worker"], device["device"]) for device in devices], [("wrong", "cpu")])

        order = subprocess.run(
            [BINARY, "invalidate", "--worker", "wrong", "--since", told[2], *rendezvous], capture_output=True,
            text=True, timeout=60, check=True)
        reopened = int(re.match(r"(\d+) chunks of \d+ units? ", order.stdout)[1])
        self.assertGreaterEqual(reopened, 3)

        right = self.work("right")
        self.assertEqual(right.returncode, 0, right.stderr)
        self.assertEqual(head.wait(timeout=60), 0, (self.folder / "head.log").read_text())
        subprocess.run(
            [BINARY, "merge", str(manifest), "--output", str(self.folder / "out"), "--state",
             str(self.folder / "state")], check=True, capture_output=True, timeout=100)
        for name in ("0000.tar", "0001.tar"):
            self.assertEqual(
                (self.folder / "out/dataset" / name).read_bytes(), (expected / "dataset" / name).read_bytes())

        # The device was wrong indeed: of the chunks made twice some differ, and those made once stood.
        twice = {}
        for path, data in self.records().items():
            record = read_records.RecordFile(data)
            chunk = record.header["stage"], record.header["shard"], record.header["chunk"]
            twice.setdefault(chunk, []).append(record)
        differing = [chunk for chunk, (first, *others) in twice.items()
                     if others and not same_embeddings(first, others[0])]
        self.assertEqual(len(differing), 2, differing)
        self.assertEqual(sum(len(records) > 1 for records in twice.values()), reopened)


if __name__ == "__main__":
    unittest.main()
