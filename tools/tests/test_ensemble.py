"""Two teachers of different widths and input sizes, in both orders: the vectors of the record and of the
merged file are those of the single teachers, side by side in the manifest's order.

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
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import read_records  # noqa: E402

BINARY = os.environ.get("BOLSTER_BINARY")
MODELS = ROOT / "manifests/demo/models"
# 96 numbers of images of 64 pixels, and 64 numbers of images of 48.
WIDTHS = {"teacher-a": 96, "teacher-b": 64}


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
class EnsembleOrderTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def run_teachers(self, *teachers):
        """{stage: {key: [rows, width]}} of the records, and {key: {name: array}} of the merged shard."""
        out = self.folder / "-".join(teachers)
        manifest = out.with_suffix(".yaml")
        manifest.write_text(json.dumps({
            "name": "order", "seed": 4, "chunk": 32, "output": str(out),
            "input": {"shards": str(ROOT / "manifests/demo/shards/0000.tar")},
            "ensemble": {
                "teachers": [str(MODELS / name) for name in teachers], "views": 2, "batch": 16,
                "augmentation": {
                    "random_resized_crop": {"size": 64, "interpolation": "bicubic"}, "rand_augment": {},
                }, "store": "fp32",
            },
            "merge": {"layout": "split", "embeddings": "npz"},
        }))
        subprocess.run([BINARY, "run", str(manifest), "--workers", "1", "--output", str(out)], check=True,
                       capture_output=True, timeout=100)
        stages = {}
        for path in (out / "records").rglob("*.records"):
            record = read_records.RecordFile(path.read_bytes())
            column = "image_emb" if "image_emb" in record.columns else "text_emb"
            stages.setdefault(column, {}).update(
                (key, rows) for key, rows, skip in zip(record.keys, record.columns[column], record.skips)
                if skip is None)
        merged = {}
        with tarfile.open(out / "dataset/0000.tar") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                if extension == "npz":
                    with np.load(io.BytesIO(tar.extractfile(member).read())) as arrays:
                        merged[key] = dict(arrays)
        return stages, merged

    def check(self, found, parts, teachers, columns, atol=0.0):
        """`found` [rows, sum of widths] holds the teachers' own vectors, each of length 1."""
        start = 0
        for name in teachers:
            end = start + WIDTHS[name]
            np.testing.assert_allclose(found[:, start:end], parts[name], rtol=0, atol=atol, err_msg=columns)
            np.testing.assert_allclose(
                np.linalg.norm(found[:, start:end].astype(np.float64), axis=1), 1, atol=max(atol, 1e-6))
            start = end
        self.assertEqual(found.shape[1], start)

    def test_vectors_stand_in_the_manifests_order(self):
        single = {name: self.run_teachers(name) for name in WIDTHS}
        for teachers in (("teacher-a", "teacher-b"), ("teacher-b", "teacher-a")):
            stages, merged = self.run_teachers(*teachers)
            self.assertEqual(set(stages), {"image_emb", "text_emb"})
            for column, rows_by_key in stages.items():
                self.assertGreater(len(rows_by_key), 50)
                for key, rows in rows_by_key.items():
                    parts = {name: single[name][0][column][key] for name in WIDTHS}
                    self.check(rows, parts, teachers, f"{column} of {key}")
            self.assertGreater(len(merged), 50)
            for key, arrays in merged.items():
                for column in ("image_emb", "text_emb"):
                    # What the file's own type keeps of the record.
                    expected = stages[column][key].astype(arrays[column].dtype)
                    np.testing.assert_array_equal(arrays[column], expected)


if __name__ == "__main__":
    unittest.main()
