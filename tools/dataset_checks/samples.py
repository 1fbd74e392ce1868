"""Checks of one sample against the promise: its files, shapes, numbers, captions and parameters."""

import io
import json

import numpy as np
from PIL import Image

from dataset_checks import reading

# One magnitude per RandAugment operation: torchvision's range over all bins, as (least, greatest).
MAGNITUDES = {
    0: (0, 0),
    1: (-0.3, 0.3),
    2: (-0.3, 0.3),
    3: None,
    4: None,
    5: (-30, 30),
    6: (-0.9, 0.9),
    7: (-0.9, 0.9),
    8: (-0.9, 0.9),
    9: (-0.9, 0.9),
    10: (4, 8),
    11: (0, 255),
    12: (0, 0),
    13: (0, 0),
}


def read_json(members, name, where, report):
    """The JSON member, or None with the failure noted."""
    try:
        value = json.loads(members[name].decode())
    except (KeyError, ValueError) as error:
        report.check(False, f"{name} is valid JSON", where, repr(error))
        return None
    report.check(True, f"{name} is valid JSON", where)
    return value


def check_sample(key, members, promise, where, report):
    """All checks that need no model; returns the embeddings, or None where they cannot be read."""
    if promise.images == "include":
        report.check(reading.image_of(members) is not None, "image is there", where)
    else:
        report.check(reading.image_of(members) is None, "image is left out", where)
    if "json" in members:
        facts = read_json(members, "json", where, report)
        report.check(isinstance(facts, dict), "json is an object", where)
    captions = check_captions(members, promise, where, report)
    check_parameters(members, promise, where, report)
    if not promise.teachers:
        return None
    wanted = promise.embeddings
    if not report.check(wanted in members, f"{wanted} is there", where):
        return None
    try:
        arrays, types = reading.read_embeddings(members, wanted)
    except Exception as error:  # whatever the trainer's loader raises is the finding
        report.check(False, f"{wanted} can be loaded", where, repr(error))
        return None
    if arrays is None:
        return None
    allowed = "float32" if wanted == "npz" else "bfloat16"
    report.check(types == {allowed}, f"{wanted} dtype", where, f"{sorted(types)}, expected {allowed}")
    check_shapes(arrays, members, captions, promise, where, report)
    for name, array in arrays.items():
        check_numbers(name, array, promise, where, report)
    return arrays


def check_captions(members, promise, where, report):
    """syn.json has each column with its number of non-empty strings; returns it."""
    if not promise.captions:
        return {}
    captions = read_json(members, "syn.json", where, report) or {}
    report.check(
        set(captions) <= set(promise.captions), "syn.json has no other keys", where, str(sorted(captions))
    )
    for column, count in promise.captions.items():
        texts = captions.get(column)
        if texts is None:
            report.check(not promise.requires(f"captions.{column}"), f"{column} is there", where)
            continue
        report.check(
            len(texts) == count, f"{column} count", where, f"{len(texts)} captions, {count} promised"
        )
        report.check(
            all(isinstance(t, str) and t.strip() for t in texts), f"{column} texts", where, repr(texts)[:120]
        )
    return captions


def check_shapes(arrays, members, captions, promise, where, report):
    """Which arrays there are and their shapes, per layout."""
    width = promise.width

    def shape(name, stage, rows):
        if name not in arrays:
            report.check(not promise.requires(stage), f"{name} is there", where)
            return
        found = arrays[name].shape
        kind = f"{name} shape"
        report.check(
            len(found) == 2 and found[1] == width and found[0] in rows,
            kind,
            where,
            f"{found}, expected {sorted(rows)} x {width}",
        )

    shape("image_emb", "views", {promise.views})
    has_text = "txt" in members
    synthetic = [c for c in promise.embedded if c in captions]
    expected = {"image_emb", "text_emb"}
    if promise.layout == "datacompdr":
        shape("text_emb", "texts.ground_truth", {1 + sum(promise.captions[c] for c in synthetic)})
        report.check(has_text, "txt is there", where)
    else:
        report.check(
            "text_emb" not in arrays or has_text == (arrays["text_emb"].shape[0] > 0),
            "txt and text_emb agree",
            where,
            f"txt {'present' if has_text else 'absent'}, text_emb {arrays.get('text_emb', 0)}"[:80],
        )
        shape("text_emb", "texts.ground_truth", {1, *range(2, 100)} if has_text else {0})
        for column in promise.embedded:
            shape(f"{column}_emb", f"texts.{column}", {promise.captions[column]})
            expected.add(f"{column}_emb")
    report.check(set(arrays) <= expected, "no other arrays", where, str(sorted(set(arrays) - expected)))


def check_numbers(name, array, promise, where, report):
    """Finite, and each teacher's part of norm 1."""
    if not report.check(np.isfinite(array).all(), f"{name} finite", where):
        return
    if array.ndim != 2 or array.shape[1] != promise.width:
        return
    for number, teacher in enumerate(promise.teachers):
        norms = np.linalg.norm(array[:, teacher.columns].astype(np.float64), axis=1)
        worst = float(np.abs(norms - 1).max(initial=0))
        report.check(
            worst <= promise.norm_tolerance, f"{name} norms of teacher {number}", where, f"off by {worst:.3g}"
        )


def check_parameters(members, promise, where, report):
    """paug.json is a list with an element per view, whose parameters fit the image."""
    if not promise.teachers:
        return
    if "paug.json" not in members:
        report.check(not promise.requires("views"), "paug.json is there", where)
        return
    stored = read_json(members, "paug.json", where, report)
    views = stored.get("param_aug") if isinstance(stored, dict) else None
    if not report.check(isinstance(views, list), "param_aug is a list", where, type(views).__name__):
        return
    report.check(
        len(views) == promise.views, "param_aug count", where, f"{len(views)}, {promise.views} promised"
    )
    size = image_size(members)
    for number, view in enumerate(views):
        trouble = parameter_trouble(view, promise.augmentation, size)
        report.check(trouble is None, "param_aug in range", f"{where} view {number}", trouble or "")


def image_size(members):
    """(width, height) of the sample's image, None where it has none that opens."""
    data = reading.image_of(members)
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except OSError:
        return None


def enabled(augmentation, name):
    """Whether a transform is configured and not switched off."""
    settings = augmentation.get(name)
    return settings is not None and (settings or {}).get("enable", True)


def stored_transforms(augmentation):
    """The transforms that leave parameters, in the order in which they do."""
    return [
        n
        for n in (
            "random_crop",
            "random_resized_crop",
            "random_horizontal_flip",
            "rand_augment",
            "random_erase",
        )
        if enabled(augmentation, n)
    ]


def parameter_trouble(view, augmentation, size):
    """What is wrong with one view's parameters, None where nothing is."""
    names = stored_transforms(augmentation)
    if not isinstance(view, list) or len(view) != len(names):
        return f"{view} has not one element for each of {names}"
    for name, value in zip(names, view):
        if name == "random_resized_crop" and (trouble := crop_trouble(value, size)):
            return trouble
        if name == "rand_augment" and value is not None:
            settings = augmentation[name] or {}
            if len(value) != settings.get("num_ops", 2):
                return f"{len(value)} operations in {value}"
            for operation in value:
                if trouble := operation_trouble(operation):
                    return trouble
    return None


def crop_trouble(box, size):
    """A crop is [top, left, height, width], integers inside the image."""
    if not (isinstance(box, list) and len(box) == 4 and all(type(v) is int for v in box)):
        return f"crop {box} is not four integers"
    top, left, height, width = box
    if min(top, left) < 0 or min(height, width) < 1:
        return f"crop {box} is empty or begins outside"
    if size and (left + width > size[0] or top + height > size[1]):
        return f"crop {box} leaves the image of {size[0]} x {size[1]}"
    return None


def operation_trouble(operation):
    """An operation is [number, magnitude] with torchvision's numbers and ranges."""
    if not (isinstance(operation, list) and len(operation) == 2 and operation[0] in MAGNITUDES):
        return f"{operation} is not [operation 0 to 13, magnitude]"
    number, magnitude = operation
    if isinstance(magnitude, bool) or not isinstance(magnitude, (int, float)):
        return f"magnitude {magnitude!r} is not a number"
    span = MAGNITUDES[number]
    if span and not span[0] - 1e-5 <= magnitude <= span[1] + 1e-5:
        return f"magnitude {magnitude} of operation {number} is outside {span}"
    return None
