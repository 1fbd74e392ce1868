"""conformance.py: a small hand-made dataset passes, and each deliberate damage is found.

Run: python3 -m unittest discover tools/tests
"""

import io
import json
import pathlib
import random
import sys
import tarfile
import tempfile
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools/demo")]

try:
    import torch
    import yaml
    from dataset_checks import promise as promises
    from dataset_checks import recompute
    import conformance
    import scenes

    MISSING = None
except ImportError as error:
    MISSING = f"{error.name} is not installed"

COLUMNS = {"syn_text": 2, "syn_text_long": 1}
VIEWS = 2


def tar_bytes(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def rounded(array):
    """fp32 numbers that bf16 can hold, as the records keep them."""
    return torch.from_numpy(array).bfloat16().float().numpy()


@unittest.skipIf(MISSING, MISSING)
class Conformance(unittest.TestCase):
    """Each test changes `samples` or the files beside the shard, writes the dataset and reads the report."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        models = ROOT / "manifests/demo/models"
        self.manifest = {
            "name": "tiny",
            "input": {"shards": "in/{00..00}.tar"},
            "captioners": [{"name": "", "captions": 2}, {"name": "long", "captions": 1}],
            "ensemble": {
                "teachers": [str(models / "teacher-a"), str(models / "teacher-b")],
                "views": VIEWS,
                "augmentation": {
                    "random_resized_crop": {"size": 64, "interpolation": "bicubic"},
                    "rand_augment": {"enable": True},
                    "normalize": {},
                },
            },
            "merge": {"layout": "split", "embeddings": "npz"},
        }
        self.samples = [self.sample(number) for number in range(2)]
        self.coverage = {"input": 2, "merged": 2, "excluded": 0, "skipped": 0, "missing": 0}
        self.sizes = {"00.tar": 2}
        self.configuration = {"reinforce": {"image_augmentation": self.manifest["ensemble"]["augmentation"]}}

    def sample(self, number):
        """One sample's source and reinforcement, embedded by the demo's own teachers."""
        rng = random.Random(number)
        scene = scenes.draw_lots(rng)
        buffer = io.BytesIO()
        scenes.render(scene, 100, 80, rng).save(buffer, "JPEG")
        captions = {
            column: [scenes.terse_caption(scene, rng) for _ in range(count)]
            for column, count in COLUMNS.items()
        }
        views = [
            [[3 + number, 5, 60, 70], [[1, -0.09000000357627869], [13, 0.0]]],
            [[0, 20 * number, 80, 75], [[5, 9.0], [6, 0.27000001072883606]]],
        ]
        return {
            "key": f"{number:04d}",
            "image": buffer.getvalue(),
            "txt": scenes.full_caption(scene, rng).encode(),
            "captions": captions,
            "views": views,
            "facts": b'{"uid": "u"}',
        }

    def embedded(self, sample, promise):
        """The arrays of a sample."""
        oracle = recompute.Oracle(promise)
        image = recompute.open_image(sample["image"])
        pictures = [recompute.reapply(image, view, promise.augmentation) for view in sample["views"]]
        arrays = {"image_emb": oracle.images(pictures), "text_emb": oracle.texts([sample["txt"].decode()])}
        arrays.update({f"{c}_emb": oracle.texts(texts) for c, texts in sample["captions"].items()})
        return {name: rounded(a) for name, a in arrays.items()}

    def members(self, sample, arrays, kind="npz"):
        """The files of a merged sample, without the key."""
        buffer = io.BytesIO()
        if kind == "npz":
            np.savez(buffer, **arrays)
        else:
            import gzip

            torch.save({n: torch.from_numpy(a).bfloat16() for n, a in arrays.items()}, buffer)
            buffer = io.BytesIO(gzip.compress(buffer.getvalue()))
        return {
            "jpg": sample["image"],
            "txt": sample["txt"],
            "syn.json": json.dumps(sample["captions"]).encode(),
            "paug.json": json.dumps({"param_aug": sample["views"]}).encode(),
            kind: buffer.getvalue(),
            "json": sample["facts"],
        }

    def failures(self, change=None, rearrange=None, kind="npz"):
        """Writes source and dataset and checks them. `change(sample number, arrays, members)` runs on each
        sample, `rearrange(files)` on the shard's list of (name, bytes); returns the failed kinds of check."""
        source, dataset, manifest = self.folder / "in", self.folder / "out", self.folder / "m.yaml"
        source.mkdir()
        dataset.mkdir()
        self.manifest["merge"]["embeddings"] = kind
        manifest.write_text(yaml.safe_dump(self.manifest))
        (source / "00.tar").write_bytes(
            tar_bytes(
                [
                    (f"{s['key']}.{e}", s[n])
                    for s in self.samples
                    for e, n in (("jpg", "image"), ("txt", "txt"), ("json", "facts"))
                ]
            )
        )
        promise = promises.read_promise(manifest)
        files = []
        for number, sample in enumerate(self.samples):
            arrays = self.embedded(sample, promise)
            members = self.members(sample, arrays, kind)
            if change:
                change(number, arrays, members)
                if members.pop("again", None):
                    members[kind] = self.members(sample, arrays, kind)[kind]
            files += [(f"{sample['key']}.{e}", data) for e, data in members.items()]
        (dataset / "00.tar").write_bytes(tar_bytes(rearrange(files) if rearrange else files))
        total = {"total": self.coverage, "shards": [{"shard": "00", "counts": self.coverage, "reasons": {}}]}
        lines = json.dumps({"shard": "00", "num_uids": len(self.samples)}) + "\n"
        for name, text in (
            ("coverage.json", json.dumps(total)),
            ("sizes.json", json.dumps(self.sizes)),
            ("info.json", "{}"),
            ("config.json", json.dumps(self.configuration)),
            ("manifest.jsonl", lines),
        ):
            (dataset / name).write_text(text)
        report = conformance.check_dataset(dataset, promise, per_shard=2)
        self.report = report
        return set(report.failures)

    def first(self, work):
        """A change of the first sample's arrays, after which its embeddings are written again."""

        def change(number, arrays, members):
            if number == 0:
                work(arrays)
                members["again"] = True

        return change

    def test_good_npz_passes(self):
        self.assertEqual(self.failures(), set())
        self.assertGreaterEqual(self.report.passed["recomputed image_emb by teacher 1"], 2)
        self.assertGreaterEqual(self.report.passed["recomputed syn_text_long_emb by teacher 0"], 2)

    def test_good_pth_gz_passes(self):
        self.assertEqual(self.failures(kind="pth.gz"), set())
        self.assertEqual(self.report.passed["pth.gz dtype"], 2)

    def test_sample_without_text_passes(self):
        def change(number, arrays, members):
            arrays["text_emb"] = arrays["text_emb"][:0]
            members["again"] = members.pop("txt")

        self.assertEqual(self.failures(change), set())

    def test_other_parameters_than_those_used_are_found(self):
        def change(number, arrays, members):
            views = json.loads(members["paug.json"])
            views["param_aug"].reverse()
            members["paug.json"] = json.dumps(views).encode()

        self.assertIn("recomputed image_emb by teacher 0", self.failures(change))

    def test_parameters_as_a_string_are_found(self):
        def change(number, arrays, members):
            views = json.loads(members["paug.json"])
            members["paug.json"] = json.dumps({"param_aug": json.dumps(views["param_aug"])}).encode()

        failures = self.failures(change)
        self.assertIn("param_aug is a list", failures)
        self.assertIn("the trainer's calls find what they take", failures)

    def test_a_crop_outside_the_image_is_found(self):
        def change(number, arrays, members):
            members["paug.json"] = members["paug.json"].replace(b"60, 70", b"60, 99")

        self.assertIn("param_aug in range", self.failures(change))

    def test_a_missing_view_is_found(self):
        self.assertIn(
            "image_emb shape", self.failures(self.first(lambda a: a.update(image_emb=a["image_emb"][:1])))
        )

    def test_swapped_teachers_are_found(self):
        swap = self.first(lambda a: a.update({n: np.roll(v, 64, axis=1) for n, v in a.items()}))
        self.assertIn("image_emb norms of teacher 0", self.failures(swap))

    def test_a_nan_is_found(self):
        def work(arrays):
            arrays["syn_text_emb"][1, 7] = np.nan

        self.assertIn("syn_text_emb finite", self.failures(self.first(work)))

    def test_a_caption_that_was_not_embedded_is_found(self):
        def change(number, arrays, members):
            captions = json.loads(members["syn.json"])
            captions["syn_text"][0] = "four dogs on a motorway"
            members["syn.json"] = json.dumps(captions).encode()

        self.assertIn("recomputed syn_text_emb by teacher 0", self.failures(change))

    def test_a_missing_caption_is_found(self):
        def change(number, arrays, members):
            captions = json.loads(members["syn.json"])
            captions["syn_text"].pop()
            members["syn.json"] = json.dumps(captions).encode()

        self.assertIn("syn_text count", self.failures(change))

    def test_another_dtype_is_found(self):
        def work(arrays):
            arrays["image_emb"] = arrays["image_emb"].astype(np.float64)

        self.assertIn("npz dtype", self.failures(self.first(work)))

    def test_missing_embeddings_are_found(self):
        self.assertIn("npz is there", self.failures(lambda n, a, members: members.pop("npz")))

    def test_a_changed_image_is_found(self):
        def change(number, arrays, members):
            members["jpg"] += b"\0"

        self.assertIn("image is the source's", self.failures(change))

    def test_members_apart_are_found(self):
        failed = self.failures(rearrange=lambda files: files[1:] + files[:1])
        self.assertIn("members of a key are adjacent", failed)
        self.assertIn("keys are unique in the dataset", failed)

    def test_a_member_twice_is_found(self):
        self.assertIn("no member twice", self.failures(rearrange=lambda files: files[:2] + files[1:]))

    def test_invalid_json_is_found(self):
        def change(number, arrays, members):
            members["syn.json"] = members["syn.json"][:-1]

        self.assertIn("syn.json is valid JSON", self.failures(change))

    def test_a_coverage_that_does_not_add_up_is_found(self):
        self.coverage["input"] = 3
        self.assertIn("coverage adds up", self.failures())

    def test_a_coverage_that_claims_more_is_found(self):
        self.coverage.update(input=3, merged=3)
        self.assertIn("coverage's merged are in the tar", self.failures())

    def test_wrong_sizes_are_found(self):
        self.sizes["00.tar"] = 5
        self.assertIn("sizes.json counts the samples", self.failures())

    def test_a_missing_wrapper_for_the_trainer_is_found(self):
        self.configuration = self.configuration["reinforce"]
        self.assertIn("config.json has reinforce.image_augmentation", self.failures())

    def test_a_truncated_shard_is_found(self):
        self.assertEqual(self.failures(), set())
        shard = self.folder / "out/00.tar"
        shard.write_bytes(shard.read_bytes()[:9000])
        promise = promises.read_promise(self.folder / "m.yaml")
        self.assertIn(
            "shard can be read", set(conformance.check_dataset(self.folder / "out", promise, 0).failures)
        )


if __name__ == "__main__":
    unittest.main()
