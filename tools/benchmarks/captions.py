#!/usr/bin/env python3
"""Captions a second: Bolster's captioner against OpenCLIP's own `generate`, same weights, same images.

    tools/benchmarks/captions.py --bolster .build/release/bolster [--images 16] [--threads 2]

Makes a CoCa with ViT-B/32 and OpenCLIP's own text widths (coca_ViT-B-32) and random weights whose end token
is given a constant logit, so that texts have 12 to 15 tokens on average, exports it with
tools/export_openclip.py, and decodes five captions an image by top-p 0.9 with both programs in turns. A
second part forbids the end token before length 30. Prints rates by CPU time as well as by wall clock, since
only the former means anything on a machine that does other things. Bolster's times are those that
`bolster caption` measures around its model, encoding of the images included and start-up excluded, and so
are OpenCLIP's.
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
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Tests/BolsterInferenceTests"))

import numpy as np  # noqa: E402
import open_clip  # noqa: E402
import torch  # noqa: E402
from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402
from PIL import Image  # noqa: E402

import export_openclip  # noqa: E402
import generate_models  # noqa: E402

MODEL = "coca_ViT-B-32"


def random_captioner(end_logit, end):
    """Random weights; the end token's logit is `end_logit` plus noise of 0.9 in every step."""
    torch.manual_seed(2026)
    model = open_clip.create_model(MODEL).eval()
    decoder = model.text_decoder
    with torch.no_grad():
        decoder.text_projection.normal_(std=decoder.text_projection.shape[0] ** -0.5)
        direction = torch.nn.functional.normalize(torch.randn(decoder.ln_final.bias.shape), dim=0) * 10
        decoder.ln_final.bias.copy_(direction)
        decoder.text_projection[:, end] = end_logit * direction / 100
    return model


def write_images(count, folder):
    generator = np.random.default_rng(1)
    paths = []
    for index in range(count):
        coarse = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        path = folder / f"{index:05d}.png"
        Image.fromarray(coarse).resize((224, 224), Image.BICUBIC).save(path)
        paths.append(path)
    return paths


def openclip_run(model, pixels, count, minimum):
    """OpenCLIP's captions of all images, `count` times over: lengths, wall and CPU seconds."""
    lengths = []
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        ids = model.generate(pixels, generation_type="top_p", top_p=0.9, min_seq_len=minimum, seq_len=30)
        for row in ids.tolist():
            lengths.append(row.index(49407) + 1 if 49407 in row else len(row))
    return lengths, time.perf_counter() - wall, time.process_time() - cpu


def bolster_run(arguments, package, images, minimum, folder):
    """Bolster's captions: wall and CPU seconds of the model, and how full its batches were."""
    report = folder / "report.json"
    command = [
        arguments.bolster, "caption", "--model", str(package), "--count", str(arguments.count),
        "--batch", str(arguments.batch), "--threads", str(arguments.threads), "--min-length", str(minimum),
        "--keep", "everything", "--report", str(report),
    ]
    subprocess.run(command + [str(path) for path in images], check=True, stdout=subprocess.DEVNULL)
    return json.loads(report.read_text())


def compare(name, arguments, model, pixels, package, images, minimum, folder):
    captions = len(images) * arguments.count
    best = {}
    lengths = []
    for _ in range(arguments.rounds):
        lengths, wall, cpu = openclip_run(model, pixels, arguments.count, minimum)
        report = bolster_run(arguments, package, images, minimum, folder)
        times = {
            "openclip wall": wall, "openclip cpu": cpu,
            "bolster wall": report["wall_seconds"], "bolster cpu": report["cpu_seconds"],
        }
        for key, seconds in times.items():
            best[key] = min(best.get(key, seconds), seconds)
    # A row of a step gives one token, a shared row one more; the start token comes from none.
    ours = (report["rows"] + report["shared_rows"]) / captions + 1
    print(f"{name}: mean length {np.mean(lengths):.1f} (OpenCLIP), {ours:.1f} (Bolster)")
    for clock in ("wall", "cpu"):
        theirs, ours = best[f"openclip {clock}"], best[f"bolster {clock}"]
        rates = f"OpenCLIP {captions / theirs:7.2f}, Bolster {captions / ours:7.2f} captions/s"
        print(f"  {clock:4}: {rates}, ratio {theirs / ours:.1f}")
    full = report["rows"] / max(1, report["steps"] * min(arguments.batch, captions))
    print(
        f"  Bolster: {report['steps']:.0f} steps, {report['rows']:.0f} rows, "
        f"{report['shared_rows']:.0f} shared, batches {100 * full:.0f} % full on average")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bolster", default=".build/release/bolster")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--package", help="where the exported model lies or is to be kept")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    generate_models.provide_processors()
    tokenizer = open_clip.get_tokenizer(MODEL)
    model = random_captioner(9.6, tokenizer.eot_token_id)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        package = pathlib.Path(arguments.package or folder / "package")
        if not (package / "model.json").exists():
            export_openclip.export(model, tokenizer, package, MODEL, "random weights, for a benchmark")
        images = write_images(arguments.images, folder)
        preprocessing = PreprocessCfg(**open_clip.get_model_preprocess_cfg(model))
        transform = image_transform_v2(preprocessing, is_train=False)
        pixels = torch.stack([transform(Image.open(path)) for path in images])
        with torch.no_grad():
            compare("top-p 0.9", arguments, model, pixels, package, images, 5, folder)
            compare("forced length 30", arguments, model, pixels, package, images, 29, folder)


if __name__ == "__main__":
    main()
