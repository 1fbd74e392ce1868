"""Checks of the dataset as a whole: every shard read, the files beside them, agreement with the source."""

import json

from dataset_checks import reading, recompute, samples, trainer


def check_shard(path, promise, oracle, budget, report):
    """All checks of one shard; `budget` is how many of its samples are recomputed. Returns its keys."""
    keys, source = [], read_source(path, promise)
    try:
        for key, members in reading.read_samples(path, report):
            where = f"{path.name} {key}"
            keys.append(key)
            arrays = samples.check_sample(key, members, promise, where, report)
            if source is not None:
                check_source(key, members, source, promise, where, report)
            if oracle and arrays and budget > 0:
                image = reading.image_of(members) or reading.image_of((source or {}).get(key, {}))
                recompute.recompute_sample(oracle, members, arrays, image, where, report)
                budget -= 1
    except Exception as error:  # a tar that cannot be read is a finding, not the end
        report.check(False, "shard can be read", path.name, repr(error))
        return keys
    report.check(True, "shard can be read", path.name)
    reading.check_with_webdataset(path, keys, report)
    trainer.check_with_tar(path, report)
    trainer.check_with_trainer(path, report)
    if source is not None:
        order = [k for k in source if k in set(keys)]
        report.check(order == keys, "keys and order are the source's", path.name)
    return keys


def read_source(path, promise):
    """{key: members} of the source shard of the same name, None where it is not at hand."""
    for shard in promise.shards:
        if shard.name == path.name:
            return dict(reading.read_samples(shard))
    return None


def check_source(key, members, source, promise, where, report):
    """The image is the source's, byte for byte, and so is the text but for white space around it."""
    before = source.get(key)
    if not report.check(before is not None, "key is the source's", where):
        return
    if promise.images == "include":
        report.check(reading.image_of(members) == reading.image_of(before), "image is the source's", where)
    if "txt" in before and "txt" in members:
        report.check(members["txt"].strip() == before["txt"].strip(), "txt is the source's", where)


def read_beside(folder, name, report):
    """A JSON file beside the shards, None with the failure noted."""
    try:
        value = json.loads((folder / name).read_text())
    except (OSError, ValueError) as error:
        report.check(False, f"{name} can be read", name, repr(error))
        return None
    report.check(True, f"{name} can be read", name)
    return value


def check_beside(folder, keys, promise, report):
    """coverage.json adds up, sizes.json and manifest.jsonl count the same; `keys` are by shard."""
    coverage = read_beside(folder, "coverage.json", report)
    if coverage is not None:
        check_coverage(coverage, keys, promise, report)
    sizes = read_beside(folder, "sizes.json", report)
    counts = {f"{shard}.tar": len(found) for shard, found in keys.items()}
    if sizes is not None:
        report.check(
            sizes == counts, "sizes.json counts the samples", "sizes.json", f"{sizes} against {counts}"[:200]
        )
    try:
        lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
        told = {line["shard"]: line["num_uids"] for line in lines}
    except (OSError, ValueError, KeyError) as error:
        report.check(False, "manifest.jsonl counts the samples", "manifest.jsonl", repr(error))
    else:
        right = told == {shard: len(found) for shard, found in keys.items()}
        report.check(right, "manifest.jsonl counts the samples", "manifest.jsonl", str(told)[:200])
    read_beside(folder, "info.json", report)
    if promise.teachers:
        check_trainer_configuration(read_beside(folder, "config.json", report), promise, report)


def check_trainer_configuration(configuration, promise, report):
    """config.json holds, under the trainer's wrapper, the transforms that the manifest switches on."""
    if configuration is None:
        return
    found = (configuration.get("reinforce") or {}).get("image_augmentation")
    if not report.check(
        isinstance(found, dict), "config.json has reinforce.image_augmentation", "config.json"
    ):
        return
    theirs = samples.stored_transforms(found)
    ours = samples.stored_transforms(promise.augmentation)
    report.check(
        theirs == ours, "config.json has the manifest's transforms", "config.json", f"{theirs} against {ours}"
    )
    report.check("normalize" in found, "config.json has normalize", "config.json")


def check_coverage(coverage, keys, promise, report):
    """The classes add up in each shard and in all; merged is what the tars hold, input the source's."""
    classes = ("merged", "excluded", "skipped", "missing")
    total = dict.fromkeys(("input", *classes), 0)
    for shard in coverage["shards"]:
        counts, where = shard["counts"], f"coverage.json {shard['shard']}"
        report.check(
            counts["input"] == sum(counts[c] for c in classes), "coverage adds up", where, str(counts)
        )
        found = len(keys.get(shard["shard"], ()))
        report.check(
            counts["merged"] == found,
            "coverage's merged are in the tar",
            where,
            f"{counts['merged']}, found {found}",
        )
        said = sum(n for reasons in shard.get("reasons", {}).values() for n in reasons.values())
        report.check(
            said == counts["skipped"],
            "every skipped sample has a reason",
            where,
            f"{said} of {counts['skipped']}",
        )
        for name in total:
            total[name] += counts[name]
    report.check(
        total == coverage["total"],
        "coverage's total is the sum",
        "coverage.json",
        f"{coverage['total']}, sum {total}",
    )
    sources = {s.name.split(".tar")[0]: s for s in promise.shards}
    for shard in coverage["shards"]:
        if shard["shard"] in sources and not shard.get("damage"):
            count = sum(1 for _ in reading.read_samples(sources[shard["shard"]]))
            report.check(
                shard["counts"]["input"] == count, "coverage's input is the source's", shard["shard"]
            )
