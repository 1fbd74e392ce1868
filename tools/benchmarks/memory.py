#!/usr/bin/env python3
"""Shows that the memory of merge, verify and join does not follow a shard's size.

    memory.py BOLSTER FOLDER [--gigabytes 4]

Makes a small and a large shard of equal samples (a photograph's file with bytes behind its end, 8 MB each),
runs one of the demo's teachers over each, then merges, verifies and joins it, and prints each process's peak
resident memory (VmHWM, as wait4 tells it). Fails where the large shard needs more than a quarter more.
"""

import argparse
import io
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE_BYTES = 8 << 20


def write_shard(path, samples):
    path.parent.mkdir(parents=True)
    with tarfile.open(ROOT / "manifests/demo/shards/0000.tar") as demo:
        image = next(demo.extractfile(m).read() for m in demo if m.name.endswith(".jpg"))
    noise = random.Random(1).randbytes(SAMPLE_BYTES)
    with tarfile.open(path, "w") as tar:
        for index in range(samples):
            # Decoders stop at the image's end.
            content = image + noise[: SAMPLE_BYTES - len(image) - 8] + index.to_bytes(8, "big")
            for extension, data in (("jpg", content), ("txt", b"a text"), ("json", b'{"uid": "%d"}' % index)):
                member = tarfile.TarInfo(f"{index:06d}.{extension}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def manifest(folder, shard):
    text = f"""
name: memory
chunk: 16
input: {{shards: "{shard}"}}
output: {folder}/out
ensemble:
  teachers: ["{ROOT}/manifests/demo/models/teacher-a"]
  views: 2
  batch: 16
  augmentation: {{random_resized_crop: {{size: 64, interpolation: bicubic}}, to_tensor: {{enable: true}}}}
merge: {{embeddings: npz}}
"""
    path = folder / "memory.yaml"
    path.write_text(text)
    return path


def peak(command):
    """Runs a command and returns its peak resident memory in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {process.returncode}\n{output}")
    return usage.ru_maxrss / 1024


def measure(bolster, folder, samples):
    """Peak memory by verb for a shard of that many samples."""
    shutil.rmtree(folder, ignore_errors=True)
    shard = folder / "source/0.tar"
    write_shard(shard, samples)
    path = manifest(folder, shard)
    peak([bolster, "run", path, "--workers", "1"])
    shutil.rmtree(folder / "out/dataset")
    merge = [bolster, "merge", path, "--threads", "1"]
    peaks = {"merge": peak([*merge, "--out", folder / "dataset"])}
    peaks["verify"] = peak([bolster, "verify", folder / "dataset", "--source", path])
    peak([*merge, "--out", folder / "dr", "--set", "merge.images=omit"])
    join = [bolster, "join", "--reinforcements", folder / "dr/0.tar", "--sources", shard, "--threads", "1"]
    peaks["join"] = peak([*join, "--out", folder / "joined"])
    size = shard.stat().st_size
    shutil.rmtree(folder)
    return size, peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bolster")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--gigabytes", type=float, default=4)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    small_size, small = measure(arguments.bolster, folder / "small", 32)
    large_size, large = measure(
        arguments.bolster, folder / "large", int(arguments.gigabytes * 1e9 / SAMPLE_BYTES))
    print(f"{'VmHWM, MiB':<12} {small_size / 1e9:>8.2f} GB {large_size / 1e9:>8.2f} GB")
    for verb in small:
        print(f"{verb:<12} {small[verb]:>11.0f} {large[verb]:>11.0f}")
    grown = [verb for verb in small if large[verb] > 1.25 * small[verb]]
    if grown:
        sys.exit(f"memory follows the shard's size: {', '.join(grown)}")


if __name__ == "__main__":
    main()
