"""What a training program does with a merged dataset: read it, redo its views, and learn from its teachers.

An example to copy from, in plain PyTorch: `samples` reads shards of the split layout with webdataset,
`reapplied` makes the stored views again with Pillow and torchvision, `reinforced_loss` is the loss of
MobileCLIP (arXiv 2311.17049, section 3): a softmax for each teacher, averaged, mixed with CLIP's own.
"""

import io
import json

import numpy
import torch
import webdataset
from PIL import Image, ImageFile
from torch.nn.functional import cross_entropy, log_softmax, softmax
from torchvision.transforms import InterpolationMode, autoaugment, functional

# The pictures were decoded as far as they go; so must the training do.
ImageFile.LOAD_TRUNCATED_IMAGES = True

IMAGES = ("jpg", "jpeg", "png", "webp")
# By number, as stored.
OPERATIONS = (
    "Identity ShearX ShearY TranslateX TranslateY Rotate Brightness Color Contrast Sharpness Posterize "
    "Solarize AutoContrast Equalize"
).split()


def samples(shards):
    """Yields a dictionary for each sample of the shards: image (Pillow), text or None, synthetic captions,
    view parameters, and embeddings by name, each an fp32 array of rows."""
    for sample in webdataset.WebDataset(shards, shardshuffle=False, empty_check=False):
        image = next(sample[kind] for kind in IMAGES if kind in sample)
        with numpy.load(io.BytesIO(sample["npz"]), allow_pickle=False) as arrays:
            embeddings = {name: arrays[name] for name in arrays.files}
        yield {
            "key": sample["__key__"],
            # Alpha is dropped and not blended: the detour through RGBA is part of the contract.
            "image": Image.open(io.BytesIO(image)).convert("RGBA").convert("RGB"),
            "text": sample["txt"].decode() if "txt" in sample else None,
            "captions": json.loads(sample["syn.json"]),
            "views": json.loads(sample["paug.json"])["param_aug"],
            "embeddings": embeddings,
        }


def reapplied(image, view, size):
    """The view that the teachers saw: a Pillow image of `size` squared. `view` is one of param_aug for a
    random resized crop followed by RandAugment."""
    (top, left, height, width), operations = view
    image = functional.resized_crop(
        image, top, left, height, width, [size, size], InterpolationMode.BICUBIC, antialias=True
    )
    for operation, magnitude in operations or ():
        # What torchvision's RandAugment calls for each operation it has drawn.
        image = autoaugment._apply_op(
            image, OPERATIONS[operation], magnitude, InterpolationMode.NEAREST, fill=None
        )
    return image


def clip_loss(images, texts, scale):
    """CLIP's: each picture's own text among the batch's, and the other way round. Rows are normalised."""
    logits = scale * images @ texts.T
    own = torch.arange(len(logits))
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def distillation_loss(images, texts, scale, teacher_images, teacher_texts, widths, teacher_scales):
    """The student's similarities [N, N] against those of each teacher, a softmax apiece.

    `teacher_images` and `teacher_texts` [N, sum(widths)] are the stored rows: the teachers' normalised
    embeddings side by side, in the order of `widths`."""
    logits = scale * images @ texts.T
    total = 0.0
    parts = zip(teacher_images.split(widths, 1), teacher_texts.split(widths, 1), teacher_scales)
    for of_images, of_texts, teacher_scale in parts:
        target = teacher_scale * of_images @ of_texts.T
        total += cross_entropy(logits, softmax(target, 1)) + cross_entropy(logits.T, softmax(target.T, 1))
        # Less the target's own entropy: the loss is a divergence, 0 where student and teacher agree.
        for side in (target, target.T):
            total += (softmax(side, 1) * log_softmax(side, 1)).sum(1).mean()
    return total / (2 * len(widths))


def reinforced_loss(images, texts, scale, teacher_images, teacher_texts, widths, teacher_scales, share):
    """`share` of the teachers' loss and the rest of CLIP's."""
    taught = distillation_loss(images, texts, scale, teacher_images, teacher_texts, widths, teacher_scales)
    return share * taught + (1 - share) * clip_loss(images, texts, scale)
