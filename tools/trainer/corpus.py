#!/usr/bin/env python3
"""Draws the experiment's corpus: WebDataset shards of scenes with the alt-texts a crawler would have found.

    python tools/trainer/corpus.py --out DIR --samples 4096

The scenes are those of tools/demo, drawn from a seed of their own: none is in the teachers' training set.
"""

import argparse
import io
import json
import pathlib
import sys
import tarfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "demo"))

import alt_texts  # noqa: E402 - the demo's modules lie in a folder of scripts
import scenes  # noqa: E402

SIDE, SHARD = 96, 512


def members(scene, rng, number):
    """One sample's files, by extension."""
    picture = io.BytesIO()
    scenes.render(scene, SIDE, SIDE, rng).save(picture, "JPEG", quality=85)
    return {
        "jpg": picture.getvalue(),
        "txt": alt_texts.alt_text(scene, rng).encode(),
        "json": json.dumps({"uid": f"{number:032x}"}).encode(),
    }


def write(folder, count, seed):
    """Shards of 512 samples into `folder`; `count` scenes of the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    tar = None
    for number, (scene, rng) in enumerate(scenes.scenes(seed, count)):
        if number % SHARD == 0:
            if tar:
                tar.close()
            tar = tarfile.open(folder / f"{number // SHARD:04d}.tar", "w", format=tarfile.USTAR_FORMAT)
        for extension, data in members(scene, rng, number).items():
            member = tarfile.TarInfo(f"{number:08d}.{extension}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    tar.close()


def held_out(count, seed):
    """`count` further scenes as u8 arrays [64, 64, 3], each with the caption that describes it."""
    import numpy

    pictures, captions = [], []
    for scene, rng in scenes.scenes(seed, count):
        picture = scenes.render(scene, SIDE, SIDE, rng).resize((64, 64), resample=3)
        pictures.append(numpy.asarray(picture))
        captions.append(scenes.terse_caption(scene, rng))
    return numpy.stack(pictures), captions


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--seed", default="trainer")
    options = parser.parse_args()
    write(options.out, options.samples, options.seed)
