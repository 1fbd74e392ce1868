"""What torchvision's own samplers draw, for Bolster's statistical tests: one JSON object on standard output.

    augmentation_samples.py --seed N --draws N

    rand_augment  [[operation, magnitude] of each of two operations of each of `draws` views]
    flips         {p: how many of `draws` views were flipped}
    crops         {"HEIGHTxWIDTH": [[top, left], ...]}, crops of 32 x 24 from images of that size
    boxes         {"HEIGHTxWIDTH": [[top, left, height, width], ...]} of random resized crops
    erased        {p: [[top, left, height, width] or null, ...]} in a view of 64 x 48
"""

import argparse
import json

from PIL import Image

import augmentation

CROP = (32, 24)


def rand_augment(autoaugment, draws):
    """RandAugment with its operations replaced by a note of what it drew."""
    noted = []

    def note(image, name, magnitude, interpolation, fill):
        noted.append([augmentation.OPERATIONS.index(name), magnitude])
        return image

    apply, autoaugment._apply_op = autoaugment._apply_op, note
    try:
        transform, image = autoaugment.RandAugment(), Image.new("RGB", (224, 224))
        for _ in range(draws):
            transform(image)
    finally:
        autoaugment._apply_op = apply
    return noted


def flips(transforms, probability, draws):
    image = Image.new("L", (2, 1))
    image.putpixel((1, 0), 255)
    transform = transforms.RandomHorizontalFlip(probability)
    return sum(transform(image).getpixel((0, 0)) == 255 for _ in range(draws))


def erased(torch, transforms, probability, draws):
    """The box that RandomErasing leaves in an image of ones."""
    transform, image = transforms.RandomErasing(probability), torch.ones(1, 64, 48)
    boxes = []
    for _ in range(draws):
        places = (transform(image)[0] == 0).nonzero()
        if len(places) == 0:
            boxes.append(None)
            continue
        (top, left), (bottom, right) = places[0].tolist(), places[-1].tolist()
        boxes.append([top, left, bottom - top + 1, right - left + 1])
    return boxes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--draws", type=int, required=True)
    options = parser.parse_args()
    draws = options.draws
    _, autoaugment, _ = augmentation.functions()
    import torch
    from torchvision import transforms
    torch.manual_seed(options.seed)
    crops, boxes = {}, {}
    for height, width in [(40, 40), (32, 31), (200, 24)]:
        image = Image.new("L", (width, height))
        crops[f"{height}x{width}"] = [transforms.RandomCrop.get_params(image, CROP) for _ in range(draws)]
    for height, width in [(480, 640), (1000, 100), (90, 1000), (37, 53)]:
        image = Image.new("L", (width, height))
        boxes[f"{height}x{width}"] = [
            transforms.RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(draws)]
    print(json.dumps({
        "rand_augment": rand_augment(autoaugment, draws),
        "flips": {str(p): flips(transforms, p, draws) for p in (0.1, 0.5, 0.9)},
        "crops": crops, "boxes": boxes,
        "erased": {str(p): erased(torch, transforms, p, draws) for p in (0.25, 1.0)}}))


if __name__ == "__main__":
    main()
