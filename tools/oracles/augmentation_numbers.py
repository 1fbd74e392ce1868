"""Numbers that PyTorch, torchvision and Python give, for Bolster's augmentation tests: one JSON object.

    augmentation_numbers.py FOLDER

FOLDER gets image.png, view.bin (the 8-bit view that is normalised, height x width x 3), tensor-FORMAT.bin
(to_tensor and normalize of it in single precision, and that rounded by PyTorch to float16 and bfloat16),
ramps.json (the same of all 256 bytes under other means and deviations), small-N-FORMAT.bin (the tensor,
interpolated to N x N, then rounded), capability.txt (the instructions that PyTorch used for that), and
evaluation-MODE-FILTER-SIZE.bin.
"""

import json
import pathlib
import sys

import numpy
from PIL import Image

import augmentation
import augmentation_images

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def magnitudes(autoaugment):
    """Every magnitude that RandAugment can draw, for some numbers of bins and view sizes."""
    table = []
    sizes = [(31, 224, 224), (31, 256, 192), (31, 1, 7), (10, 96, 64), (11, 336, 336), (2, 50, 51)]
    for bins, width, height in sizes:
        space = autoaugment.RandAugment()._augmentation_space(bins, (height, width))
        for name, (values, signed) in space.items():
            for index in range(bins):
                value = float(values[index].item()) if values.ndim > 0 else 0.0
                number = augmentation.OPERATIONS.index(name)
                table.append([number, index, bins, width, height, value, bool(signed)])
    return table


def floats(random):
    bits = random.integers(0, 1 << 63, 3000, numpy.uint64)
    values = [v for v in bits.view(numpy.float64) if numpy.isfinite(v)]
    values += [float(numpy.float32(v)) for v in random.normal(0, 1, 1000)]
    values += [0.0, -0.0, 1.0, 1e16, 1e15, 123456789012345680.0, 1e-4, 1e-5, 0.00012, 5e-324,
               1.7976931348623157e308, 100.0, 0.1, 1e22, 1e23, 9007199254740993.0]
    return [[str(int(numpy.float64(v).view(numpy.uint64))), repr(float(v))] for v in values]


def sampled(transforms):
    """Many draws of torchvision's own sampler, summarised: box geometry for several image sizes."""
    import torch
    torch.manual_seed(7)
    summary = []
    for width, height in [(640, 480), (480, 640), (100, 1000), (1000, 90), (7, 5)]:
        image = Image.new("L", (width, height))
        boxes = numpy.array([transforms.RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3))
                             for _ in range(4000)], numpy.float64)
        summary.append([width, height, boxes.mean(axis=0).tolist(), boxes.std(axis=0).tolist()])
    return summary


def write_ramps(folder, functional):
    """Every byte of every channel, normalised with some means and deviations and rounded to 16 bits: among
    them deviations so small that float16 overflows, and so large that its values are subnormal."""
    import torch
    ramp = Image.fromarray(numpy.repeat(numpy.arange(256, dtype=numpy.uint8)[None, :, None], 3, axis=2))
    settings = [(MEAN, STD), ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), ([0.5] * 3, [0.5] * 3),
                ([0.0] * 3, [1.0] * 3), ([0.1, 0.2, 0.3], [1e-6, 1e-5, 1e5]), ([0.7] * 3, [3e7, 1e-38, 17.0])]
    ramps = []
    for mean, std in settings:
        tensor = functional.normalize(functional.to_tensor(ramp), mean, std)
        patterns = [rounded.view(torch.int16).numpy().view(numpy.uint16).reshape(-1).tolist()
                    for rounded in (tensor.half(), tensor.bfloat16())]
        ramps.append({"mean": mean, "std": std, "float16": patterns[0], "bfloat16": patterns[1]})
    (folder / "ramps.json").write_text(json.dumps(ramps))


def main():
    folder = pathlib.Path(sys.argv[1])
    functional, autoaugment, mode = augmentation.functions()
    import torch
    from torchvision import transforms
    random = numpy.random.default_rng(3)
    image = Image.fromarray(augmentation_images.picture(random, 317, 203))
    image.save(folder / "image.png")
    view = functional.resized_crop(image, 0, 0, 203, 317, [224, 224], mode.BICUBIC)
    numpy.asarray(view).tofile(folder / "view.bin")
    tensor = functional.normalize(functional.to_tensor(view), MEAN, STD)
    tensor.numpy().tofile(folder / "tensor-float32.bin")
    tensor.half().view(torch.int16).numpy().tofile(folder / "tensor-float16.bin")
    tensor.bfloat16().view(torch.int16).numpy().tofile(folder / "tensor-bfloat16.bin")
    write_ramps(folder, functional)
    (folder / "capability.txt").write_text(torch.backends.cpu.get_cpu_capability())
    for side in [96, 112, 160, 192, 223]:
        small = torch.nn.functional.interpolate(
            tensor[None], size=(side, side), mode="bicubic", align_corners=False)
        small.numpy().tofile(folder / f"small-{side}-float32.bin")
        small.half().view(torch.int16).numpy().tofile(folder / f"small-{side}-float16.bin")
        small.bfloat16().view(torch.int16).numpy().tofile(folder / f"small-{side}-bfloat16.bin")
    for name in ["bicubic", "bilinear"]:
        for side in [32, 224, 300]:
            shortest = functional.center_crop(functional.resize(image, [side], mode(name)), [side, side])
            numpy.asarray(shortest).tofile(folder / f"evaluation-shortest-{name}-{side}.bin")
            squashed = functional.resize(image, [side, side], mode(name))
            numpy.asarray(squashed).tofile(folder / f"evaluation-squash-{name}-{side}.bin")
    print(json.dumps({"magnitudes": magnitudes(autoaugment), "floats": floats(random),
                      "boxes": sampled(transforms)}))


if __name__ == "__main__":
    main()
