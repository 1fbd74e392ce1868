#!/usr/bin/env python3
"""Opens a merged dataset as a trainer does and checks it against its manifest.

    python tools/conformance.py demo-run/dataset --manifest manifests/demo.yaml

Every sample: files, shapes, dtypes, finite values, a norm of 1 for each teacher, caption counts, augmentation
parameters within the image. Every shard: adjacent keys, no duplicates, keys, order and images of the source
(where the source is local). Beside them: the coverage report adds up. For some samples per shard the stored
parameters are reapplied with Pillow and torchvision and the teachers are run again in ONNX Runtime.

Needs numpy, Pillow and PyYAML; torch, torchvision, onnxruntime, regex, ftfy and webdataset where present.
The last line is "N passed, N failed"; the exit status is 1 when something failed, 2 when nothing was found.
"""

import argparse
import pathlib
import sys

from dataset_checks import promise as promises
from dataset_checks import reading, recompute, whole
from dataset_checks.report import Report


def check_dataset(folder, promise, per_shard, strict=False):
    """Runs every check on the dataset in `folder`; returns the report."""
    report, oracle = Report(), None
    hindrance = recompute.obstacle(promise) if per_shard > 0 and promise.teachers else "not asked for"
    if hindrance is None:
        oracle = recompute.Oracle(promise)
    else:
        report.note(f"embeddings were not recomputed: {hindrance}")
    lacking = [n for n, m in (("torch", reading.torch), ("webdataset", reading.webdataset)) if m is None]
    if lacking:
        report.note(f"not checked with {', '.join(lacking)}: not installed")
    if strict:
        report.check(
            oracle is not None and not lacking,
            "everything needed is installed",
            "this Python",
            str(hindrance),
        )
    keys = {}
    for path in sorted(folder.glob("*.tar")):
        keys[path.stem] = whole.check_shard(path, promise, oracle, per_shard, report)
    every = [k for found in keys.values() for k in found]
    report.check(len(every) == len(set(every)), "keys are unique in the dataset", str(folder))
    report.check(bool(every), "there are samples", str(folder))
    whole.check_beside(folder, keys, promise, report)
    report.note(f"{len(every)} samples in {len(keys)} shards, layout {promise.layout}, {promise.embeddings}")
    return report


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=pathlib.Path, help="the folder with the merged tars")
    parser.add_argument(
        "--manifest", type=pathlib.Path, required=True, help="the manifest that the dataset was made from"
    )
    parser.add_argument(
        "--recompute", type=int, default=8, metavar="N", help="samples recomputed per shard, default 8"
    )
    parser.add_argument("--strict", action="store_true", help="a missing Python package is a failure")
    options = parser.parse_args()
    if not any(options.dataset.glob("*.tar")):
        print(
            f"{options.dataset} holds no .tar: give the folder that `bolster merge` wrote"
        )
        print("0 passed, 0 failed")
        return 2
    report = check_dataset(
        options.dataset, promises.read_promise(options.manifest), options.recompute, options.strict
    )
    report.print()
    return 1 if report.failed_count else 0


if __name__ == "__main__":
    sys.exit(main())
