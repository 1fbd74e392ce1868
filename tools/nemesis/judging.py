"""Counts what is on the disk, with Python alone: nothing here asks Bolster what it thinks of itself, but for
the list of the record files that its ledger counts."""

import collections
import hashlib
import json
import pathlib
import subprocess
import sys
import tarfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import read_records  # noqa: E402 - it lies one folder up


def keys_of(tar):
    """The samples' keys of a tar in order, once for each run of members."""
    keys = []
    with tarfile.open(tar) as members:
        for member in members:
            key = member.name.split(".")[0]
            if not keys or keys[-1] != key:
                keys.append(key)
    return keys


def judge_dataset(shards, dataset):
    """Counts of lost, duplicated and unexpected samples over all shards."""
    skipped = {}
    coverage = json.loads((dataset / "coverage.json").read_text())
    for shard in coverage["shards"]:
        skipped[shard["shard"]] = shard["counts"]["skipped"]
    found = collections.Counter()
    for path in sorted(shards.glob("*.tar")):
        source = keys_of(path)
        merged = collections.Counter(keys_of(dataset / path.name))
        found["lost"] += len(set(source) - set(merged)) - skipped[path.stem]
        found["duplicated"] += sum(count - 1 for count in merged.values())
        found["unexpected"] += len(set(merged) - set(source))
    return found


def judge_records(bolster, world, shards):
    """The same for each stage: the record files that the ledger counts, read with Python."""
    listed = subprocess.run([bolster, "inspect", world.state, "--json"],
                            capture_output=True, text=True, check=True)
    found = collections.Counter()
    held = collections.defaultdict(collections.Counter)
    for commit in json.loads(listed.stdout)["commits"]:
        record = read_records.RecordFile((world.output / commit["file"]).read_bytes())
        for key in record.keys:
            held[commit["stage"], commit["shard"]][key] += 1
    stages = {stage for stage, _ in held}
    for stage in sorted(stages):
        for path in sorted(shards.glob("*.tar")):
            source, records = set(keys_of(path)), held[stage, path.stem]
            found["lost"] += len(source - set(records))
            found["duplicated"] += sum(count - 1 for count in records.values())
            found["unexpected"] += len(set(records) - source)
    return found, len(stages)


def digests(dataset):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(dataset.glob("*.tar"))}
