#!/usr/bin/env python3
"""Joins a published set with its images in four ways, on the same files and disk, and compares the contents.

    join.py BOLSTER FOLDER [--shards N] [--samples N] [--image-bytes N] [--rounds N]

    published   tar -x of both shards into one folder, tar -c of it: what DataCompDR's page tells to do
    webdataset  a Python join of the two by key with webdataset's own reader and writer
    bolster     `bolster join`
    cp          plain copies of the joined files: what the disk allows

Sizes are those of DataCompDR-12M: images of 512 pixels, 30 views and 6 texts of 1,536 numbers in bf16. No
way waits for the disk. Times are the least of the rounds; each way starts without its old output.
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile
import time


def write_shards(folder, shards, samples, image_bytes, seed=1):
    """Makes source and published shards, in which every fiftieth source is gone."""
    noise = random.Random(seed).randbytes(1 << 22)
    generator = random.Random(seed + 1)

    def piece(count):
        start = generator.randrange(len(noise) - count)
        return noise[start:start + count]

    for name in ("images", "dr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        images = tarfile.open(folder / "images" / f"{shard:08d}.tar", "w")
        published = tarfile.open(folder / "dr" / f"{shard:08d}.tar", "w")
        for index in range(samples):
            key = f"{shard:05d}{index:06d}"
            facts = json.dumps({"uid": hashlib.md5(key.encode()).hexdigest(), "width": 512, "height": 400})
            size = generator.randrange(image_bytes // 2, image_bytes * 3 // 2)
            if index % 50 != 7:
                add(images, f"{key}.jpg", b"\xff\xd8\xff" + piece(size))
                add(images, f"{key}.json", facts.encode())
                add(images, f"{key}.txt", f"the text of sample {index}".encode())
            views = [[[1, 2, 300, 400], [[4, 0.09000000357627869], [9, 0.27]]] for _ in range(30)]
            add(published, f"{key}.url.txt", f"https://example.org/{key}.jpg".encode())
            add(published, f"{key}.syn.json", json.dumps({"syn_text": ["a caption of it"] * 5}).encode())
            add(published, f"{key}.paug.json", json.dumps({"param_aug": json.dumps(views)}).encode())
            add(published, f"{key}.pth.gz", piece(86_000))
            add(published, f"{key}.json", facts.encode())
        images.close()
        published.close()


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def join_published(folder, out):
    for images in sorted((folder / "images").glob("*.tar")):
        work = out / "tmp"
        work.mkdir()
        subprocess.run(["tar", "-xf", images, "-C", work], check=True)
        subprocess.run(["tar", "-xf", folder / "dr" / images.name, "-C", work], check=True)
        # The page's own last line does not run as it stands: the shell expands its pattern elsewhere.
        subprocess.run(["tar", "--sort=name", "-cf", out / images.name, "-C", work, "."], check=True)
        shutil.rmtree(work)


def join_webdataset(folder, out):
    import webdataset

    for images in sorted((folder / "images").glob("*.tar")):
        def raw(path):
            return webdataset.WebDataset([str(path)], shardshuffle=False)

        sources = {sample["__key__"]: sample for sample in raw(images)}
        with webdataset.TarWriter(str(out / images.name), encoder=False) as sink:
            for sample in raw(folder / "dr" / images.name):
                source = sources.get(sample["__key__"])
                if source is not None:
                    joined = {**source, **sample}
                    sink.write({k: v for k, v in joined.items() if k == "__key__" or not k.startswith("__")})


def join_bolster(folder, out, bolster, threads):
    subprocess.run(
        [bolster, "join", "--reinforcements", folder / "dr" / "*.tar",
         "--sources", folder / "images" / "*.tar", "--out", out, "--threads", str(threads)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def copy(joined, out):
    for path in sorted(joined.glob("*.tar")):
        subprocess.run(["cp", path, out / path.name], check=True)


def contents(out, keys=None):
    """Name to hash of every file in the tars; with keys, of samples with these keys alone."""
    found = {}
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if not member.isfile():
                    continue
                name = member.name[2:] if member.name.startswith("./") else member.name
                if keys is None or name.split(".", 1)[0] in keys:
                    found[path.name, name] = hashlib.sha256(tar.extractfile(member).read()).digest()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bolster")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--image-bytes", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--require", action="store_true", help="fail under 4 and 6 times as fast")
    arguments = parser.parse_args()
    folder = arguments.folder
    shutil.rmtree(folder, ignore_errors=True)
    write_shards(folder, arguments.shards, arguments.samples, arguments.image_bytes)
    subprocess.run(["sync"], check=True)

    ways = {
        "published": lambda out: join_published(folder, out),
        "webdataset": lambda out: join_webdataset(folder, out),
        "bolster": lambda out: join_bolster(folder, out, arguments.bolster, arguments.threads),
        "bolster, one thread": lambda out: join_bolster(folder, out, arguments.bolster, 1),
        "cp": lambda out: copy(folder / "bolster", out),
    }
    best = {}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            out = folder / name.replace(", ", "-").replace(" ", "-")
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            subprocess.run(["sync"], check=True)
            start = time.monotonic()
            way(out)
            best[name] = min(best.get(name, 1e9), time.monotonic() - start)

    ours = contents(folder / "bolster")
    keys = {name.split(".", 1)[0] for _, name in ours}
    assert ours == contents(folder / "webdataset"), "webdataset joined other contents"
    assert ours == contents(folder / "published", keys), "tar joined other contents"
    size = sum(path.stat().st_size for path in (folder / "bolster").glob("*.tar"))
    print(f"{len(keys)} samples of {len(ours)} files, {size / 1e6:.0f} MB joined; contents are equal")
    for name, seconds in best.items():
        print(f"{name:<20} {seconds:7.3f} s  {size / seconds / 1e6:7.0f} MB/s  "
              f"bolster is {seconds / best['bolster']:.2f} times as fast")
    if arguments.require:
        slow = best["published"] / best["bolster"] < 4 or best["webdataset"] / best["bolster"] < 6
        if slow:
            sys.exit("the join is slower than it has to be: at least 4 and 6 times as fast as the others")


if __name__ == "__main__":
    main()
