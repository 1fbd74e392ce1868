"""Opening a merged dataset the way a trainer does, and more strictly: adjacency and duplicates count."""

import gzip
import io
import tarfile
import warnings

import numpy as np

try:
    import torch
except ImportError:
    torch = None
try:
    import webdataset
except ImportError:
    webdataset = None

IMAGES = ("jpg", "jpeg", "png", "webp")


def key_and_extension(name):
    """Everything before the first dot of the base name, folder kept; and what follows that dot."""
    folder, _, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return (f"{folder}/{stem}" if folder else stem), extension


def read_samples(path, report=None):
    """Yields (key, {extension: bytes}) of a tar; with a report, notes keys that come back and duplicates."""
    finished, key, members = set(), None, {}
    with tarfile.open(path) as tar:
        for member in tar:
            if not member.isfile():
                continue
            name = member.name[2:] if member.name.startswith("./") else member.name
            found, extension = key_and_extension(name)
            if found != key:
                if key is not None:
                    finished.add(key)
                    yield key, members
                key, members = found, {}
                if report:
                    report.check(key not in finished, "members of a key are adjacent", f"{path.name} {key}")
            if report:
                report.check(extension not in members, "no member twice", f"{path.name} {name}")
            members[extension] = tar.extractfile(member).read()
    if key is not None:
        yield key, members


def check_with_webdataset(path, keys, report):
    """webdataset itself must find the same keys in the same order."""
    if webdataset is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves its file to the garbage collector
            found = [s["__key__"] for s in webdataset.WebDataset([str(path)], shardshuffle=False)]
    except Exception as error:  # whatever it raises is the finding
        report.check(False, "webdataset reads the shard", path.name, repr(error))
        return
    report.check(
        found == keys,
        "webdataset reads the shard",
        path.name,
        f"{len(found)} keys, tarfile found {len(keys)}",
    )


def read_embeddings(members, kind):
    """{name: array fp32} and the set of stored dtypes' names, from npz or pth.gz."""
    if kind == "npz":
        with np.load(io.BytesIO(members["npz"]), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return arrays, {str(a.dtype) for a in arrays.values()}
    if torch is None:
        return None, set()
    stored = torch.load(io.BytesIO(gzip.decompress(members["pth.gz"])), weights_only=True)
    return (
        {name: t.float().numpy() for name, t in stored.items()},
        {str(t.dtype).removeprefix("torch.") for t in stored.values()},
    )


def image_of(members):
    """The image's bytes, None where the sample has none."""
    return next((members[e] for e in IMAGES if e in members), None)
