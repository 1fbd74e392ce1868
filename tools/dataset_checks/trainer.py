"""Opening a dataset by the calls that MobileCLIP's training patch for OpenCLIP makes, with webdataset itself.

What the patch wants of a sample, as its loading code shows: `paug.json` is an object whose `param_aug` is
a list that an index selects from; `syn.json` has columns whose names match a regular expression, each a list
of texts; `npz` (preferred) or `pth.gz` maps `image_emb` to a row per view and `text_emb` to a row per own
text. A `text_emb` with more rows holds the captions' after them; otherwise `<column>_emb` does. Rows are
NumPy arrays or tensors that become fp32.
"""

import re
import shutil
import subprocess
import tarfile
import warnings

import numpy as np
from PIL import Image, ImageFile

from dataset_checks import reading

COLUMNS = r"^syn_text.*$"


def check_with_trainer(path, report):
    """Decodes every sample as the patch's pipeline does, and takes from it what the patch takes."""
    if reading.webdataset is None or (reading.torch is None and holds(path, "pth.gz")):
        return
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    Image.MAX_IMAGE_PIXELS = None
    samples = reading.webdataset.WebDataset([str(path)], shardshuffle=False)
    samples = samples.select(lambda s: "txt" in s and any(kind in s for kind in reading.IMAGES))
    samples = samples.decode("pilrgba").rename(image="jpg;png;jpeg;webp", text="txt")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number, sample in enumerate(samples):
                where = f"{path.name} {sample['__key__']}"
                trouble = trouble_of(sample, number)
                report.check(trouble is None, "the trainer's calls find what they take", where, trouble or "")
    except Exception as error:  # whatever it raises is what the trainer would die of
        report.check(False, "the trainer's calls find what they take", path.name, repr(error))


def trouble_of(sample, number):
    """What the patch's own steps would trip over; another view, column and caption for every sample."""
    sample["image"].convert("RGB")
    parameters = sample["paug.json"]["param_aug"]
    if not isinstance(parameters, list):
        return f"param_aug is a {type(parameters).__name__}"
    view = number % len(parameters)
    if not isinstance(parameters[view], list):
        return f"view {view} is {parameters[view]}"
    text = sample["text"]
    texts = text if isinstance(text, list) else [text]
    columns = [column for column in sample["syn.json"] if re.match(COLUMNS, column)]
    if not columns:
        return f"no column of {list(sample['syn.json'])} matches {COLUMNS}"
    column = columns[number % len(columns)]
    caption = number % len(sample["syn.json"][column])
    if not isinstance(sample["syn.json"][column][caption], str):
        return f"caption {caption} of {column} is no text"
    stored = sample["npz" if "npz" in sample else "pth.gz"]
    own = stored["text_emb"]
    if len(own) > len(texts):
        synthetic = own[len(texts) + caption]
    else:
        synthetic = stored[f"{column}_emb"][caption]
    rows = [stored["image_emb"][view], own[0], synthetic]
    widths = {len(as_floats(row)) for row in rows}
    return None if len(widths) == 1 else f"rows have the widths {sorted(widths)}"


def as_floats(row):
    """A row as the patch makes it fp32."""
    if reading.torch is not None:
        tensor = row if isinstance(row, reading.torch.Tensor) else reading.torch.tensor(row)
        return tensor.type(reading.torch.float32)
    return np.asarray(row, np.float32)


def holds(path, extension):
    """Whether the first sample has such a file."""
    with tarfile.open(path) as tar:
        key = None
        for member in tar:
            found, kind = reading.key_and_extension(member.name)
            if key not in (None, found):
                return False
            key = found
            if kind == extension:
                return True
    return False


def check_with_tar(path, report):
    """GNU tar lists the members that Python's tarfile finds, and says nothing else."""
    program = shutil.which("tar")
    if program is None:
        return
    listed = subprocess.run(
        [program, "--list", "--quoting-style=literal", "--file", path], capture_output=True, text=True)
    with tarfile.open(path) as tar:
        names = tar.getnames()
    right = listed.returncode == 0 and not listed.stderr and listed.stdout.splitlines() == names
    report.check(right, "GNU tar lists the shard", path.name, listed.stderr[:200])
