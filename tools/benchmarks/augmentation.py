"""Measures what `augmentation.sh` measured of Bolster with Pillow and torchvision, asserts equal bytes and
prints the ratios. The folder holds files.txt and ours.json."""

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
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def microseconds(body):
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        body()
        times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times)


def digest(array):
    return hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()


def main():
    ours = json.loads((pathlib.Path(sys.argv[1]) / "ours.json").read_text())
    functional, autoaugment, mode = augmentation.functions()
    rows, different = [], 0
    for measured in ours:
        data = pathlib.Path(measured["file"]).read_bytes()
        image = augmentation.opened(data)
        different += digest(numpy.asarray(image)) != measured["decodedDigest"]
        decode = microseconds(lambda: augmentation.opened(data))
        crops, whole, tensors = [], [], []
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

            result = augmented()
            different += digest(numpy.asarray(result)) != view["viewDigest"]
            different += digest(tensor(result).numpy()) != view["tensorDigest"]
            crops.append(microseconds(crop))
            whole.append(microseconds(lambda: tensor(augmented())))
            tensors.append(microseconds(lambda: tensor(result)))
        views = measured["views"]
        rows.append({
            "decode": (decode, measured["decode"]),
            "crop and resize": (statistics.mean(crops), statistics.mean(v["crop"] for v in views)),
            "tensor and normalise": (statistics.mean(tensors), statistics.mean(v["tensor"] for v in views)),
            "a whole view": (statistics.mean(whole), statistics.mean(v["view"] for v in views)),
            "decode and ten views": (
                decode + sum(whole), measured["decode"] + sum(v["view"] for v in views))})
    pixels = statistics.mean(m["width"] * m["height"] for m in ours)
    print(f"{len(ours)} images, mean {pixels / 1e6:.2f} megapixels, "
          f"{sum(len(m['views']) for m in ours)} views of 224 x 224")
    print(f"{'µs':24}{'Pillow, torchvision':>20}{'Bolster':>10}{'ratio':>8}   paired ratios, least to most")
    for stage in rows[0]:
        theirs, mine = (statistics.mean(row[stage][side] for row in rows) for side in (0, 1))
        paired = sorted(row[stage][0] / row[stage][1] for row in rows)
        print(f"{stage:24}{theirs:20.0f}{mine:10.0f}{theirs / mine:8.2f}   {paired[0]:.2f} {paired[-1]:.2f}")
    print(f"different digests: {different}")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
