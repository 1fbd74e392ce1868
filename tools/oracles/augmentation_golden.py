"""Writes the golden files of the augmentation's tests, for machines without Python:

    augmentation_golden.py Tests/BolsterAugmentationTests/Golden

Small files of every format with the digests of Pillow's pixels, and views with the digests of torchvision's.
JPEG variants that Pillow does not write (4:1:1, 4:4:0, arithmetic coding) come from libturbojpeg, if it is
installed; without it those files are left as they are.
"""

import ctypes
import ctypes.util
import json
import pathlib
import sys

import numpy

import augmentation
import augmentation_images as images

SAMPLINGS = {"444": 0, "422": 1, "420": 2, "440": 4, "411": 5}
ARITHMETIC, PROGRESSIVE = 128, 32


class Transform(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_int), ("w", ctypes.c_int), ("h", ctypes.c_int),
                ("op", ctypes.c_int), ("options", ctypes.c_int), ("data", ctypes.c_void_p),
                ("custom", ctypes.c_void_p)]


def turbo_jpegs(random):
    """(name, bytes) of each sampling, with Huffman and with arithmetic coding."""
    path = ctypes.util.find_library("turbojpeg")
    if not path:
        return
    library = ctypes.CDLL(path)
    library.tjInitCompress.restype = library.tjInitTransform.restype = ctypes.c_void_p
    size = ctypes.c_ulong

    def taken(buffer, length):
        data = ctypes.string_at(buffer, length.value)
        library.tjFree(buffer)
        return data

    for sampling, number in SAMPLINGS.items():
        scene = numpy.ascontiguousarray(images.picture(random, 61, 45))
        buffer, length = ctypes.POINTER(ctypes.c_ubyte)(), size(0)
        status = library.tjCompress2(
            ctypes.c_void_p(library.tjInitCompress()), scene.ctypes.data_as(ctypes.c_void_p), 61, 0, 45, 0,
            ctypes.byref(buffer), ctypes.byref(length), number, 80, 0)
        assert status == 0, sampling
        data = taken(buffer, length)
        yield f"turbo-{sampling}.jpg", data
        for name, options in [("arithmetic", ARITHMETIC), ("progressive", PROGRESSIVE),
                              ("arithmetic-progressive", ARITHMETIC | PROGRESSIVE)]:
            buffer, length = ctypes.POINTER(ctypes.c_ubyte)(), size(0)
            transform = Transform(options=options)
            status = library.tjTransform(
                ctypes.c_void_p(library.tjInitTransform()), data, size(len(data)), 1, ctypes.byref(buffer),
                ctypes.byref(length), ctypes.byref(transform), 0)
            assert status == 0, name
            variant = taken(buffer, length)
            yield f"turbo-{sampling}-{name}.jpg", variant
            if options & PROGRESSIVE:
                yield f"turbo-{sampling}-{name}-cut.jpg", variant[:len(variant) // 2]


def main():
    folder = pathlib.Path(sys.argv[1])
    (folder / "images").mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(12)
    cases = []
    for name, data in turbo_jpegs(random):
        (folder / "images" / name).write_bytes(data)
        cases.append(augmentation.decode_case(name, data))
    for index in range(90):
        kind, data = images.random_file(random, 48)
        if index % 3 == 2:
            data = images.damaged(random, data)
        name = f"{index:02d}.{kind}"
        (folder / "images" / name).write_bytes(data)
        cases.append(augmentation.decode_case(name, data))
    (folder / "decode.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    augmentation.write_views(folder, random, 300, pool_size=5)


if __name__ == "__main__":
    main()
