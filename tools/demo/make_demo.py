#!/usr/bin/env python3
"""Makes everything under manifests/demo from nothing but seeds: shards, vocabulary, trained model packages.

    python tools/demo/make_demo.py                    # all, into manifests/demo
    python tools/demo/make_demo.py --only shards      # or models, or one model's name
    python tools/demo/make_demo.py --out /tmp/d --steps 0.05   # a quick, bad run, to try the path

Needs the packages that `tools/venv.sh --torch` installs. Existing parts are replaced only when their
successors are complete.
Training is deterministic on one machine; another processor may round differently and give slightly different
weights. Shards are the same bytes wherever the pinned Pillow runs.
"""

import argparse
import concurrent.futures
import dataclasses
import multiprocessing
import pathlib
import shutil
import time

import numpy as np
import torch

import alt_texts
import decode
import export
import models
import plans
import scenes
import shards
import tokenizer
import train

SOURCE = "trained on procedurally drawn scenes by tools/demo/make_demo.py, seed {}"
DRAWN, HELD_OUT, LENGTH = 14000, 512, 32


def log(line):
    print(line, flush=True)


def learn_vocabulary():
    """The tokenizer that all four packages share, from captions and noise."""
    texts = []
    for scene, rng in scenes.scenes("vocabulary", 4000):
        texts += [
            scenes.terse_caption(scene, rng),
            scenes.full_caption(scene, rng),
            alt_texts.alt_text(scene, rng),
        ]
    return tokenizer.Tokenizer.learn(texts, plans.MERGES)


def judge_captions(model, words, held_out):
    """Shares of right captions on held-out scenes: greedy and with top-p 0.9, and a few to look at."""
    pixels = train.normalized(held_out.pixels[:256], model.plan)
    whole = decode.whole_text(model, pixels)
    shares, examples = [], []
    for choose in (decode.greedy, decode.top_p(0.9, torch.Generator().manual_seed(1))):
        ids = decode.generate(whole, len(pixels), words.start, words.end, model.plan.max_length, choose)
        captions = [words.decode(row.tolist()) for row in ids]
        right = [scenes.caption_is_right(c, s) for c, s in zip(captions, held_out.scenes)]
        shares.append(float(np.mean(right)))
        examples += captions[:3]
    return shares, examples


def make_model(plan, words, folder):
    """Trains, judges and exports one model; returns its name, CPU seconds and what was found."""
    torch.set_num_threads(1)
    train.seeded(plan)
    started = time.process_time()
    examples = train.Examples(f"train/{plan.seed}", DRAWN if plan.steps > 300 else 2000, words, LENGTH)
    held_out = train.Examples("held-out", HELD_OUT, words, LENGTH)
    if plan.kind == "teacher":
        model = models.Teacher(plan, len(words.ids))
        train.train(model, examples, train.contrastive_loss, log)
        first, five = train.retrieval(model, held_out)
        found = f"own caption nearest of 256: {first:.1%}, within five: {five:.1%}"
    else:
        model = models.Captioner(plan, len(words.ids))
        train.train(model, examples, train.caption_loss, log)
        (greedy, drawn), captions = judge_captions(model, words, held_out)
        found = (
            f"colours and shapes all right: greedy {greedy:.1%}, top-p 0.9 {drawn:.1%}\n    "
            + "\n    ".join(captions)
        )
    export.write_package(model, words, folder / plan.name, held_out, SOURCE.format(plan.seed), log)
    return plan.name, time.process_time() - started, found


def make_models(folder, chosen, scale, processes):
    """The packages of the plans `chosen` into the new folder `folder`, `processes` at a time."""
    started = time.process_time()
    words = learn_vocabulary()
    total = time.process_time() - started
    log(f"vocabulary of {len(words.ids)}: {total:.1f} s of CPU")
    chosen = [dataclasses.replace(p, steps=max(20, round(p.steps * scale))) for p in chosen]
    with concurrent.futures.ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        made = [pool.submit(make_model, plan, words, folder) for plan in chosen]
        for name, seconds, found in (future.result() for future in made):
            total += seconds
            log(f"{name}: {seconds:.0f} s of CPU; {found}")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    log(f"models: {size / 1e6:.2f} MB, {total / 60:.1f} minutes of CPU")
    if size > 12e6:
        raise SystemExit("the packages are larger than 12 MB: make a plan in plans.py smaller")


def replace(made, place):
    """Puts the finished folder `made` where `place` is."""
    if place.exists():
        shutil.rmtree(place)
    made.rename(place)


def main():
    default = pathlib.Path(__file__).resolve().parents[2] / "manifests" / "demo"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, default=default, help="default: manifests/demo")
    names = [plan.name for plan in plans.PLANS]
    parser.add_argument("--only", choices=("shards", "models", *names), help="make one part or one model")
    parser.add_argument("--steps", type=float, default=1.0, help="factor on the training steps, default 1")
    parser.add_argument("--processes", type=int, default=2, help="models trained at a time, default 2")
    options = parser.parse_args()
    models_folder, only = options.out / "models", options.only
    models_folder.mkdir(parents=True, exist_ok=True)
    if only in (None, "shards"):
        make(options.out / "shards", lambda folder: shards.write_shards(folder, log))
    if only in (None, "models"):
        make(models_folder, lambda f: make_models(f, plans.PLANS, options.steps, options.processes))
    for plan in plans.PLANS:
        if only == plan.name:
            draft = options.out / f".{plan.name}.new"
            make(draft, lambda f, plan=plan: make_models(f, [plan], options.steps, 1))
            replace(draft / plan.name, models_folder / plan.name)
            draft.rmdir()


def make(place, work):
    """Runs `work` on a hidden new folder and puts it where `place` is when it is complete."""
    draft = place.with_name(f".{place.name.strip('.')}.draft")
    if draft.exists():
        shutil.rmtree(draft)
    started = time.monotonic()
    work(draft)
    replace(draft, place)
    log(f"{place.name}: done in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
