"""read_records.py against the golden record file. Run: python3 -m unittest discover tools/tests"""

import pathlib
import subprocess
import sys
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "Tests/BolsterRecordsTests/Golden/record-v1.records"
sys.path.insert(0, str(ROOT / "tools"))

from read_records import RecordFile, xxh64  # noqa: E402


class ReadRecords(unittest.TestCase):
    def setUp(self):
        self.data = GOLDEN.read_bytes()

    def test_golden(self):
        record = RecordFile(self.data)
        self.assertEqual(record.keys, ["a/000", "ключ", "b"])
        self.assertEqual(record.skips[1][0], "undecodable_image")
        self.assertEqual([rows.shape for rows in record.columns["image_emb"]], [(2, 7), (0, 7), (3, 7)])
        norms = np.linalg.norm(np.concatenate(record.columns["image_emb"]), axis=1)
        self.assertTrue(np.allclose(norms, 1, atol=0.01))
        exact = np.linalg.norm(np.concatenate(record.columns["exact"]), axis=1)
        self.assertTrue(np.allclose(exact, 1, atol=1e-6))

    def test_checksum(self):
        # Vectors of xxhash's own documentation of the algorithm.
        self.assertEqual(xxh64(b""), 0xEF46DB3751D8E999)
        self.assertEqual(xxh64(b"a"), 0xD24EC4F1A98C6E5B)
        self.assertEqual(xxh64(b"abc"), 0x44BC2CF5AD770999)

    def test_damage(self):
        for offset in range(24, len(self.data), 7):
            data = bytearray(self.data)
            data[offset] ^= 16
            with self.assertRaises(ValueError):
                RecordFile(bytes(data))
        with self.assertRaises(ValueError):
            RecordFile(self.data[:-1])

    def test_command(self):
        def run(*arguments):
            command = [sys.executable, ROOT / "tools/read_records.py", *arguments]
            return subprocess.run(command, capture_output=True, text=True)

        shown = run(GOLDEN)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("undecodable_image", shown.stdout)
        self.assertEqual(run("--sample", "b", GOLDEN).returncode, 0)
        self.assertNotEqual(run("--sample", "zzz", GOLDEN).returncode, 0)
        self.assertNotEqual(run(__file__).returncode, 0)


if __name__ == "__main__":
    unittest.main()
