#!/usr/bin/env python3
"""Disturbs real runs in every way we know, and counts what is left.

    python tools/nemesis/nemesis.py --bolster .build/release/bolster [--rounds 2] [--seed N]

Each round starts a coordinator and workers as separate processes, each worker behind a forwarding proxy of
its own, and lets the nemesis act at random moments until the run is finished: kill -9, a pause past the
lease, a second coordinator on the same output, a lost state folder, a full disk, a cut network. Then the
run is merged and judged by what lies on the disk, read with Python alone:

  lost        input samples that are neither merged nor skipped with a reason        must be 0
  duplicated  samples that are there twice                                           must be 0
  unexpected  samples that nobody put in                                             must be 0

the same for the records of each stage, and the dataset must be, byte for byte, the undisturbed run's. A
round is repeated by its seed; moments are random, and so what happens is not exactly the same twice.
"""

import argparse
import collections
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import judging
import world


def copy_shards(folder):
    """Four copies of the demo's shards, so that a run lasts long enough to be disturbed."""
    folder.mkdir()
    for copy in range(4):
        for shard in sorted((world.ROOT / "manifests/demo/shards").glob("*.tar")):
            shutil.copy(shard, folder / f"{copy}-{shard.name}")


def play(bolster, folder, shards, seed, expected):
    """One round; returns whether nothing was wrong."""
    folder.mkdir()
    run = world.World(bolster, folder, shards, random.Random(seed))
    try:
        began = time.monotonic()
        run.disturb()
        run.merge()
        dataset = run.output / "dataset"
        samples = judging.judge_dataset(shards, dataset)
        records, stages = judging.judge_records(bolster, run, shards)
        equal = judging.digests(dataset) == expected
        counts = ", ".join(f"{what} {samples[what] + records[what]}"
                           for what in ("lost", "duplicated", "unexpected"))
        good = equal and not any((samples + records).values())
        acts = ", ".join(f"{name} {n}" for name, n in collections.Counter(run.acts).most_common())
        print(f"{'ok' if good else 'FAIL':5}seed {seed}: {counts}; {stages} stages; dataset "
              f"{'equal' if equal else 'DIFFERS'}; {len(run.acts)} acts in "
              f"{time.monotonic() - began:.0f} s: {acts}", flush=True)
        return good
    finally:
        run.stop()
        run.disk.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bolster", type=pathlib.Path, default=world.ROOT / ".build/release/bolster")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the first round")
    options = parser.parse_args()
    bolster = options.bolster.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bolster-nemesis-"))
    copy_shards(folder / "shards")
    calm = folder / "undisturbed.yaml"
    calm.write_text(world.manifest(folder / "shards", folder / "undisturbed"))
    subprocess.run([bolster, "run", calm, "--workers", "2", "--log-level", "warning"], check=True,
                   stdout=subprocess.DEVNULL)
    expected = judging.digests(folder / "undisturbed" / "dataset")
    failed = 0
    for number in range(options.rounds):
        seed = options.seed + number
        try:
            good = play(bolster, folder / f"round-{seed}", folder / "shards", seed, expected)
        except SystemExit as reason:
            print(f"FAIL seed {seed}: {reason}", flush=True)
            good = False
        failed += not good
    print(f"{options.rounds - failed} rounds passed, {failed} failed")
    if failed:
        print(f"kept for looking at: {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
