"""What Pillow, torchvision and the trainer make of random images and random augmentations.

    augmentation.py decode --out DIR --seed N --cases N     image files and the digests of Pillow's pixels
    augmentation.py views  --out DIR --seed N --cases N     images, configurations, parameters, view digests

Bolster's tests read the folder and compare their own pixels: `Tests/BolsterAugmentationTests`. Writes

    images/NAME                 the files
    decode.jsonl                {"file", "width", "height", "sha256"} or {"file", "error"}
    views.jsonl                 {"file", "configuration", "parameters", "sha256"}; the last two of the view

`parameters` is the trainer's compressed form. The views are made by torchvision's own functions on Pillow
images, in the trainer's order of transforms.
"""

import argparse
import hashlib
import io
import json
import pathlib
import warnings

import numpy
from PIL import Image, ImageFile

import augmentation_images as images

ImageFile.LOAD_TRUNCATED_IMAGES = True
warnings.simplefilter("ignore")


def opened(data):
    """The trainer's way from a file to pixels."""
    return Image.open(io.BytesIO(data)).convert("RGBA").convert("RGB")


def digest(image):
    return hashlib.sha256(numpy.asarray(image).tobytes()).hexdigest()


def decode_case(name, data):
    try:
        image = opened(data)
    except Exception as error:  # noqa: BLE001 - whatever Pillow raises means "skipped"
        return {"file": name, "error": f"{type(error).__name__}: {error}"}
    return {"file": name, "width": image.width, "height": image.height, "sha256": digest(image)}


def write_decode(folder, random, cases):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with open(folder / "decode.jsonl", "w") as lines:
        for index in range(cases):
            kind, data = images.random_file(random, 200)
            if random.random() < 0.5:
                data = images.damaged(random, data)
            name = f"{index:06d}.{kind}"
            (folder / "images" / name).write_bytes(data)
            print(json.dumps(decode_case(name, data)), file=lines)


# MARK: Views

def functions():
    """torchvision's transforms. Beside a CPU build of torch some compiled operators are missing; only their
    schemas are needed for the import."""
    import torch
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        functions.library = library
    torch.set_num_threads(1)
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import autoaugment, functional
    return functional, autoaugment, InterpolationMode


OPERATIONS = ["Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color",
              "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize"]
FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


def random_box(random, width, height):
    box_width, box_height = int(random.integers(1, width + 1)), int(random.integers(1, height + 1))
    if random.random() < 0.1:
        box_width = width
    if random.random() < 0.1:
        box_height = height
    if random.random() < 0.05:
        box_width = box_height = 1
    return [int(random.integers(0, height - box_height + 1)), int(random.integers(0, width - box_width + 1)),
            box_height, box_width]


def random_magnitude(random, operation, side):
    """Anywhere in the operation's range and beyond what torchvision draws; single precision, as stored."""
    scale = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": side / 2, "TranslateY": side / 2, "Rotate": 30,
             "Brightness": 0.9, "Color": 0.9, "Contrast": 0.9, "Sharpness": 0.9}.get(operation)
    if scale:
        value = random.uniform(-scale, scale) * (3 if random.random() < 0.1 else 1)
        if random.random() < 0.05:
            value = random.choice([0.0, -0.0, -1.0, 90.0, 180.0] if operation == "Rotate" else [0.0, -0.0])
        return float(numpy.float32(value))
    if operation == "Posterize":
        return float(random.integers(1, 9))
    return float(numpy.float32(random.uniform(0, 256))) if operation == "Solarize" else 0.0


def random_case(random, width, height):
    """(configuration, parameters) for an image of that size."""
    side = int(random.choice([1, 7, 32, 48, 64, 96]) if random.random() < 0.9 else 224)
    size = side if random.random() < 0.6 else [side, int(random.integers(1, 100))]
    view = [size, size] if isinstance(size, int) else size
    configuration, parameters = {}, []
    if random.random() < 0.15:
        short = int(random.integers(1, 150))
        exact = [short, int(random.integers(1, 150))]
        configuration["resize"] = {"size": short if random.random() < 0.5 else exact,
                                   "interpolation": str(random.choice(FILTERS))}
        parameters.append(configuration["resize"]["size"])
        if isinstance(configuration["resize"]["size"], list):
            height, width = configuration["resize"]["size"]
        else:
            longer = int(short * max(width, height) / min(width, height))
            width, height = (short, longer) if width <= height else (longer, short)
    kind = random.random()
    if kind < 0.08:
        configuration["center_crop"] = {"size": size}
    elif kind < 0.16:
        configuration["random_crop"] = {"size": size, "pad_if_needed": True}
        padded = [height + 2 * max(0, view[0] - height), width + 2 * max(0, view[1] - width)]
        parameters.append([int(random.integers(0, padded[i] - view[i] + 1)) for i in range(2)])
    else:
        configuration["random_resized_crop"] = {"size": size, "interpolation": str(random.choice(
            FILTERS, p=[0.1, 0.1, 0.15, 0.1, 0.4, 0.15]))}
        parameters.append(random_box(random, width, height))
    if random.random() < 0.3:
        configuration["random_horizontal_flip"] = {"p": 0.5}
        parameters.append(bool(random.random() < 0.5))
    if random.random() < 0.85:
        operations = [[int(random.integers(0, 14)), 0.0] for _ in range(int(random.integers(1, 4)))]
        for operation in operations:
            operation[1] = random_magnitude(random, OPERATIONS[operation[0]], view[1])
        configuration["rand_augment"] = {"num_ops": len(operations)}
        if random.random() < 0.15:
            configuration["rand_augment"]["interpolation"] = str(random.choice(["bilinear", "bicubic"]))
        if random.random() < 0.15:
            configuration["rand_augment"]["fill"] = [int(v) for v in random.integers(0, 256, 3)]
        parameters.append(operations if random.random() < 0.95 else None)
    return configuration, parameters


def pair(size):
    """A view's size as the trainer's transforms take it: one number stands for both sides."""
    return size if isinstance(size, list) else [size, size]


def reapplied(image, configuration, parameters, tools):
    """The view that the trainer makes: its transforms in its order, with the stored parameters."""
    functional, autoaugment, mode = tools
    left = iter(parameters)
    if "resize" in configuration:
        next(left)
        size = configuration["resize"]["size"]
        image = functional.resize(image, size if isinstance(size, list) else [size],
                                  mode(configuration["resize"]["interpolation"]))
    if "center_crop" in configuration:
        image = functional.center_crop(image, pair(configuration["center_crop"]["size"]))
    if "random_crop" in configuration:
        size = pair(configuration["random_crop"]["size"])
        if image.width < size[1]:
            image = functional.pad(image, [size[1] - image.width, 0], 0)
        if image.height < size[0]:
            image = functional.pad(image, [0, size[0] - image.height], 0)
        image = functional.crop(image, *next(left), *size)
    if "random_resized_crop" in configuration:
        settings = configuration["random_resized_crop"]
        box, interpolation = next(left), mode(settings["interpolation"])
        image = functional.resized_crop(image, *box, pair(settings["size"]), interpolation)
    if "random_horizontal_flip" in configuration and next(left):
        image = functional.hflip(image)
    settings = configuration.get("rand_augment")
    operations = next(left) if settings else None
    for number, magnitude in operations or []:
        image = autoaugment._apply_op(image, OPERATIONS[number], magnitude,
                                      mode(settings.get("interpolation", "nearest")), settings.get("fill"))
    return image


def write_views(folder, random, cases, pool_size=None):
    tools = functions()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    pool = []
    for index in range(pool_size or max(4, min(60, cases // 20))):
        size = images.size(random, 90 if pool_size else 260)
        image = Image.fromarray(images.picture(random, *size))
        name = f"view-{index:03d}.png"
        (folder / "images" / name).write_bytes(images.saved(image, format="PNG", compress_level=1))
        pool.append((name, image))
    with open(folder / "views.jsonl", "w") as lines:
        for _ in range(cases):
            name, image = pool[int(random.integers(len(pool)))]
            configuration, parameters = random_case(random, image.width, image.height)
            view = reapplied(image, configuration, parameters, tools)
            print(json.dumps({"file": name, "configuration": json.dumps(configuration),
                              "parameters": json.dumps(parameters), "sha256": digest(view)}), file=lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["decode", "views"])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cases", type=int, required=True)
    options = parser.parse_args()
    random = numpy.random.default_rng(options.seed)
    {"decode": write_decode, "views": write_views}[options.what](options.out, random, options.cases)


if __name__ == "__main__":
    main()
