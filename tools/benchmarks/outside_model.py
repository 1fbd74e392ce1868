#!/usr/bin/env python3
"""How much of a worker's time is spent outside the model: a ViT with ten views an image, on the CPU.

    tools/benchmarks/outside_model.py --bolster .build/release/bolster [--model ViT-B-16] [--images 64]

Exports the model with random weights, makes a shard of pictures and runs the views' stage with one worker.
Two numbers are printed, from the worker's own log: the share of the unit's time in which the model's thread
had nothing to compute (reading, decoding, augmenting, waiting, storing), and the views a second. The first is
held against the rate of `bolster embed` on the same package, threads and batch, which times nothing but the
model: if the worker's report were wishful, views would come more slowly than it says. The aim: under 10 %.
"""

import argparse
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import captions  # noqa: E402


def write_shard(images, path):
    with tarfile.open(path, "w") as tar:
        for index, image in enumerate(images):
            files = ((image.suffix[1:], image.read_bytes()), ("txt", b"a picture"))
            for extension, data in files:
                member = tarfile.TarInfo(f"{index:06}.{extension}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def run_views(arguments, package, folder):
    """(seconds of the unit, share of them in which the model's thread waited)"""
    shard, manifest = folder / "0000.tar", folder / "views.yaml"
    write_shard(captions.write_images(arguments.images, folder), shard)
    size = json.loads((package / "model.json").read_text())["image"]["size"]
    manifest.write_text(json.dumps({
        "name": "outside", "chunk": 32, "output": "out", "input": {"shards": str(shard)},
        "ensemble": {
            "teachers": [str(package)], "views": arguments.views, "batch": arguments.batch,
            "augmentation": {
                "random_resized_crop": {"size": size, "interpolation": "bicubic"}, "rand_augment": {},
            },
        },
    }))
    subprocess.run(
        [arguments.bolster, "run", str(manifest), "--workers", "1", "--threads", str(arguments.threads),
         "--no-merge", "--output", str(folder / "out")], check=True, capture_output=True)
    log = (folder / "out/logs/worker-0.log").read_text()
    line = next(line for line in log.splitlines() if "unit done" in line and "stage=views" in line)
    waited = int(re.search(r"model (\d+) %", line)[1]) / 100
    return float(re.search(r"seconds=([\d.]+)", line)[1]), waited


def model_rate(arguments, package, folder):
    """Images a second of the model alone."""
    images = captions.write_images(arguments.batch * 4, folder)
    report = folder / "report.json"
    subprocess.run(
        [arguments.bolster, "embed", "--model", str(package), "--batch", str(arguments.batch), "--threads",
         str(arguments.threads), "--report", str(report), "--out", str(folder / "out.npy"),
         *(str(path) for path in images)], check=True, capture_output=True)
    return len(images) / json.loads(report.read_text())["image_wall_seconds"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bolster", default=".build/release/bolster")
    parser.add_argument("--model", default="ViT-B-16")
    parser.add_argument("--package", help="a package that is there already, instead of an export")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--views", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        package = pathlib.Path(arguments.package or folder / "package").resolve()
        if not (package / "model.json").exists():
            exporter = pathlib.Path(__file__).resolve().parents[1] / "export_openclip.py"
            subprocess.run(
                [sys.executable, exporter, "--model", arguments.model, "--out", package], check=True,
                stdout=subprocess.DEVNULL)
        parts = {name: folder / name for name in ("worker", "model")}
        for part in parts.values():
            part.mkdir()
        seconds, waited = run_views(arguments, package, parts["worker"])
        alone = model_rate(arguments, package, parts["model"])
    rate = arguments.images * arguments.views / seconds
    print(f"{arguments.images} images, {arguments.views} views, batches of {arguments.batch}, "
          f"{arguments.threads} threads")
    print(f"  the model's thread had nothing to compute in {waited:.0%} of {seconds:.1f} s")
    print(f"  {rate:.2f} views a second, {alone:.2f} by the model alone: {1 - rate / alone:.1%} less")


if __name__ == "__main__":
    main()
