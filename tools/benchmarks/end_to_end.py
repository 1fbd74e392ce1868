#!/usr/bin/env python3
"""Manifest to merged set: Bolster against tools/benchmarks/plain_reinforcement.py, same weights, same images,
same views, same cores. Run it by tools/benchmarks/end_to_end.sh.

A teacher (ViT-B/32) and a captioner (coca_ViT-B-32, one greedy caption, its end token biased so that texts
have 12 to 15 tokens) with random weights; a shard of drawn JPEGs. Each program is run on a shard of one image
first, which is its start-up, then on all; what it made of the views must agree within 1e-4.
"""

import argparse
import io
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy as np

TOOLS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOOLS), str(TOOLS / "benchmarks")]
ROOT = TOOLS.parent
TEACHER = "ViT-B-32"
TOLERANCE = 1e-4


def write_shard(path, count):
    from PIL import Image

    generator = np.random.default_rng(3)
    with tarfile.open(path, "w") as tar:
        for index in range(count):
            coarse = generator.integers(0, 256, (16, 20, 3), dtype=np.uint8)
            image = io.BytesIO()
            Image.fromarray(coarse).resize((640, 512), Image.BICUBIC).save(image, "JPEG", quality=90)
            caption = f"A drawing, number {index}"
            for extension, data in [("jpg", image.getvalue()), ("txt", caption.encode())]:
                member = tarfile.TarInfo(f"{index:06d}.{extension}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def make_models(folder):
    """Both packages, and the same weights as state dictionaries for the plain program."""
    import captions
    import export_openclip
    import open_clip
    import torch

    torch.manual_seed(7)
    tokenizer = open_clip.get_tokenizer(TEACHER)
    teacher = open_clip.create_model(TEACHER).eval()
    export_openclip.export(teacher, tokenizer, folder / "teacher", TEACHER, "random weights")
    torch.save(teacher.state_dict(), folder / "teacher.pt")
    tokenizer = open_clip.get_tokenizer(captions.MODEL)
    captioner = captions.random_captioner(9.5, tokenizer.eot_token_id)
    export_openclip.export(captioner, tokenizer, folder / "captioner", captions.MODEL, "random weights")
    torch.save(captioner.state_dict(), folder / "captioner.pt")


def manifest(arguments, folder, shard):
    value = {
        "name": "end-to-end", "seed": 1, "chunk": 128, "input": {"shards": str(shard)},
        "output": str(folder / "unused"),
        "captioners": [{
            "name": "coca", "model": str(folder / "captioner"), "captions": 1, "batch": arguments.batch,
            "decoding": {"method": "greedy"}, "keep": "everything",
        }],
        "ensemble": {
            "teachers": [str(folder / "teacher")], "views": arguments.views, "batch": 2 * arguments.batch,
            "augmentation": {
                "random_resized_crop": {"size": 224, "interpolation": "bicubic"},
                "rand_augment": {"enable": True}, "to_tensor": {"enable": True},
            },
            "store": "fp32",
        },
        "merge": {"embeddings": "npz"},
    }
    file = folder / f"{shard.stem}.yaml"
    file.write_text(json.dumps(value))
    return file


def timed(command):
    """Wall and CPU seconds of a program and its children."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command[:2]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def samples(path):
    """Arrays and captions by key."""
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            data = tar.extractfile(member).read()
            if extension == "npz":
                found.setdefault(key, {}).update(np.load(io.BytesIO(data)))
            elif extension in ("syn.json", "paug.json"):
                found.setdefault(key, {})[extension] = json.loads(data)
    return found


def compare(ours, theirs):
    if ours.keys() != theirs.keys():
        sys.exit(f"{len(ours)} samples against {len(theirs)}")
    worst = {"image_emb": 0.0, "text_emb": 0.0, "syn_text_coca_emb": 0.0}
    equal = 0
    for key, sample in ours.items():
        other = theirs[key]
        same = sample["syn.json"] == other["syn.json"]
        equal += same
        for name in worst:
            if name != "syn_text_coca_emb" or same:
                worst[name] = max(worst[name], float(np.abs(sample[name] - other[name]).max()))
    for name, difference in worst.items():
        print(f"largest difference of {name}: {difference:.1e}")
    print(f"captions equal: {equal} of {len(ours)}")
    if max(worst.values()) > TOLERANCE or equal < 0.98 * len(ours):
        sys.exit(f"the two programs disagree by more than {TOLERANCE}")


def first_sample(bolster, folder):
    """Seconds from `bolster run` on the demo to its first samples in a model, by this program's clock."""
    out = folder / "demo"
    began = time.perf_counter()
    run = subprocess.Popen(
        [bolster, "run", "manifests/demo.yaml", "--workers", "2", "--output", str(out), "--no-merge"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < 60:
            for log in out.glob("logs/worker-*.log"):
                if "first samples reach a model" in log.read_text():
                    return time.perf_counter() - began
            time.sleep(0.01)
    finally:
        run.kill()
        run.wait()
    sys.exit("the demo's first samples did not reach a model within a minute")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bolster", required=True)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument(
        "--batch", type=int, default=16, help="images to a captioner's batch, half of a teacher's")
    parser.add_argument("--models", type=pathlib.Path, help="keeps the two models here between calls")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        print(f"demo: first samples in a model after {first_sample(arguments.bolster, folder):.1f} s")
        models = arguments.models or folder
        if not (models / "captioner.pt").exists():
            models.mkdir(parents=True, exist_ok=True)
            make_models(models)
        if models != folder:
            for part in ("teacher", "captioner"):
                shutil.copytree(models / part, folder / part)
        times = {}
        for shard, count in [(folder / "one.tar", 1), (folder / "all.tar", arguments.images)]:
            write_shard(shard, count)
            ours, theirs = folder / f"ours-{count}", folder / f"theirs-{count}.tar"
            file = manifest(arguments, folder, shard)
            times["bolster", count] = timed(
                [arguments.bolster, "run", str(file), "--workers", "1", "--output", str(ours)])
            dataset = ours / "dataset" / shard.name
            times["plain", count] = timed([
                sys.executable, str(TOOLS / "benchmarks/plain_reinforcement.py"), str(models), str(shard),
                str(dataset), str(theirs), str(file), str(arguments.batch)])
        print(f"{arguments.images} images × {arguments.views} views, one caption each, "
              f"{os.cpu_count()} cores")
        print(f"{'':10}{'whole':>10}{'start-up':>10}{'without':>10}{'CPU whole':>11}   seconds")
        for program in ("bolster", "plain"):
            (one, _), (whole, cpu) = times[program, 1], times[program, arguments.images]
            print(f"{program:10}{whole:10.1f}{one:10.1f}{whole - one:10.1f}{cpu:11.1f}")
        ours_whole, plain_whole = (times[p, arguments.images][0] for p in ("bolster", "plain"))
        ours_lean, plain_lean = (
            times[p, arguments.images][0] - times[p, 1][0] for p in ("bolster", "plain"))
        print(f"bolster is {plain_whole / ours_whole:.2f} times as fast, "
              f"start-up excluded {plain_lean / ours_lean:.2f} times")
        compare(samples(dataset), samples(theirs))


if __name__ == "__main__":
    main()
