"""Image files of every kind that a decoder meets, made from a seed."""

import io
import struct
import zlib

import numpy
from PIL import Image


def picture(random, width, height):
    """A scene with edges, gradients and noise, [height, width, 3] uint8."""
    y, x = numpy.mgrid[0:height, 0:width].astype(numpy.float64)
    channels = []
    for _ in range(3):
        angle, period = random.uniform(0, 6.3), random.uniform(8, 200)
        wave = numpy.sin((x * numpy.cos(angle) + y * numpy.sin(angle)) / period) * random.uniform(10, 100)
        channels.append(wave + random.uniform(30, 220))
    pixels = numpy.stack(channels, axis=-1)
    for _ in range(random.integers(0, 6)):
        left, top = random.integers(0, width), random.integers(0, height)
        pixels[top:top + random.integers(1, height + 1), left:left + random.integers(1, width + 1)] = (
            random.integers(0, 256, 3))
    pixels += random.normal(0, random.choice([0, 2, 12]), pixels.shape)
    return numpy.clip(pixels, 0, 255).astype(numpy.uint8)


def size(random, longest):
    """Mostly moderate sides, sometimes tiny or long ones."""
    if random.random() < 0.15:
        return int(random.integers(1, 9)), int(random.integers(1, longest + 1))
    return int(random.integers(16, longest + 1)), int(random.integers(16, longest + 1))


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


# MARK: PNG

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PNG_DEPTHS = {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed_row(values, depth):
    """One row of samples, [n] integers, as PNG packs them."""
    if depth == 16:
        return values.astype(">u2").tobytes()
    if depth == 8:
        return values.astype(numpy.uint8).tobytes()
    bits = ((values[:, None] >> numpy.arange(depth - 1, -1, -1)) & 1).astype(numpy.uint8).reshape(-1)
    return numpy.packbits(bits).tobytes()


def filtered_row(kind, row, above, step):
    """A row behind its filter's number (PNG, section 9)."""
    row, above = (numpy.frombuffer(data, numpy.uint8).astype(int) for data in (row, above))
    left = numpy.concatenate([numpy.zeros(min(step, len(row)), int), row[:-step]])[:len(row)]
    corner = numpy.concatenate([numpy.zeros(min(step, len(row)), int), above[:-step]])[:len(row)]
    estimate = left + above - corner
    distances = numpy.stack([abs(estimate - left), abs(estimate - above), abs(estimate - corner)])
    paeth = numpy.choose(distances.argmin(axis=0), [left, above, corner])
    prediction = [0 * row, left, above, (left + above) // 2, paeth][kind]
    return bytes([kind]) + ((row - prediction) % 256).astype(numpy.uint8).tobytes()


def png(random, samples, colour, depth, interlaced, extra=b"", piece=None):
    """A PNG file of samples [height, width, channels] with a random filter on each row."""
    height, width, channels = samples.shape
    step = max(1, depth * channels // 8)
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    data = bytearray()
    for left, top, across, down in passes:
        part = samples[top::down, left::across]
        if part.size == 0:
            continue
        above = None
        for values in part:
            row = packed_row(values.reshape(-1), depth)
            above = bytes(len(row)) if above is None else above
            data += filtered_row(int(random.integers(0, 5)), row, above, step)
            above = row
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    image = zlib.compress(bytes(data), int(random.integers(0, 10)))
    piece = piece or len(image)
    pieces = b"".join(chunk(b"IDAT", image[i:i + piece]) for i in range(0, len(image), piece))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + pieces + chunk(b"IEND", b"")


def random_png(random, longest):
    colour = int(random.choice(list(PNG_DEPTHS)))
    depth = int(random.choice(PNG_DEPTHS[colour]))
    width, height = size(random, longest)
    channels = PNG_CHANNELS[colour]
    scene = picture(random, width, height)
    alpha = random.integers(0, 256, (height, width, 1))
    values = {1: scene[:, :, :1], 2: numpy.concatenate([scene[:, :, :1], alpha], 2), 3: scene,
              4: numpy.concatenate([scene, alpha], 2)}[channels].astype(int)
    values = values * 257 >> 16 - depth if depth == 16 else values >> 8 - depth
    if depth == 16:
        values = numpy.clip(values // int(random.choice([1, 64, 256])) + random.integers(0, 3), 0, 65535)
    extra = b""
    if colour == 3:
        entries = int(random.integers(1, (1 << depth) + 1))
        extra += chunk(b"PLTE", random.integers(0, 256, 3 * entries, numpy.uint8).tobytes())
        if random.random() < 0.5:
            alphas = random.integers(0, 256, int(random.integers(1, entries + 1)), numpy.uint8)
            extra += chunk(b"tRNS", alphas.tobytes())
    elif colour in (0, 2) and random.random() < 0.4:
        extra += chunk(b"tRNS", random.integers(0, 256, 2 if colour == 0 else 6, numpy.uint8).tobytes())
    if random.random() < 0.3:
        extra = chunk(b"tEXt", b"Comment\0a text") + extra
    piece = int(random.integers(1, 4000)) if random.random() < 0.4 else None
    return png(random, values, colour, depth, bool(random.random() < 0.4), extra, piece)


# MARK: JPEG, WebP

def with_restarts(random):
    return {"restart_marker_rows": int(random.integers(1, 4))} if random.random() < 0.3 else {}


def random_jpeg(random, longest):
    image = Image.fromarray(picture(random, *size(random, longest)))
    mode = random.choice(["RGB", "RGB", "RGB", "L", "CMYK"])
    options = {"quality": int(random.integers(5, 101)), "progressive": bool(random.random() < 0.4),
               "optimize": bool(random.random() < 0.3), **with_restarts(random)}
    if mode == "RGB":
        if random.random() < 0.1:
            options["keep_rgb"] = True
        else:
            options["subsampling"] = int(random.integers(0, 3))
    data = saved(image.convert(str(mode)), format="JPEG", **options)
    if mode == "CMYK" and random.random() < 0.5:
        # Declares the four components as YCCK: other colours, the same bits.
        place = data.find(b"Adobe")
        if place >= 0:
            data = data[:place + 11] + b"\x02" + data[place + 12:]
    if random.random() < 0.2:
        exif = Image.Exif()
        exif[0x0112] = int(random.integers(1, 9))
        data = saved(image, format="JPEG", exif=exif)
    return data


def random_webp(random, longest):
    scene = picture(random, *size(random, longest))
    image = Image.fromarray(scene)
    if random.random() < 0.4:
        image.putalpha(Image.fromarray(random.integers(0, 256, scene.shape[:2], numpy.uint8)))
    options = {"lossless": bool(random.random() < 0.4), "quality": int(random.integers(0, 101)), "method": 1,
               "exact": bool(random.random() < 0.5)}
    if random.random() < 0.2:
        second = Image.fromarray(picture(random, scene.shape[1], scene.shape[0]))
        return saved(image, format="WEBP", save_all=True, append_images=[second], duration=50, **options)
    return saved(image, format="WEBP", **options)


def damaged(random, data):
    """Cut short, or with some bytes changed."""
    data = bytearray(data)
    if random.random() < 0.5:
        return bytes(data[:int(random.integers(1, len(data) + 1))])
    for _ in range(int(random.integers(1, 4))):
        data[int(random.integers(len(data) // 4, len(data)))] = int(random.integers(0, 256))
    return bytes(data)


def random_file(random, longest):
    """(extension, bytes) of a file of any kind."""
    kind = str(random.choice(["png", "jpg", "webp"], p=[0.4, 0.4, 0.2]))
    make = {"png": random_png, "jpg": random_jpeg, "webp": random_webp}[kind]
    return kind, make(random, longest)
