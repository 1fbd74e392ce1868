"""The proof: stored parameters are reapplied to the stored image, and the teachers asked again.

Pillow and torchvision do to the image what a trainer does; ONNX Runtime runs the teachers' graphs; the stored
embedding must point the same way. Texts are tokenised by tools/demo/tokenizer.py, which is checked against
OpenCLIP's, and embedded again likewise.
"""

import io
import json
import pathlib
import sys

import numpy as np
from PIL import Image, ImageFile

from dataset_checks import samples

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "demo"))
COSINE = 0.9999  # rounding to bf16 stays above 0.99999; one step of a pixel off can fall below this
REAPPLIED = {
    "uint8",
    "resize",
    "center_crop",
    "random_resized_crop",
    "random_horizontal_flip",
    "rand_augment",
    "to_tensor",
    "to_rgb",
    "normalize",
}


def obstacle(promise):
    """Why nothing can be recomputed here, None where it can."""
    try:
        import ftfy  # noqa: F401
        import onnxruntime  # noqa: F401
        import regex  # noqa: F401
        import torchvision  # noqa: F401
    except ImportError as error:
        return f"{error.name} is not installed"
    strange = [
        n for n in promise.augmentation if samples.enabled(promise.augmentation, n) and n not in REAPPLIED
    ]
    return f"{', '.join(strange)} cannot be reapplied by this script" if strange else None


def open_image(data):
    """As the trainer: RGBA, then RGB, no EXIF rotation, truncated files as far as they go."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        return Image.open(io.BytesIO(data)).convert("RGBA").convert("RGB")
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def reapply(image, view, augmentation):
    """The view of `image` that the stored parameters name, as a Pillow image."""
    from torchvision.transforms import InterpolationMode, autoaugment, functional

    def interpolation(settings, default):
        return InterpolationMode((settings or {}).get("interpolation", default))

    def settings(name):
        return augmentation[name] or {}

    stored = dict(zip(samples.stored_transforms(augmentation), view))
    if samples.enabled(augmentation, "resize"):
        image = functional.resize(
            image, settings("resize")["size"], interpolation(settings("resize"), "bilinear")
        )
    if samples.enabled(augmentation, "center_crop"):
        image = functional.center_crop(image, settings("center_crop")["size"])
    if samples.enabled(augmentation, "random_resized_crop"):
        size = settings("random_resized_crop")["size"]
        image = functional.resized_crop(
            image,
            *stored["random_resized_crop"],
            [size, size] if isinstance(size, int) else size,
            interpolation(settings("random_resized_crop"), "bilinear"),
        )
    if stored.get("random_horizontal_flip"):
        image = functional.hflip(image)
    names = (
        "Identity",
        "ShearX",
        "ShearY",
        "TranslateX",
        "TranslateY",
        "Rotate",
        "Brightness",
        "Color",
        "Contrast",
        "Sharpness",
        "Posterize",
        "Solarize",
        "AutoContrast",
        "Equalize",
    )
    for number, magnitude in stored.get("rand_augment") or []:
        image = autoaugment._apply_op(
            image,
            names[number],
            magnitude,
            interpolation(settings("rand_augment"), "nearest"),
            settings("rand_augment").get("fill"),
        )
    return image


class Oracle:
    """The ensemble's teachers in ONNX Runtime, one core."""

    def __init__(self, promise):
        import onnxruntime
        from tokenizer import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.promise = promise
        self.sessions = [
            [
                onnxruntime.InferenceSession(str(t.folder / n), options, providers=["CPUExecutionProvider"])
                for n in ("image.onnx", "text.onnx")
            ]
            for t in promise.teachers
        ]
        self.tokenizers = [
            Tokenizer.load(t.folder, t.facts["text"].get("clean", "lower")) for t in promise.teachers
        ]

    def images(self, views):
        """Pillow images to [views, D]."""
        import torch
        from torchvision.transforms import functional

        parts = []
        for teacher, (session, _) in zip(self.promise.teachers, self.sessions):
            facts = teacher.facts["image"]
            pixels = torch.stack(
                [functional.normalize(functional.to_tensor(v), facts["mean"], facts["std"]) for v in views]
            )
            size = (facts["size"], facts["size"])
            if tuple(pixels.shape[-2:]) != size:
                pixels = torch.nn.functional.interpolate(pixels, size, mode="bicubic", align_corners=False)
            parts.append(session.run(None, {"pixels": pixels.numpy()})[0])
        return np.concatenate(parts, axis=1)

    def texts(self, texts):
        """Strings to [texts, D]."""
        parts = []
        for teacher, (_, session), tokenizer in zip(self.promise.teachers, self.sessions, self.tokenizers):
            ids = [tokenizer.pack(t, teacher.facts["text"]["context_length"]) for t in texts]
            parts.append(session.run(None, {"ids": np.array(ids, dtype=np.int64)})[0])
        return np.concatenate(parts, axis=1)


def compare(found, stored, promise, kind, where, report):
    """Each teacher's part of each row must have a cosine above COSINE."""
    if found.shape != stored.shape:
        report.check(False, kind, where, f"{stored.shape} stored, {found.shape} recomputed")
        return
    for number, teacher in enumerate(promise.teachers):
        a, b = found[:, teacher.columns].astype(np.float64), stored[:, teacher.columns].astype(np.float64)
        cosines = (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)
        worst = float(cosines.min(initial=1))
        report.check(worst > COSINE, f"{kind} by teacher {number}", where, f"cosine {worst:.5f}")


def recompute_sample(oracle, members, arrays, image, where, report):
    """Recomputes what the sample has: views, captions, and its own text where that is one `txt`."""
    promise = oracle.promise
    if "image_emb" in arrays and "paug.json" in members and image is not None:
        views = json.loads(members["paug.json"])["param_aug"]
        try:
            pictures = [reapply(open_image(image), view, promise.augmentation) for view in views]
        except Exception as error:  # Pillow and torchvision raise many kinds on bad parameters
            report.check(False, "parameters can be reapplied", where, repr(error))
        else:
            compare(
                oracle.images(pictures), arrays["image_emb"], promise, "recomputed image_emb", where, report
            )
    captions = json.loads(members["syn.json"]) if "syn.json" in members else {}
    texts = [members["txt"].decode()] if "txt" in members else []
    columns = [c for c in promise.embedded if c in captions]
    if promise.layout == "datacompdr":
        everything = texts + [t for c in columns for t in captions[c]]
        compare(oracle.texts(everything), arrays["text_emb"], promise, "recomputed text_emb", where, report)
        return
    if len(texts) == 1 and len(arrays.get("text_emb", ())) == 1:
        compare(oracle.texts(texts), arrays["text_emb"], promise, "recomputed text_emb", where, report)
    for column in columns:
        if f"{column}_emb" in arrays:
            compare(
                oracle.texts(captions[column]),
                arrays[f"{column}_emb"],
                promise,
                f"recomputed {column}_emb",
                where,
                report,
            )
