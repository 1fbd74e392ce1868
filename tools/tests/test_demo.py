"""The demo's input as committed: shards are what the script draws, packages answer their probes.

Run: python3 -m unittest discover tools/tests
"""

import gzip
import hashlib
import json
import pathlib
import random
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "manifests/demo"
sys.path[:0] = [str(ROOT / "tools/demo")]

try:
    import decode
    import numpy as np
    import onnxruntime
    import PIL
    import alt_texts
    import plans
    import scenes
    import shards
    import tokenizer

    MISSING = None
except ImportError as error:
    MISSING = f"{error.name} is not installed"

PINNED = dict(
    line.split("==") for line in (ROOT / "tools/requirements.txt").read_text().split() if "==" in line
)


def session(package, graph):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(package / graph), options, providers=["CPUExecutionProvider"])


@unittest.skipIf(MISSING, MISSING)
class Demo(unittest.TestCase):
    def packages(self, kind):
        """(plan, folder, model.json, probe) of each package of a kind."""
        for plan in plans.PLANS:
            folder = DEMO / "models" / plan.name
            if plan.kind == kind:
                with np.load(folder / "probe.npz", allow_pickle=False) as probe:
                    yield plan, folder, json.loads((folder / "model.json").read_text()), dict(probe)

    def test_shards_are_what_the_script_draws(self):
        if PIL.__version__ != PINNED["pillow"]:
            self.skipTest(f"Pillow {PIL.__version__} may encode differently from {PINNED['pillow']}")
        with tempfile.TemporaryDirectory() as temporary:
            made = pathlib.Path(temporary) / "shards"
            shards.write_shards(made, lambda line: None)
            for path in sorted(made.iterdir()):
                self.assertEqual(path.read_bytes(), (DEMO / "shards" / path.name).read_bytes(), path.name)

    def test_packages_name_the_digest_of_each_file(self):
        size = 0
        for plan in plans.PLANS:
            folder = DEMO / "models" / plan.name
            named = json.loads((folder / "model.json").read_text())["files"]
            self.assertEqual({*named, "model.json"}, {f.name for f in folder.iterdir()})
            for name, digest in named.items():
                data = (folder / name).read_bytes()
                self.assertEqual(hashlib.sha256(data).hexdigest(), digest, f"{plan.name}/{name}")
                size += len(data)
        self.assertLess(size, 12e6)

    def test_graphs_name_no_file_of_the_machine_that_made_them(self):
        for path in DEMO.glob("models/*/*.onnx"):
            data = path.read_bytes()
            for trace in (b"stack_trace", b"site-packages", b"tools/demo", b"/tmp/", b"pkg.torch"):
                self.assertFalse(trace in data, f"{path} holds {trace}")

    def test_teachers_answer_their_probes(self):
        for plan, folder, facts, probe in self.packages("teacher"):
            words = tokenizer.Tokenizer.load(folder, facts["text"]["clean"])
            texts = json.loads(bytes(probe["texts"]))
            ids = [words.pack(t, facts["text"]["context_length"]) for t in texts]
            self.assertEqual(ids, probe["ids"].tolist(), plan.name)
            images = session(folder, "image.onnx").run(None, {"pixels": probe["pixels"]})[0]
            embedded = session(folder, "text.onnx").run(None, {"ids": probe["ids"]})[0]
            self.assertEqual(images.shape, (16, facts["embedding_width"]))
            self.assertLess(np.abs(images - probe["image_embedding"]).max(), 2e-5)
            self.assertLess(np.abs(embedded - probe["text_embedding"]).max(), 2e-5)

    def test_captioners_answer_their_probes(self):
        for plan, folder, facts, probe in self.packages("captioner"):
            text = facts["text"]
            found = session(folder, "image.onnx").run(None, {"pixels": probe["pixels"]})
            stepper = decode.Stepper(session(folder, "step.onnx"), *found, plan, facts["captioner"]["layers"])
            ids = decode.generate(
                stepper, 16, text["start"], text["end"], facts["captioner"]["max_length"], decode.greedy
            )
            self.assertEqual(ids.tolist(), probe["greedy_ids"].tolist(), plan.name)

    def test_captions_are_mostly_right(self):
        for plan, folder, facts, probe in self.packages("captioner"):
            words = tokenizer.Tokenizer.load(folder)
            held_out = [scene for scene, _ in scenes.scenes("held-out", 16)]
            captions = [words.decode(row.tolist()) for row in probe["greedy_ids"]]
            right = sum(scenes.caption_is_right(c, s) for c, s in zip(captions, held_out, strict=True))
            self.assertGreaterEqual(right, 10, f"{plan.name}: {captions}")

    def test_tokenizer_is_open_clips(self):
        try:
            from open_clip.tokenizer import SimpleTokenizer
        except ImportError:
            self.skipTest("open_clip_torch is not installed")
        ours = tokenizer.Tokenizer.load(DEMO / "models/teacher-a")
        with tempfile.NamedTemporaryFile(suffix=".gz") as file:
            lines = ["a header", *(" ".join(pair) for pair in ours.merges)]
            file.write(gzip.compress("\n".join(lines).encode()))
            file.flush()
            theirs = SimpleTokenizer(file.name, context_length=32)
        rng = random.Random(1)
        for scene, lots in scenes.scenes("tokens", 200):
            for text in (
                scenes.full_caption(scene, lots),
                alt_texts.about(scene, lots),
                alt_texts.useless(rng),
            ):
                self.assertEqual(ours.pack(text, 32), theirs([text])[0].tolist(), text)


if __name__ == "__main__":
    unittest.main()
