"""Checks what `bolster views` wrote with Pillow and torchvision.

    views.py pick FOLDER SHARD...               the first sound JPEG, PNG and WebP image of the tar files, as
                                                FOLDER/demo-KIND.KIND, and FOLDER/bomb.png, a small file that
                                                declares 40,000 x 40,000 pixels
    views.py check FOLDER CONFIG IMAGE...       the views in FOLDER of those images, recomputed from each
                                                NAME.paug.json; prints every difference and "N views equal"

Exit status 1 when anything differs or nothing was compared.
"""

import json
import pathlib
import struct
import sys
import tarfile
import zlib

import numpy
from PIL import Image

import augmentation
import augmentation_images as images


def pick(folder, shards):
    missing = {"jpg", "png", "webp"}
    for shard in shards:
        with tarfile.open(shard) as members:
            for member in members:
                kind = member.name.rpartition(".")[2]
                if kind not in missing:
                    continue
                data = members.extractfile(member).read()
                # The demo has damaged images too.
                if "error" not in augmentation.decode_case(member.name, data):
                    missing.remove(kind)
                    (folder / f"demo-{kind}.{kind}").write_bytes(data)
    if missing:
        sys.exit(f"no {', '.join(sorted(missing))} in {', '.join(shards)}")
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(9000))
    chunks = [images.chunk(b"IHDR", header), images.chunk(b"IDAT", data), images.chunk(b"IEND", b"")]
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def expected(image, configuration, parameters, tools):
    """The view's bytes, and its normalised tensor."""
    functional = tools[0]
    view = augmentation.reapplied(image, configuration, parameters, tools)
    tensor, pixels = functional.to_tensor(view), numpy.array(view)
    if "random_erase" in configuration and parameters[-1] is not None:
        top, left, height, width = parameters[-1]
        tensor = functional.erase(tensor, top, left, height, width, 0)
        pixels[top:top + height, left:left + width] = 0
    settings = configuration["normalize"]
    return pixels, functional.normalize(tensor, settings["mean"], settings["std"]).numpy()


def check(folder, configuration, files):
    tools, equal, different = augmentation.functions(), 0, []
    for file in files:
        image = augmentation.opened(file.read_bytes())
        lists = json.loads((folder / f"{file.stem}.paug.json").read_text())["param_aug"]
        for index, parameters in enumerate(lists):
            pixels, tensor = expected(image, configuration, parameters, tools)
            for kind, right in [("png", pixels), ("npy", tensor)]:
                path = folder / f"{file.stem}.{index}.{kind}"
                if not path.exists():
                    continue
                array = numpy.asarray(Image.open(path)) if kind == "png" else numpy.load(path)
                same = array.dtype == right.dtype and array.shape == right.shape
                if same and array.tobytes() == right.tobytes():
                    equal += 1
                else:
                    different.append(f"{path.name}: {array.shape} {array.dtype}, parameters {parameters}")
    print("\n".join(different + [f"{equal} views equal"]))
    sys.exit(1 if different or equal == 0 else 0)


def main():
    verb, folder, *rest = sys.argv[1:]
    if verb == "pick":
        pick(pathlib.Path(folder), rest)
    else:
        configuration = json.loads(pathlib.Path(rest[0]).read_text())
        check(pathlib.Path(folder), configuration, [pathlib.Path(file) for file in rest[1:]])


if __name__ == "__main__":
    main()
