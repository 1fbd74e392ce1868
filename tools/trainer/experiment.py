#!/usr/bin/env python3
"""Does training on a reinforced dataset help? Trains the same small student with and without, and compares.

    python tools/trainer/experiment.py --bolster .build/release/bolster --work .build/trainer

Draws 4,096 scenes, reinforces them with the demo's teachers and captioners (`bolster run`), then trains five
students on the merged dataset and five on its pictures and alt-texts alone, seeds 0 to 4, all with the same
number of samples seen. Judges each on 1,024 scenes that no model has seen: the share of pictures whose own
description is the nearest of 256. Ends with exit code 1 when the reinforced students are not better by more
than three standard deviations.
"""

import argparse
import json
import math
import multiprocessing
import pathlib
import subprocess
import sys
import time

import numpy
import torch
from torch.nn.functional import normalize

import corpus
import reinforced

import models  # of tools/demo, which `corpus` has put on the path
import tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "manifests" / "demo"
SIZE, VIEWS, LENGTH, BATCH = 64, 4, 32, 128
HELD_OUT, GROUP = 1024, 256
# The share of the teachers in the loss and the scale of their similarities.
SHARE, TEACHER_SCALE = 0.9, 50.0
MEAN, STD = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.481, 0.458, 0.408), (0.269, 0.261, 0.276)))

MANIFEST = """\
name: trainer
seed: 7
chunk: 256
input: {{shards: "{work}/corpus/*.tar"}}
output: "{work}/run"
captioners:
  - {{name: "", model: "{demo}/models/captioner-a", captions: 3, batch: 64}}
  - {{name: long, model: "{demo}/models/captioner-b", captions: 2, batch: 64}}
ensemble:
  teachers: ["{demo}/models/teacher-a", "{demo}/models/teacher-b"]
  views: {views}
  batch: 64
  augmentation:
    random_resized_crop: {{size: {size}, interpolation: bicubic, scale: [0.5, 1.0]}}
    rand_augment: {{enable: true}}
merge: {{format: webdataset, layout: split, embeddings: npz, require: all}}
"""


class Student(torch.nn.Module):
    """A CLIP of a fifth of a teacher's size."""

    def __init__(self, vocabulary, end):
        super().__init__()
        self.end = end
        self.image = models.ImageTower(SIZE, 64, 2, 4)
        self.text = models.TextTower(vocabulary, LENGTH, 64, 2, 4)
        self.text_norm = torch.nn.LayerNorm(64)
        self.image_head = torch.nn.Linear(128, 64, bias=False)
        self.text_head = torch.nn.Linear(64, 64, bias=False)
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def scale(self):
        return self.log_scale.clamp(max=math.log(100)).exp()

    def embed_images(self, pixels):
        """u8 [N, 3, 64, 64] to normalised rows."""
        tokens = self.image((pixels.float() / 255 - MEAN) / STD)
        return normalize(self.image_head(torch.cat((tokens.mean(1), tokens.amax(1)), -1)), dim=-1)

    def embed_texts(self, ids):
        features = self.text_norm(self.text(ids))
        ends = (ids == self.end).to(torch.int64).argmax(1)
        return normalize(self.text_head(features[torch.arange(len(ids)), ends]), dim=-1)


class Loaded:
    """The merged dataset in memory, each view made once: pictures of this size are small."""

    def __init__(self, folder, words):
        def pixels(image):
            return numpy.asarray(image).transpose(2, 0, 1)

        rows = {name: [] for name in ("views", "plain", "image", "real", "drawn", "real_ids", "drawn_ids")}
        shards = sorted(str(path) for path in folder.glob("*.tar"))
        chance = numpy.random.default_rng(1)
        for sample in reinforced.samples(shards):
            captions = [c for column in sorted(sample["captions"]) for c in sample["captions"][column]]
            embeddings = sample["embeddings"]
            columns = sorted(name for name in embeddings if name.startswith("syn_text"))
            rows["views"].append([pixels(reinforced.reapplied(sample["image"], view, SIZE))
                                  for view in sample["views"]])
            rows["plain"].append([pixels(view) for view in plain_views(sample["image"], chance)])
            rows["image"].append(embeddings["image_emb"])
            rows["real"].append(embeddings["text_emb"][0])
            rows["drawn"].append(numpy.concatenate([embeddings[name] for name in columns]))
            rows["real_ids"].append(words.pack(sample["text"], LENGTH))
            rows["drawn_ids"].append([words.pack(caption, LENGTH) for caption in captions])
        for name, values in rows.items():
            setattr(self, name, torch.from_numpy(numpy.array(values)))


def plain_views(image, chance):
    """As many views as the dataset has, by OpenCLIP's own augmentation: crops of 0.9 to 1 of the area."""
    for _ in range(VIEWS):
        side = math.sqrt(chance.uniform(0.9, 1.0))
        width, height = round(image.width * side), round(image.height * side)
        left = chance.integers(image.width - width + 1)
        top = chance.integers(image.height - height + 1)
        yield image.resize((SIZE, SIZE), 3, (left, top, left + width, top + height))


def loss_with(student, data, chosen, view, text, widths):
    """The reinforced step: the same view against the alt-text and against one of the captions."""
    images, scale = student.embed_images(data.views[chosen, view]), student.scale()
    total = 0.0
    for ids, rows in (
        (data.real_ids[chosen], data.real[chosen]),
        (data.drawn_ids[chosen, text], data.drawn[chosen, text]),
    ):
        total += reinforced.reinforced_loss(
            images, student.embed_texts(ids), scale, data.image[chosen, view], rows, widths,
            [TEACHER_SCALE] * len(widths), SHARE,
        )
    return total / 2


def loss_without(student, data, chosen, view):
    """CLIP's step on pictures and alt-texts."""
    images = student.embed_images(data.plain[chosen, view])
    return reinforced.clip_loss(images, student.embed_texts(data.real_ids[chosen]), student.scale())


def train(data, words, seed, steps, widths):
    """A student of `steps` batches of 128 samples; with `widths` from the teachers too, else without."""
    torch.manual_seed(seed)
    student = Student(len(words.ids), words.end)
    matrices = [p for p in student.parameters() if p.ndim > 1]
    vectors = [p for p in student.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0}],
        lr=1e-3, betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: min((s + 1) / 100, 0.02 + 0.49 * (1 + math.cos(math.pi * s / steps)))
    )
    order = torch.Generator().manual_seed(seed)
    left = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(left) < BATCH:
            left = torch.randperm(len(data.real), generator=order)
        chosen, left = left[:BATCH], left[BATCH:]
        view = torch.randint(VIEWS, (BATCH,), generator=order)
        text = torch.randint(data.drawn.shape[1], (BATCH,), generator=order)
        if widths:
            loss = loss_with(student, data, chosen, view, text, widths)
        else:
            loss = loss_without(student, data, chosen, view)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return student.eval()


@torch.no_grad()
def judge(student, pictures, ids):
    """The share of pictures whose own description is the nearest of its group of 256."""
    images, texts = student.embed_images(pictures), student.embed_texts(ids)
    found = 0
    for first in range(0, HELD_OUT, GROUP):
        scores = images[first : first + GROUP] @ texts[first : first + GROUP].T
        found += int((scores > scores.diagonal().unsqueeze(1)).sum(1).eq(0).sum())
    return found / HELD_OUT


def prepare(options):
    """Draws the corpus and reinforces it, unless that is done."""
    work = options.work.resolve()
    if not (work / "corpus.done").exists():
        corpus.write(work / "corpus", options.samples, "trainer")
        (work / "corpus.done").touch()
    manifest = work / "manifest.yaml"
    manifest.write_text(MANIFEST.format(work=work, demo=DEMO, views=VIEWS, size=SIZE))
    subprocess.run([options.bolster, "run", manifest, "--workers", "2", "--log-level", "warning"], check=True)
    return work / "run" / "dataset"


def begin(dataset, widths, steps):
    """What each process keeps: the dataset and the scenes to judge on."""
    torch.set_num_threads(1)
    words = tokenizer.Tokenizer.load(DEMO / "models" / "teacher-a")
    pictures, captions = corpus.held_out(HELD_OUT, "trainer/held-out")
    play.words, play.widths, play.steps = words, widths, steps
    play.data = Loaded(dataset, words)
    play.pictures = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    play.ids = torch.tensor([words.pack(caption, LENGTH) for caption in captions])


def play(run):
    """Trains and judges one student; its share and how many seconds it took."""
    (name, seed), began = run, time.monotonic()
    student = train(play.data, play.words, seed, play.steps, play.widths if name == "with" else None)
    return judge(student, play.pictures, play.ids), time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bolster", type=pathlib.Path, default=ROOT / ".build" / "release" / "bolster")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / ".build" / "trainer")
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=12, help="samples seen, in sizes of the corpus")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2, help="students trained at a time")
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error("--seeds: a deviation needs at least 2")
    options.work.mkdir(parents=True, exist_ok=True)
    dataset = prepare(options)
    widths = json.loads((dataset / "info.json").read_text())["teachers"]
    widths = [teacher["width"] for teacher in widths]
    steps = options.epochs * json.loads((dataset / "info.json").read_text())["totalLength"] // BATCH
    print(f"teachers {widths}, {steps} steps of {BATCH} samples", flush=True)
    shares = {"without": [], "with": []}
    runs = [(name, seed) for seed in range(options.seeds) for name in shares]
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.processes, begin, (dataset, widths, steps)) as pool:
        for (name, seed), (share, took) in zip(runs, pool.imap(play, runs)):
            shares[name].append(share)
            print(f"seed {seed} {name:8}{share:.1%}  ({took:.0f} s)", flush=True)
    means = {name: float(numpy.mean(values)) for name, values in shares.items()}
    deviation = max(float(numpy.std(values, ddof=1)) for values in shares.values())
    margin = means["with"] - means["without"]
    print(f"without {means['without']:.1%}, with {means['with']:.1%}: {margin:+.1%}, "
          f"{margin / deviation:.1f} standard deviations of a student")
    sys.exit(0 if margin > 3 * deviation else 1)


if __name__ == "__main__":
    main()
