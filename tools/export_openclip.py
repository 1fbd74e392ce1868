#!/usr/bin/env python3
"""Makes a model package from an OpenCLIP model: a CLIP or SigLIP teacher, or a CoCa captioner.

    tools/export_openclip.py --model ViT-B-32 --pretrained laion2b_s34b_b79k --out models/vit-b-32
    tools/export_openclip.py --model hf-hub:timm/ViT-B-16-SigLIP --out models/siglip --precision fp16
    tools/export_openclip.py --model my-model.json --pretrained my-checkpoint.pt --out models/mine

The package is what Sources/BolsterInference/BolsterInference.docc/ModelPackage.md specifies. Before
model.json is written, the ONNX graphs are run beside PyTorch on random inputs, on pictures and on texts; a
graph that differs by more than the tolerance stops the export. Needs what tools/venv.sh --torch installs.
"""

import argparse
import hashlib
import json
import pathlib
import sys

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from onnx_graphs import (
    EMBEDDING_TOLERANCE, FLOATS, LARGEST_GRAPH, compare_graph, export_graph, rounded,
)
from open_clip.coca_model import CoCa
from open_clip.transform import PreprocessCfg, image_transform_v2
from openclip_captioner import captioner_sizes, export_captioner
from openclip_graphs import ImageTower, TextTower, in_precision
from openclip_loading import REFUSALS, first_lines, load
from openclip_text import PROBE_TEXTS, write_tokenizer
from PIL import Image

PROBES = 16
PICTURES = pathlib.Path(__file__).resolve().parents[1] / "manifests/demo/pictures"


class Package:
    """What the steps of one export share: where it goes, how it computes, what it was compared with."""

    def __init__(self, out, size, precision="fp32", pictures=None, largest=LARGEST_GRAPH):
        self.out = pathlib.Path(out)
        self.precision = precision
        self.largest = largest
        self.pixels = probe_pixels(size)
        self.pictures = pictures
        # By graph: largest difference from PyTorch, None where nothing here runs the graph.
        self.differences = {}

    def graph(self, name, module, names, outputs, dynamic, example, batches, tolerance):
        """Exports a module in the package's precision and compares it with itself in fp32."""
        path = self.out / f"{name}.onnx"
        halved = in_precision(module, FLOATS[self.precision])
        arguments = rounded(example, self.precision)
        try:
            with torch.no_grad():
                module(*example)
        except REFUSALS as error:
            sys.exit(f"OpenCLIP itself cannot run the model (for {path.name}): {first_lines(error)}")
        try:
            export_graph(halved, arguments, names, outputs, dynamic, path, self.largest)
        except REFUSALS as error:
            sys.exit(f"PyTorch cannot make {path.name}: {first_lines(error.__cause__ or error)}")
        difference = compare_graph(module, path, names, batches, self.precision, tolerance)
        self.differences[name] = difference

    def image_batches(self):
        batches = [(self.pixels[:n],) for n in (1, 3, PROBES)]
        return batches if self.pictures is None else batches + [(self.pictures,)]


def probe_pixels(size):
    """Smooth coloured noise, normalised: nearer to photographs than white noise is."""
    generator = torch.Generator().manual_seed(2026)
    coarse = torch.randn(PROBES, 3, 8, 8, generator=generator)
    fine = torch.randn(PROBES, 3, size, size, generator=generator)
    return F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False) + 0.2 * fine


def read_pictures(files, preprocessing):
    """Pictures as OpenCLIP's own evaluation transform brings them to the model."""
    transform = image_transform_v2(PreprocessCfg(**preprocessing), is_train=False)
    return torch.stack([transform(Image.open(file)) for file in files]) if files else None


def export_teacher(model, tokenizer, context, package):
    batch = torch.export.Dim("batch", min=1)
    ids = tokenizer(PROBE_TEXTS, context_length=context)
    image, text = ImageTower(model), TextTower(model)
    free = [{0: batch}]
    for name, tower, argument, example, batches in [
        ("image", image, "pixels", package.pixels[:2], package.image_batches()),
        ("text", text, "ids", ids[:2], [(ids[:n],) for n in (1, 3, PROBES)]),
    ]:
        package.graph(
            name, tower, [argument], ["embedding"], free, (example,), batches, EMBEDDING_TOLERANCE)
    with torch.no_grad():
        image_embedding, text_embedding = image(package.pixels), text(ids)
    np.savez(
        package.out / "probe.npz", pixels=package.pixels.numpy(), image_embedding=image_embedding.numpy(),
        ids=ids.numpy(), text_embedding=text_embedding.numpy(),
        texts=np.frombuffer(json.dumps(PROBE_TEXTS).encode(), dtype=np.uint8),
    )
    return {"kind": "teacher", "embedding_width": image_embedding.shape[1]}


def image_keys(preprocessing):
    """model.json's `image`; stops where the model wants what a package cannot say."""
    size = preprocessing["size"]
    size = (size, size) if isinstance(size, int) else tuple(size)
    if len(set(size)) != 1:
        sys.exit(f"the model takes images of {size[0]} × {size[1]} pixels; only square ones can be exported")
    keys = {
        "size": size[0],
        "mean": list(preprocessing.get("mean", open_clip.OPENAI_DATASET_MEAN)),
        "std": list(preprocessing.get("std", open_clip.OPENAI_DATASET_STD)),
        "interpolation": preprocessing.get("interpolation", "bicubic"),
        "resize_mode": preprocessing.get("resize_mode", "shortest"),
    }
    ways = keys["interpolation"], keys["resize_mode"]
    if ways[0] not in ("bicubic", "bilinear") or ways[1] not in ("shortest", "squash"):
        sys.exit(f"images are resized by {ways[0]}, {ways[1]}: not exported")
    return keys


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_length(model, tokenizer, kind):
    """Tokens of a text, start and end included, that all of the model's towers take."""
    if kind == "captioner":
        return min(model.text.context_length, model.text_decoder.context_length)
    tower = getattr(model, "text", model)
    # A text tower of Hugging Face's says how long a text could be, or 0; OpenCLIP's tokenizer how long it is.
    return tokenizer.context_length if hasattr(tower, "config") else tower.context_length


def vocabulary_size(model, tokenizer, text):
    """Tokens that the model or its tokenizer has, whichever are more: towers are often rounded up. Stops
    where texts have tokens that the model lacks."""
    tower = getattr(model, "text", model)
    highest = int(tokenizer(PROBE_TEXTS).max())
    if highest >= tower.vocab_size:
        sys.exit(
            f"the tokenizer gives token {highest}, the model has {tower.vocab_size}: it is not this model's; "
            "text_cfg.hf_tokenizer_name or --tokenizer names another")
    return max(text["vocab_size"], tower.vocab_size)


def export(
    model, tokenizer, out, name, source, precision="fp32", pictures=(), largest=LARGEST_GRAPH, kind=None
):
    """Writes the package of a model in evaluation mode; gives each graph's largest difference from PyTorch,
    None where no device here could run the graph. `kind` is "teacher" or "captioner"; None stands for what
    the model is, CoCa's being captioners."""
    kind = kind or ("captioner" if isinstance(model, CoCa) else "teacher")
    preprocessing = open_clip.get_model_preprocess_cfg(model)
    image = image_keys(preprocessing)
    if kind == "captioner":
        if not isinstance(model, CoCa):
            sys.exit(f"{name} has no decoder (multimodal_cfg): only CoCa models caption")
        captioner_sizes(model)
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.json").unlink(missing_ok=True)
    package = Package(out, image["size"], precision, read_pictures(pictures, preprocessing), largest)
    text, files = write_tokenizer(tokenizer, out)
    text["vocab_size"] = vocabulary_size(model, tokenizer, text)
    text["context_length"] = text_length(model, tokenizer, kind)
    if kind == "captioner":
        if text["tokenizer"] != "clip_bpe":
            sys.exit("captioners are exported with CLIP's own tokenizer only")
        text["pad"] = model.pad_id
        keys = export_captioner(model, text, text["context_length"], package)
    else:
        keys = export_teacher(model, tokenizer, text["context_length"], package)
    graphs = [f"{graph}.onnx" for graph in package.differences]
    graphs += [f"{graph}.data" for graph in graphs if (out / f"{graph}.data").exists()]
    description = {
        "format": 1, "name": name, "source": source, "precision": precision, **keys, "image": image,
        "text": text, "files": {file: digest(out / file) for file in [*graphs, *files, "probe.npz"]},
        "probe": "probe.npz",
    }
    (out / "model.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return package.differences


def parsed():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", required=True,
        help="OpenCLIP's name of a model, hf-hub:ORGANISATION/NAME, local-dir:FOLDER, or a configuration "
        "file (.json), which may be a hub's open_clip_config.json")
    parser.add_argument("--pretrained", help="tag or checkpoint file; random weights without it")
    parser.add_argument("--out", required=True, help="directory of the package")
    parser.add_argument(
        "--precision", choices=list(FLOATS), default="fp32", help="what the graphs compute in")
    parser.add_argument(
        "--kind", choices=["teacher", "captioner"],
        help="a CoCa is exported as a captioner unless this says that its embeddings are wanted")
    parser.add_argument(
        "--tokenizer", help="folder of a Hugging Face tokenizer, in place of the one the model names")
    parser.add_argument("--name", help="the package's name for people; the model's by default")
    parser.add_argument(
        "--images", nargs="*", help="pictures to compare on besides noise; the demo's by default")
    parser.add_argument(
        "--largest-graph", type=int, default=LARGEST_GRAPH, metavar="BYTES",
        help="weights above this lie in a file beside the graph (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    changes = parser.add_argument_group(
        "what the model's configuration or tag says otherwise", "as the options of these names in OpenCLIP")
    changes.add_argument("--force-quick-gelu", action="store_true", help="OpenAI's activation function")
    changes.add_argument("--force-image-size", type=int, metavar="PIXELS")
    changes.add_argument("--force-context-length", type=int, metavar="TOKENS")
    changes.add_argument("--image-mean", type=float, nargs=3, metavar=("R", "G", "B"))
    changes.add_argument("--image-std", type=float, nargs=3, metavar=("R", "G", "B"))
    changes.add_argument("--image-interpolation", choices=["bicubic", "bilinear"])
    changes.add_argument("--image-resize-mode", choices=["shortest", "squash"])
    return parser.parse_args()


def settings_of(arguments):
    """Options of open_clip.create_model."""
    images = {
        key: getattr(arguments, f"image_{key}") for key in ("mean", "std", "interpolation", "resize_mode")
    }
    return {
        "force_quick_gelu": arguments.force_quick_gelu, "force_image_size": arguments.force_image_size,
        "force_context_length": arguments.force_context_length,
        "force_preprocess_cfg": {key: value for key, value in images.items() if value is not None},
    }


def main():
    arguments = parsed()
    torch.manual_seed(arguments.seed)
    model, tokenizer, name = load(
        arguments.model, arguments.pretrained, arguments.tokenizer, settings_of(arguments))
    pretrained = "its own weights" if ":" in arguments.model else arguments.pretrained or "random weights"
    source = f"open_clip {open_clip.__version__}, {name}, {pretrained}"
    pictures = sorted(PICTURES.glob("*.jpg")) if arguments.images is None else arguments.images
    differences = export(
        model, tokenizer, arguments.out, arguments.name or name, source, arguments.precision, pictures,
        arguments.largest_graph, arguments.kind)
    for graph, difference in differences.items():
        if difference is None:
            print(
                f"{graph}.onnx: NOT compared: no device here runs {arguments.precision}; the probe will, on "
                "the first device that loads the package")
        else:
            print(f"{graph}.onnx: largest relative difference from PyTorch {difference:.2g}")
    print(f"{arguments.out}: written")


if __name__ == "__main__":
    main()
