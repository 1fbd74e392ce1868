#!/usr/bin/env python3
"""Embeddings a second: Bolster's teacher against the same model in PyTorch, same threads, same batches.

    tools/benchmarks/embeddings.py --bolster .build/release/bolster [--model ViT-B-32] [--threads 2]

Exports a model with random weights, embeds images and texts with both programs in turns, and prints the best
of each. Bolster's times are those that `bolster embed` measures around its model: start-up and image decoding
excluded, tokenising of texts included, and so are PyTorch's. Prints by CPU time as well as by wall clock,
since only the former means anything on a machine that does other things. Also the largest difference.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import numpy as np  # noqa: E402
import open_clip  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402
from PIL import Image  # noqa: E402

import captions  # noqa: E402
import export_openclip  # noqa: E402

WORDS = "a small red car on the wet street near two old trees and one bright yellow house".split()


def texts(count):
    generator = np.random.default_rng(3)
    return [" ".join(generator.choice(WORDS, size=generator.integers(4, 16))) for _ in range(count)]


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    value = work()
    return value, time.perf_counter() - wall, time.process_time() - cpu


def pytorch_run(model, tokenizer, pixels, words, batch):
    """Embeddings of length 1 and times, image and text."""
    def in_batches(values, embed):
        parts = [embed(values[start:start + batch]) for start in range(0, len(values), batch)]
        return F.normalize(torch.cat(parts), dim=-1)

    with torch.inference_mode():
        image, *image_times = timed(lambda: in_batches(pixels, model.encode_image))
        text, *text_times = timed(lambda: in_batches(words, lambda part: model.encode_text(tokenizer(part))))
    return torch.cat([image, text]).numpy(), {"image": image_times, "text": text_times}


def bolster_run(arguments, package, images, words, folder):
    report, out = folder / "report.json", folder / "out.npy"
    command = [
        arguments.bolster, "embed", "--model", str(package), "--batch", str(arguments.batch),
        "--threads", str(arguments.threads), "--report", str(report), "--out", str(out),
    ]
    command += [part for text in words for part in ("--text", text)] + [str(path) for path in images]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times = json.loads(report.read_text())
    return np.load(out), {
        kind: [times[f"{kind}_wall_seconds"], times[f"{kind}_cpu_seconds"]] for kind in ("image", "text")
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bolster", default=".build/release/bolster")
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--count", type=int, default=64, help="images, and as many texts")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--package", help="where the exported model lies or is to be kept")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model, tokenizer, _ = export_openclip.load(arguments.model, None)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        package = pathlib.Path(arguments.package or folder / "package")
        if not (package / "model.json").exists():
            export_openclip.export(model, tokenizer, package, arguments.model, "random weights, seed 0")
        images, words = captions.write_images(arguments.count, folder), texts(arguments.count)
        preprocessing = PreprocessCfg(**open_clip.get_model_preprocess_cfg(model))
        transform = image_transform_v2(preprocessing, is_train=False)
        pixels = torch.stack([transform(Image.open(path)) for path in images])
        best = {}
        for _ in range(arguments.rounds):
            theirs, slow = pytorch_run(model, tokenizer, pixels, words, arguments.batch)
            ours, quick = bolster_run(arguments, package, images, words, folder)
            for name, times in (("pytorch", slow), ("bolster", quick)):
                for kind, (wall, cpu) in times.items():
                    for clock, seconds in (("wall", wall), ("cpu", cpu)):
                        key = name, kind, clock
                        best[key] = min(best.get(key, seconds), seconds)
    print(f"{arguments.model}, {arguments.count} images and texts, batches of {arguments.batch}, "
          f"{arguments.threads} threads")
    for kind in ("image", "text"):
        for clock in ("wall", "cpu"):
            theirs_rate, ours_rate = (
                arguments.count / best[name, kind, clock] for name in ("pytorch", "bolster"))
            print(f"  {kind:5} {clock:4}: PyTorch {theirs_rate:7.1f}, Bolster {ours_rate:7.1f} a second, "
                  f"ratio {ours_rate / theirs_rate:.2f}")
    cosine = (ours * theirs).sum(axis=1).min()
    print(f"  largest difference {np.abs(ours - theirs).max():.2g}, smallest cosine {cosine:.7f}")


if __name__ == "__main__":
    main()
