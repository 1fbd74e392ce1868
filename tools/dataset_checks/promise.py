"""What the manifest and its model packages promise about the merged dataset."""

import glob
import json
import pathlib
import re
from dataclasses import dataclass, field

import yaml


@dataclass
class Teacher:
    """One member of the ensemble: where its package is, and its part of an embedding."""

    folder: pathlib.Path
    facts: dict
    begin: int

    @property
    def width(self):
        return self.facts["embedding_width"]

    @property
    def columns(self):
        return slice(self.begin, self.begin + self.width)


@dataclass
class Promise:
    """The manifest in the words of the dataset. `captions` is {column: captions per sample}."""

    captions: dict
    embedded: list
    teachers: list
    views: int
    augmentation: dict
    layout: str
    embeddings: str
    images: str
    require: object
    store: str
    shards: list = field(default_factory=list)

    @property
    def width(self):
        return sum(t.width for t in self.teachers)

    def requires(self, stage):
        """Whether every merged sample must have this stage."""
        return self.require == "all" or stage in self.require

    @property
    def norm_tolerance(self):
        """How far a unit vector's norm may be from 1: half a unit in the last place of each number."""
        return 1e-4 if self.store == "fp32" and self.embeddings == "npz" else 4e-3


def expand_braces(text):
    """`{a,b}` and `{00..12}` expanded, as shells and webdataset do."""
    found = re.search(r"\{([^{}]*)\}", text)
    if not found:
        return [text]
    inside = found.group(1)
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if numbers:
        first, last = numbers.groups()
        parts = [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]
    else:
        parts = inside.split(",")
    return [
        rest for part in parts for rest in expand_braces(text[: found.start()] + part + text[found.end() :])
    ]


def source_shards(patterns, base):
    """The local tar shards of the input, in order; remote ones and lists are left out."""
    patterns = [patterns] if isinstance(patterns, str) else patterns
    places = [str(base / p) for pattern in patterns for p in expand_braces(pattern) if "://" not in p]
    found = [pathlib.Path(f) for place in places for f in (sorted(glob.glob(place)) or [place])]
    return [f for f in found if f.suffix == ".tar" and f.exists()]


def read_promise(path):
    """Reads the manifest at `path` and the model.json of each teacher."""
    path = pathlib.Path(path)
    manifest = yaml.safe_load(path.read_text())
    base = path.resolve().parent
    captions = {}
    for captioner in manifest.get("captioners") or []:
        name = captioner.get("name") or ""
        captions[f"syn_text_{name}" if name else "syn_text"] = captioner.get("captions", 5)
    ensemble, merge = manifest.get("ensemble") or {}, manifest.get("merge") or {}
    teachers, begin = [], 0
    for place in ensemble.get("teachers") or []:
        folder = base / place
        facts = json.loads((folder / "model.json").read_text())
        teachers.append(Teacher(folder, facts, begin))
        begin += facts["embedding_width"]
    wanted = re.compile(ensemble.get("captions", "^syn_text.*$"))
    return Promise(
        captions=captions,
        embedded=[c for c in captions if wanted.search(c)],
        teachers=teachers,
        views=ensemble.get("views", 10),
        augmentation=ensemble.get("augmentation") or {},
        layout=merge.get("layout", "split"),
        embeddings=merge.get("embeddings", "npz"),
        images=merge.get("images", "include"),
        require=merge.get("require", "all"),
        store=ensemble.get("store", "bf16"),
        shards=source_shards(manifest["input"]["shards"], base),
    )
