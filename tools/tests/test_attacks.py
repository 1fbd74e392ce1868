"""Somebody damages a run and its dataset: every changed byte is noticed, or changes nothing that is read.

Runs only with BOLSTER_BINARY. One small run with captions and two teachers is made once; each test changes it
and puts it back: bits flipped and files cut in the dataset and in the records, record files lost, swapped and
added, another source, merges that are killed, that meet and that come too early.
"""

import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

BINARY = os.environ.get("BOLSTER_BINARY")
ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "manifests/demo"

MANIFEST = """
name: attacked
seed: 3
chunk: 8
input: {{shards: "{folder}/in/*.tar"}}
output: {folder}/run
captioners:
  - {{name: "", model: "{demo}/models/captioner-a", captions: 2, batch: 8,
     decoding: {{method: top_p, top_p: 0.9, min_length: 2, max_length: 8}}}}
ensemble:
  teachers: ["{demo}/models/teacher-a", "{demo}/models/teacher-b"]
  views: 2
  batch: 8
  augmentation: {{random_resized_crop: {{size: 64, interpolation: bicubic}}, rand_augment: {{enable: true}}}}
"""


def bolster(*arguments):
    """(exit status, everything it printed)."""
    done = subprocess.run(
        [BINARY, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def first_samples(source, target, count):
    """The first samples of a tar, as a tar of its own."""
    keys = []
    with tarfile.open(source) as old, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as new:
        for member in old:
            key = member.name.split(".")[0]
            if key not in keys:
                keys.append(key)
            if len(keys) > count:
                return
            new.addfile(member, old.extractfile(member))


def contents(folder):
    """Name to hash of the dataset's files."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def places(size, generator, extra=3):
    """The first and last byte, the middle and some others."""
    return sorted({0, size // 2, size - 1, *(generator.randrange(size) for _ in range(extra))})


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
class AttackTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.folder = pathlib.Path(cls.scratch.name)
        (cls.folder / "in").mkdir()
        for name in ("0000", "0001"):
            first_samples(DEMO / f"shards/{name}.tar", cls.folder / f"in/{name}.tar", 20)
        cls.manifest = cls.folder / "attacked.yaml"
        cls.manifest.write_text(MANIFEST.format(folder=cls.folder, demo=DEMO))
        status, output = bolster("run", cls.manifest, "--workers", 1, "--log-level", "error")
        assert status in (0, 2), output
        cls.expected = status
        cls.dataset = cls.folder / "run/dataset"
        cls.good = contents(cls.dataset)

    def setUp(self):
        self.generator = random.Random(11)

    def merge(self, name, *arguments):
        """Merges into a fresh folder; returns it with status and output."""
        out = self.folder / name
        shutil.rmtree(out, ignore_errors=True)
        return out, *bolster("merge", self.manifest, "--out", out, *arguments)

    def changed(self, path, content):
        """Puts content into a file until the test ends."""
        old = path.read_bytes()
        self.addCleanup(path.write_bytes, old)
        path.write_bytes(content)

    def record_files(self):
        files = sorted((self.folder / "run/records").rglob("*.records"))
        self.assertGreater(len(files), 15)
        return files

    def test_every_flipped_bit_of_a_dataset_is_noticed(self):
        self.assertEqual(bolster("verify", self.dataset)[0], 0)
        for path in sorted(self.dataset.iterdir()):
            content = path.read_bytes()
            for place in places(len(content), self.generator):
                bad = bytearray(content)
                bad[place] ^= 1 << self.generator.randrange(8)
                path.write_bytes(bad)
                status, output = bolster("verify", self.dataset)
                self.assertIn(status, (1, 2), f"{path.name}, byte {place}: {output}")
            path.write_bytes(content)

    def test_every_truncated_or_missing_file_of_a_dataset_is_noticed(self):
        for path in sorted(self.dataset.iterdir()):
            content = path.read_bytes()
            for count in (0, len(content) // 2, len(content) - 1):
                path.write_bytes(content[:count])
                status, output = bolster("verify", self.dataset)
                self.assertIn(status, (1, 2), f"{path.name}, {count} bytes: {output}")
            path.unlink()
            self.assertIn(bolster("verify", self.dataset)[0], (1, 2), path.name)
            path.write_bytes(content)
        self.assertEqual(bolster("verify", self.dataset)[0], 0)

    def test_no_damaged_record_file_is_merged(self):
        kinds = {path.parent.parent.name: path for path in self.record_files()}
        self.assertEqual(len(kinds), 4)
        for path in kinds.values():
            content = path.read_bytes()
            bad = []
            for place in places(len(content), self.generator, extra=2):
                flipped = bytearray(content)
                flipped[place] ^= 1 << self.generator.randrange(8)
                bad.append(bytes(flipped))
            for damaged in bad + [b"", content[:-1], content[: len(content) // 2], content + b"\0"]:
                path.write_bytes(damaged)
                out, status, output = self.merge("damaged")
                self.assertEqual(status, 1, f"{path}: {output}")
                self.assertIn(path.name, output)
                self.assertFalse((out / "info.json").exists())
            path.write_bytes(content)

    def test_a_lost_or_foreign_record_file_is_named(self):
        files = [path for path in self.record_files() if "views" in str(path)]
        lost = next(path for path in files if path.parent.name == "0001")
        other = next(path for path in files if path.parent.name == "0000")
        self.changed(lost, other.read_bytes())
        _, status, output = self.merge("foreign")
        self.assertEqual(status, 1, output)
        self.assertIn(lost.name, output)
        lost.unlink()
        _, status, output = self.merge("lost")
        self.assertEqual(status, 1, output)
        self.assertIn("0001", output)
        out, status, output = self.merge("partial", "--partial")
        self.assertEqual(status, 2, output)
        total = json.loads((out / "coverage.json").read_text())["total"]
        self.assertGreater(total["missing"], 0)
        self.assertEqual(total["input"], sum(total[c] for c in ("merged", "excluded", "skipped", "missing")))
        self.assertEqual(bolster("verify", out, "--source", self.manifest)[0], 0)

    def test_a_record_file_of_a_later_epoch_and_strange_files_change_nothing(self):
        path = self.record_files()[0]
        name = path.name.split("-")[0] + "-9-9.records"
        for extra in (path.with_name(name), path.with_name("notes.txt"), path.with_name(".x.tmp")):
            extra.write_bytes(path.read_bytes())
            self.addCleanup(extra.unlink)
        out, status, output = self.merge("extra")
        self.assertEqual(status, self.expected, output)
        self.assertEqual(contents(out), self.good)

    def test_a_source_that_changed_by_one_byte_is_refused(self):
        path = self.folder / "in/0001.tar"
        times = path.stat()
        content = bytearray(path.read_bytes())
        with tarfile.open(path) as tar:
            image = [m for m in tar if m.name.endswith(".jpg")][3]
        content[image.offset_data + image.size // 2] ^= 1
        self.changed(path, bytes(content))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.addCleanup(os.utime, path, ns=(times.st_atime_ns, times.st_mtime_ns))
        _, status, output = self.merge("source")
        self.assertEqual(status, 1, output)
        self.assertIn("0001", output)
        self.assertIn("put the old shard back", output)
        status, output = bolster("verify", self.dataset, "--source", self.manifest)
        self.assertEqual(status, 2, output)
        self.assertIn("image_differs", output)

    def test_a_source_that_is_gone_is_named(self):
        path = self.folder / "in/0001.tar"
        away = path.with_suffix(".away")
        path.rename(away)
        self.addCleanup(away.rename, path)
        # The glob finds the other shard alone: what is merged is less than what was.
        status, output = bolster("verify", self.dataset, "--source", self.manifest)
        self.assertEqual(status, 2, output)
        self.assertIn("unknown_shard", output)
        named = self.folder / "named.yaml"
        named.write_text(self.manifest.read_text().replace("in/*.tar", "in/{0000..0001}.tar"))
        status, output = bolster("merge", named, "--out", self.folder / "gone")
        self.assertEqual(status, 1, output)
        self.assertIn("0001.tar", output)

    def test_wrong_settings_are_told_before_anything_is_written(self):
        import numpy

        numpy.save(self.folder / "wrong.npy", numpy.zeros(4))
        (self.folder / "cut.npy").write_bytes((self.folder / "wrong.npy").read_bytes()[:70])
        for setting, told in (
            ("merge.keep_uids=wrong.npy", "wrong.npy"),
            ("merge.keep_uids=cut.npy", "cut.npy"),
            ("merge.keep_uids=absent.npy", "absent.npy"),
            ("merge.embedings=npz", "embedings"),
            ("merge.views=99", "views"),
            ("merge.layout=both", "both"),
            ("seed=4", "merge."),
        ):
            out, status, output = self.merge("wrong", "--set", setting)
            self.assertIn(status, (1, 64), f"{setting}: {output}")
            self.assertIn(told, output)
            self.assertFalse(out.exists(), setting)

    def test_killed_merges_go_on_to_the_same_bytes(self):
        out = self.folder / "killed"
        shutil.rmtree(out, ignore_errors=True)

        def changed():
            return out.stat().st_mtime_ns if out.exists() else None

        for delay in (0, 0.02, 0.04, 0.08):
            before = changed()
            process = subprocess.Popen(
                [BINARY, "merge", self.manifest, "--out", out, "--threads", "1"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # Not before it has begun to write, however slow the machine.
            while process.poll() is None and changed() == before:
                time.sleep(0.001)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
        # What is written last is seldom hit by these delays.
        (out / ".sizes.json.999999-killed.tmp").write_bytes(b"{")
        status, output = bolster("merge", self.manifest, "--out", out)
        self.assertEqual(status, self.expected, output)
        self.assertEqual(contents(out), self.good)

    def test_two_merges_at_once_into_one_folder_give_one_dataset(self):
        out = self.folder / "both"
        shutil.rmtree(out, ignore_errors=True)
        merges = [
            subprocess.Popen(
                [BINARY, "merge", self.manifest, "--out", out],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(2)
        ]
        for merge in merges:
            output, _ = merge.communicate()
            self.assertEqual(merge.returncode, self.expected, output)
        self.assertEqual(contents(out), self.good)

    def test_merges_during_the_run_are_refused_or_partial_and_true(self):
        output, during = self.folder / "again", self.folder / "during"
        run = subprocess.Popen(
            [BINARY, "run", self.manifest, "--workers", "1", "--output", output, "--no-merge",
             "--log-level", "error"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        refused = partial = 0
        while run.poll() is None:
            status, told = bolster("merge", self.manifest, "--output", output, "--out", during)
            self.assertIn(status, (0, 1, 2), told)
            refused += "not finished" in told
            status, told = bolster("merge", self.manifest, "--output", output, "--out", during, "--partial")
            self.assertIn(status, (0, 2), told)
            partial += status == 2
            status, told = bolster("verify", during, "--source", self.manifest)
            self.assertEqual(status, 0, told)
        self.assertGreater(refused + partial, 0)
        status, told = bolster("merge", self.manifest, "--output", output, "--out", during)
        self.assertEqual(status, self.expected, told)
        self.assertEqual(contents(during), self.good)

    def test_jsonl_in_parts_verified_and_attacked(self):
        lines = ("--set", "merge.format=jsonl")
        whole, status, output = self.merge("lines", *lines)
        self.assertEqual(status, self.expected, output)
        parts = self.folder / "line-parts"
        for part in ("0/2", "1/2"):
            bolster("merge", self.manifest, "--out", parts, "--part", part, *lines)
        self.assertFalse((parts / "info.json").exists())
        status, output = bolster("merge", self.manifest, "--out", parts, "--close", *lines)
        self.assertEqual(status, self.expected, output)
        self.assertEqual(contents(parts), contents(whole))
        status, output = bolster(
            "verify", whole, "--source", self.manifest, "--sample", 2, "--log-level", "error")
        self.assertEqual(status, 0, output)
        page = self.folder / "lines.html"
        status, output = bolster("report", whole, "--out", page)
        self.assertEqual(status, 0, output)
        self.assertIn("syn_text", page.read_text())
        path = whole / "0001.jsonl"
        content = path.read_bytes()
        for place in places(len(content), self.generator, extra=8):
            bad = bytearray(content)
            bad[place] ^= 1 << self.generator.randrange(8)
            path.write_bytes(bad)
            self.assertEqual(bolster("verify", whole)[0], 2, f"byte {place}")
        path.write_bytes(content)
        status, output = bolster("clean", self.manifest, "--records", "--dataset", whole)
        self.assertEqual(status, 1, output)
        status, output = bolster("clean", self.manifest, "--records", "--dataset", whole, *lines)
        self.assertEqual(status, 0, output)

    def test_no_key_leads_out_of_the_dataset(self):
        keys = ["../../escaped", "/tmp/escaped", "a/../../escaped", "sub/dir/good", "x" * 300, "naïve"]
        for number, key in enumerate(keys):
            shard = self.folder / f"keys/{number}.tar"
            shard.parent.mkdir(exist_ok=True)
            with tarfile.open(shard, "w", format=tarfile.PAX_FORMAT) as tar:
                for extension, data in (("jpg", b"\xff\xd8\xff"), ("json", b"{}")):
                    member = tarfile.TarInfo(f"{key}.{extension}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        out = self.folder / "keys-out/inner"
        bolster("join", "--reinforcements", self.folder / "keys/*.tar", "--sources",
                self.folder / "keys/*.tar", "--out", out)
        found = {p.name for p in (self.folder / "keys-out").iterdir()}
        self.assertEqual(found, {"inner"})
        allowed = {f"{n}.tar" for n in range(len(keys))} | {".bolster"}
        names = {p.name for p in out.iterdir()}
        self.assertTrue({n for n in names if n.endswith(".tar")} <= allowed, names)
        self.assertFalse(pathlib.Path("/tmp/escaped.jpg").exists())


if __name__ == "__main__":
    unittest.main()
