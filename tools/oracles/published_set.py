"""Writes a small reinforcement set in the published form, and shards with its images, with webdataset, NumPy,
Pillow and PyTorch: what DataCompDR's shards are made of.

    published_set.py FOLDER npz|npz-compressed|pth.gz [text]

FOLDER/dr/*.tar hold url.txt, syn.json, paug.json (param_aug as a string), npz or pth.gz, and json; FOLDER/
images/*.tar hold jpg, json and with `text` txt. Two shards of five samples; the third sample's image is gone.
"""

import gzip
import hashlib
import io
import json
import pathlib
import sys

import numpy
import webdataset
from PIL import Image

VIEWS, CAPTIONS, WIDTHS = 3, 5, (48, 48)


def unit_rows(random, count):
    """[count, 96]: two unit vectors side by side, as the ensemble's two teachers give."""
    parts = [random.standard_normal((count, width)) for width in WIDTHS]
    return numpy.concatenate([p / numpy.linalg.norm(p, axis=1, keepdims=True) for p in parts], axis=1)


def embeddings(random, kind):
    arrays = {
        "image_emb": unit_rows(random, VIEWS).astype("f4"),
        "text_emb": unit_rows(random, 1 + CAPTIONS).astype("f4"),
    }
    out = io.BytesIO()
    if kind == "pth.gz":
        import torch

        torch.save({name: torch.from_numpy(a).to(torch.bfloat16) for name, a in arrays.items()}, out)
        return "pth.gz", gzip.compress(out.getvalue())
    (numpy.savez_compressed if kind == "npz-compressed" else numpy.savez)(out, **arrays)
    return "npz", out.getvalue()


def jpeg(number):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (40 * number, 90, 200)).save(out, "JPEG")
    return out.getvalue()


def main(folder, kind, text):
    random = numpy.random.default_rng(5)
    for name in ("dr", "images"):
        (folder / name).mkdir(parents=True)
    for shard in range(2):
        published = webdataset.TarWriter(str(folder / f"dr/{shard:08d}.tar"), encoder=False)
        images = webdataset.TarWriter(str(folder / f"images/{shard:08d}.tar"), encoder=False)
        for index in range(5):
            key = f"{shard:05d}{index:04d}"
            uid = hashlib.md5(key.encode()).hexdigest()
            facts = json.dumps({"uid": uid, "sha256": "0" * 64}).encode()
            views = [[[1, 2, 20, 30 + view], [[4, 0.1], [11, 200.0]]] for view in range(VIEWS)]
            extension, bytes_ = embeddings(random, kind)
            published.write({
                "__key__": key,
                "url.txt": f"https://example.org/{key}.jpg".encode(),
                "syn.json": json.dumps({"syn_text": [f"caption {n}" for n in range(CAPTIONS)]}).encode(),
                "paug.json": json.dumps({"param_aug": json.dumps(views)}).encode(),
                extension: bytes_,
                "json": facts,
            })
            if index == 2:
                continue
            source = {"__key__": key, "jpg": jpeg(index), "json": facts}
            if text:
                source["txt"] = f"the text of {key}".encode()
            images.write(source)
        published.close()
        images.close()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2], len(sys.argv) > 3)
