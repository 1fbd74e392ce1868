"""Measures what `augmentation.sh` measured of Bolster with Pillow and torchvision, asserts equal bytes and
prints the ratios, and beside each stage the time that its bytes take through memory: "bound" is what it reads
and what it writes, moved once at the rate at which this core copied in the same run. What stays in a cache
can be faster. The folder holds files.txt and ours.json."""

import hashlib
import io
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "oracles"))

import augmentation  # noqa: E402
import numpy  # noqa: E402
from PIL import Image  # noqa: E402

ROUNDS = 7
# Bytes of an 8-bit view of 224 x 224.
VIEW = 224 * 224 * 3
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def smaller(tensor):
    import torch
    return torch.nn.functional.interpolate(
        tensor[None], size=(192, 192), mode="bicubic", align_corners=False)[0].numpy()


def bits(tensor):
    import torch
    return tensor.view(torch.int16).numpy()


# From the normalised tensor to what a model reads, and the bytes that go from a view to that.
KINDS = {"float32": lambda tensor: tensor.numpy(), "float16": lambda tensor: bits(tensor.half()),
         "bfloat16": lambda tensor: bits(tensor.bfloat16()), "smaller": smaller}
PLANE_BYTES = {"float32": 5 * VIEW, "float16": 3 * VIEW, "bfloat16": 3 * VIEW,
               "smaller": VIEW + 192 * 192 * 3 * 4}


def microseconds(body):
    """The least of some rounds: what other programs do to it only adds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        body()
        times.append((time.perf_counter() - start) * 1e6)
    return min(times)


def digest(array):
    return hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()


def left_over(whole, *parts):
    return statistics.mean(whole) - sum(statistics.mean(part) for part in parts)


def main():
    report = json.loads((pathlib.Path(sys.argv[1]) / "ours.json").read_text())
    ours, rate = report["images"], report["bytesPerMicrosecond"]
    functional, autoaugment, mode = augmentation.functions()
    rows, different = [], 0
    for measured in ours:
        data = pathlib.Path(measured["file"]).read_bytes()
        image = augmentation.opened(data)
        different += digest(numpy.asarray(image)) != measured["decodedDigest"]
        decode = microseconds(lambda: augmentation.opened(data))
        crops, whole, boxes, planes = [], [], [], {}
        for view in measured["views"]:
            box, operations = json.loads(view["parameters"])

            def crop():
                return functional.resized_crop(image, *box, [224, 224], mode.BICUBIC)

            def augmented():
                result = crop()
                for number, magnitude in operations:
                    result = autoaugment._apply_op(
                        result, augmentation.OPERATIONS[number], magnitude, mode.NEAREST, None)
                return result

            def tensor(pixels):
                return functional.normalize(functional.to_tensor(pixels), MEAN, STD)

            boxes.append(box[2] * box[3] * 3)
            result = augmented()
            different += digest(numpy.asarray(result)) != view["viewDigest"]
            for name, kind in KINDS.items():
                different += digest(kind(tensor(result))) != view["planes"][name]["digest"]
                planes.setdefault(name, []).append(microseconds(lambda: kind(tensor(result))))
            crops.append(microseconds(crop))
            whole.append(microseconds(lambda: tensor(augmented())))
        views = measured["views"]
        tensors = planes["float32"]
        mine = {stage: [view[stage] for view in views] for stage in ("crop", "view")}
        written = {name: [view["planes"][name]["time"] for view in views] for name in KINDS}
        # From the second operation on the bytes are in the cache.
        moved = {"crop": statistics.mean(boxes) + VIEW, "operations": 2 * VIEW, "tensor": 5 * VIEW}
        rows.append({
            "decode": (decode, measured["decode"], len(data) + image.width * image.height * 3),
            "crop and resize": (statistics.mean(crops), statistics.mean(mine["crop"]), moved["crop"]),
            "RandAugment, what is left": (
                left_over(whole, crops, tensors), left_over(mine["view"], mine["crop"], written["float32"]),
                moved["operations"]),
            **{f"planes, {name}": (
                statistics.mean(planes[name]), statistics.mean(written[name]), PLANE_BYTES[name])
               for name in KINDS},
            "a whole view": (statistics.mean(whole), statistics.mean(mine["view"]), sum(moved.values())),
            "decode and ten views": (
                decode + sum(whole), measured["decode"] + sum(mine["view"]),
                len(data) + image.width * image.height * 3 + len(views) * sum(moved.values()))})
    pixels = statistics.mean(m["width"] * m["height"] for m in ours)
    print(f"{len(ours)} images, mean {pixels / 1e6:.2f} megapixels, "
          f"{sum(len(m['views']) for m in ours)} views of 224 x 224")
    print(f"this core copies {rate / 1000:.1f} GB/s, bytes read and bytes written counted together")
    print(f"{'µs':26}{'Pillow, torchvision':>20}{'Bolster':>10}{'ratio':>8}{'bound':>8}   paired ratios")
    for stage in rows[0]:
        theirs, mine, moved = (statistics.mean(row[stage][side] for row in rows) for side in range(3))
        paired = sorted(row[stage][0] / row[stage][1] for row in rows)
        print(f"{stage:26}{theirs:20.0f}{mine:10.0f}{theirs / mine:8.2f}{moved / rate:8.0f}"
              f"   {paired[0]:.2f} to {paired[-1]:.2f}")
    draw = statistics.mean(view["draw"] for measured in ours for view in measured["views"])
    print(f"drawing a view's parameters takes {draw:.1f} µs")
    if report.get("allocationsToMake") is not None:
        print(f"allocations a view: {report['allocationsToDraw']:.1f} to draw its parameters, "
              f"{report['allocationsToMake']:g} to make it and write its planes in four ways")
        different += report["allocationsToMake"] > 0
    print(f"differences: {different}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
