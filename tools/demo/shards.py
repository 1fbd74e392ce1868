"""The demo's input: WebDataset shards of scenes as a crawler would have left them, broken samples included.

Bytes depend on nothing but the seed and the versions of Pillow and this script: tar members carry no time and
no owner. The samples that are broken on purpose are in `BROKEN`, which README.md explains.
"""

import hashlib
import io
import json
import random
import tarfile

from PIL import Image, ImageDraw

import alt_texts
import scenes

SHARDS, SAMPLES = 4, 64
SEED = "demo-2026"
SIDES = (96, 112, 128, 160, 192, 224, 256, 320)
ASPECTS = ((1, 1), (1, 1), (4, 3), (3, 4), (3, 2))
# (shard, sample): what is wrong with it.
BROKEN = {
    (0, 7): "zero_byte_image",
    (0, 23): "truncated_jpeg",
    (0, 41): "caption_in_json",
    (1, 5): "garbage_image",
    (1, 30): "no_image",
    (1, 52): "truncated_png",
    (2, 11): "no_text",
    (2, 38): "wrong_extension",
    (2, 49): "header_only_jpeg",
    (3, 3): "caption_in_json",
    (3, 20): "empty_text",
    (3, 44): "rotated_exif",
    (3, 63): "zero_byte_image",
}


def encode(image, kind, rng):
    """The image as a file: its bytes and the extension it goes by."""
    buffer = io.BytesIO()
    if kind in ("jpg", "progressive", "gray"):
        image = image.convert("L") if kind == "gray" else image
        image.save(
            buffer,
            "JPEG",
            quality=rng.randint(60, 92),
            progressive=kind == "progressive",
            subsampling=rng.choice((0, 1, 2)) if kind != "gray" else -1,
        )
        return buffer.getvalue(), "jpg"
    if kind == "palette":
        image.quantize(64).save(buffer, "PNG", optimize=True)
    elif kind == "rgba":
        faded = image.convert("RGBA")
        mask = Image.new("L", image.size, 255)
        ImageDraw.Draw(mask).rectangle((0, 0, image.width, image.height // 12), fill=128)
        faded.putalpha(mask)
        faded.save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "WEBP", quality=80, lossless=kind == "lossless", method=4)
    return buffer.getvalue(), "png" if kind in ("palette", "rgba") else "webp"


def size_of(rng):
    """A width and a height; small pictures are commoner, as on the web."""
    long, (a, b) = rng.choice(SIDES[:5] if rng.random() < 0.7 else SIDES), rng.choice(ASPECTS)
    short = round(long * min(a, b) / max(a, b))
    return (long, short) if a >= b else (short, long)


def sample(shard, index):
    """The members of one sample: a list of (extension, bytes), and what it really shows."""
    number = shard * SAMPLES + index
    rng = random.Random(f"{SEED}/{number}")
    scene = scenes.draw_lots(rng)
    width, height = size_of(rng)
    kind = rng.choices(
        ("jpg", "progressive", "gray", "palette", "rgba", "webp", "lossless"), (66, 12, 2, 6, 4, 8, 2)
    )[0]
    fault = BROKEN.get((shard, index))
    if fault in ("truncated_jpeg", "header_only_jpeg", "rotated_exif"):
        kind, (width, height) = "jpg", (224, 168)
    if fault == "truncated_png":
        kind = "rgba"
    image = scenes.render(scene, width, height, rng)
    data, extension = encode(image, kind, rng)
    text = alt_texts.alt_text(scene, rng)
    facts = {
        "uid": hashlib.md5(f"{SEED}/{number}".encode()).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "original_width": width,
        "original_height": height,
        "status": "success",
        "error_message": None,
        "drawn": scenes.terse_caption(scene, random.Random(number)),
    }
    members = {
        extension: data,
        "json": facts,
        "txt": text,
        "url.txt": f"https://pictures.example/{rng.randint(1, 99)}/{number:05d}.{extension}",
    }
    return damaged(members, extension, image, fault, rng)


def damaged(members, extension, image, fault, rng):
    """Applies one fault, then turns texts and facts into bytes."""
    data = members[extension]
    if fault == "zero_byte_image":
        members[extension] = b""
    elif fault in ("truncated_jpeg", "truncated_png"):
        members[extension] = data[: len(data) * 11 // 20]
    elif fault == "header_only_jpeg":
        members[extension] = data[:120]
    elif fault == "garbage_image":
        members["jpg"] = rng.randbytes(700)
        if extension != "jpg":
            del members[extension]
    elif fault == "no_image":
        del members[extension]
    elif fault in ("no_text", "caption_in_json"):
        text = members.pop("txt")
        if fault == "caption_in_json":
            members["json"]["caption"] = text
    elif fault == "empty_text":
        members["txt"] = ""
    elif fault == "wrong_extension":
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True)
        del members[extension]
        members["jpg"] = buffer.getvalue()
    elif fault == "rotated_exif":
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(buffer, "JPEG", quality=85, exif=exif)
        members[extension] = buffer.getvalue()
    members["json"] = json.dumps(members["json"], ensure_ascii=False)
    return {name: value if isinstance(value, bytes) else value.encode() for name, value in members.items()}


def write_shards(folder, log):
    """Writes 0000.tar … into the new folder `folder`."""
    folder.mkdir(parents=True)
    for shard in range(SHARDS):
        path = folder / f"{shard:04d}.tar"
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for index in range(SAMPLES):
                for extension, data in sample(shard, index).items():
                    member = tarfile.TarInfo(f"{shard:04d}{index:05d}.{extension}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        log(f"  {path.name}: {SAMPLES} samples, {path.stat().st_size} bytes")
