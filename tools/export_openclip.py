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
    EMBEDDING_TOLERANCE, FLOATS, LARGEST_GRAPH, TOLERANCE, compare_graph, export_graph, rounded,
)
from open_clip.coca_model import CoCa
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import ResidualAttentionBlock
from openclip_graphs import CrossMemory, DecoderStep, ImageTower, TextTower, in_precision
from openclip_text import PROBE_TEXTS, write_tokenizer
from PIL import Image

PROBES = 16
# Tokens of a greedy text after which a captioner's logits are stored.
FORCED = 8
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
        export_graph(halved, arguments, names, outputs, dynamic, path, self.largest)
        difference = compare_graph(module, path, names, batches, self.precision, tolerance)
        self.differences[name] = difference

    def image_batches(self):
        batches = [(self.pixels[:n],) for n in (1, 3, PROBES)]
        return batches if self.pictures is None else batches + [(self.pictures,)]


def greedy(step, memory, vocabulary, min_length, max_length):
    """The most probable texts, [N, max_length], decoded step by step against caches in PyTorch."""
    start, end, pad = vocabulary
    cross_keys, cross_values = memory
    rows, heads, width = cross_keys.shape[0], cross_keys.shape[2], cross_keys.shape[4]
    layers = len(step.text.transformer.resblocks) + len(step.decoder.resblocks)
    cache = torch.zeros(2, rows, layers, heads, max_length, width)
    text = torch.full((rows, max_length), pad)
    text[:, 0] = start
    done = torch.zeros(rows, dtype=torch.bool)
    for position in range(max_length - 1):
        places = torch.full((rows,), position)
        logits, keys, values = step(text[:, position], places, places, cross_keys, cross_values, *cache)
        cache[0, :, :, :, position], cache[1, :, :, :, position] = keys[:, :, :, 0], values[:, :, :, 0]
        if position + 1 < min_length:
            logits[:, end] = float("-inf")
        token = logits.argmax(dim=-1) if position + 2 < max_length else torch.full((rows,), end)
        text[:, position + 1] = torch.where(done, pad, token)
        done |= (token == end) | (token == pad)
    return text


def openclip_logits(model, pixels, texts):
    """The logits after each token of whole texts, from OpenCLIP's own decoder: [N, L - 1, V]."""
    latent, image = model._encode_image(pixels)
    return model(pixels, texts[:, :-1], image_latent=latent, image_embs=image, output_labels=False)["logits"]


def check_greedy(texts, logits, end, pad, min_length):
    """Stops where OpenCLIP's decoder prefers another token than the one that the steps chose."""
    for row, (text, scores) in enumerate(zip(texts.tolist(), logits.clone())):
        for position in range(len(text) - 2):
            if text[position] in (end, pad):
                break
            if position + 1 < min_length:
                scores[position, end] = float("-inf")
            gap = float(scores[position].max() - scores[position, text[position + 1]])
            if gap > TOLERANCE["fp32"] * max(1.0, float(scores[position].max())):
                sys.exit(f"probe {row}: OpenCLIP decodes another token at place {position + 1}: no package")


def forced_logits(texts, logits, end, pad):
    """Each row's logits after its first tokens, `FORCED` of them or as many as it has: [N, V]."""
    rows = []
    for text, scores in zip(texts.tolist(), logits):
        length = next((place for place, token in enumerate(text) if token in (end, pad)), len(text))
        rows.append(scores[min(FORCED, length) - 1])
    return torch.stack(rows)


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


def captioner_sizes(model):
    """Layers, heads and widths of both decoders; stops where they are no plain blocks of equal heads."""
    if getattr(model.text, "cls_emb", None) is None:
        sys.exit("the text tower has no class token; OpenCLIP's generate does not run such a model")
    unimodal = list(model.text.transformer.resblocks)
    multimodal = list(model.text_decoder.resblocks)
    cross = list(model.text_decoder.cross_attn)
    blocks = unimodal + multimodal + cross
    if not all(isinstance(block, ResidualAttentionBlock) for block in blocks):
        sys.exit("the text towers have blocks other than OpenCLIP's ResidualAttentionBlock: not exported")
    shapes = {(block.attn.num_heads, block.attn.head_dim) for block in blocks}
    if len(shapes) != 1:
        sys.exit(f"the decoders' layers differ in heads and head widths: {sorted(shapes)}: not exported")
    (heads, width), = shapes
    return len(unimodal) + len(multimodal), len(cross), heads, width


def step_arguments(memory, layers, vocabulary, max_length):
    """A function that makes random arguments of the step graph for some rows with some cache room."""
    cross_keys, cross_values = memory
    heads, width = cross_keys.shape[2], cross_keys.shape[4]
    generator = torch.Generator().manual_seed(7)

    def arguments(rows, room):
        cache = torch.randn(2, rows, layers, heads, room, width, generator=generator)
        lengths = torch.randint(0, room + 1, (rows,), generator=generator).clamp(max=max_length - 1)
        ids = torch.randint(0, vocabulary, (rows,), generator=generator)
        return ids, lengths, lengths, cross_keys[:rows], cross_values[:rows], cache[0], cache[1]

    return arguments


def export_captioner(model, text, max_length, package):
    """`text` is model.json's description of the tokenizer."""
    layers, cross_layers, heads, width = captioner_sizes(model)
    batch = torch.export.Dim("batch", min=1)
    capacity = torch.export.Dim("capacity", min=1)
    free = {0: batch}
    encoder = CrossMemory(model)
    package.graph(
        "image", encoder, ["pixels"], ["cross_keys", "cross_values"], [free], (package.pixels[:2],),
        package.image_batches(), TOLERANCE)
    with torch.no_grad():
        memory = encoder(package.pixels)
    arguments = step_arguments(memory, layers, text["vocab_size"], max_length)
    names = ["ids", "positions", "lengths", "cross_keys", "cross_values", "cache_keys", "cache_values"]
    caches = {0: batch, 3: capacity}
    step = DecoderStep(model)
    package.graph(
        "step", step, names, ["logits", "new_keys", "new_values"], [free] * 5 + [caches] * 2,
        arguments(2, 5), [arguments(1, 1), arguments(3, 7), arguments(PROBES, max_length - 1)], TOLERANCE)
    end, pad = text["end"], text["pad"]
    with torch.no_grad():
        ids = greedy(step, memory, (text["start"], end, pad), 5, max_length)
        logits = openclip_logits(model, package.pixels, ids)
    check_greedy(ids, logits, end, pad, 5)
    np.savez(
        package.out / "probe.npz", pixels=package.pixels.numpy(), greedy_ids=ids.numpy(),
        first_logits=logits[:, 0].numpy().copy(), forced_logits=forced_logits(ids, logits, end, pad).numpy())
    keys = {
        "layers": layers, "heads": heads, "head_width": width, "cross_layers": cross_layers,
        "image_tokens": memory[0].shape[3], "max_length": max_length,
        "decoding": {
            "method": "top_p", "top_p": 0.9, "temperature": 1.0, "min_length": 5,
            "max_length": min(30, max_length), "repetition_penalty": 1.0,
        },
    }
    return {"kind": "captioner", "captioner": keys}


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


def export(model, tokenizer, out, name, source, precision="fp32", pictures=(), largest=LARGEST_GRAPH):
    """Writes the package of a model in evaluation mode; gives each graph's largest difference from PyTorch,
    None where no device here could run the graph."""
    preprocessing = open_clip.get_model_preprocess_cfg(model)
    image = image_keys(preprocessing)
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.json").unlink(missing_ok=True)
    package = Package(out, image["size"], precision, read_pictures(pictures, preprocessing), largest)
    text, files = write_tokenizer(tokenizer, out)
    if isinstance(model, CoCa):
        if text["tokenizer"] != "clip_bpe":
            sys.exit("captioners are exported with CLIP's own tokenizer only")
        if text["vocab_size"] != model.text.vocab_size:
            sys.exit(f"the tokenizer has {text['vocab_size']} tokens, the model {model.text.vocab_size}")
        text["context_length"] = min(model.text.context_length, model.text_decoder.context_length)
        keys = export_captioner(model, text, text["context_length"], package)
    else:
        text["context_length"] = model.context_length
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


def load(name, pretrained, tokenizer=None):
    """The model in evaluation mode, its tokenizer and its name: a known name, hf-hub:…, local-dir:…, or a
    configuration file. `tokenizer` is a folder that takes the place of the one the model names."""
    if name.endswith(".json"):
        open_clip.add_model_config(name)
        name = pathlib.Path(name).stem
        if open_clip.get_model_config(name) is None:
            sys.exit(f"{name}.json has no embed_dim, vision_cfg and text_cfg: it is no model configuration")
    model = open_clip.create_model(name, pretrained=pretrained, precision="fp32").eval()
    if isinstance(model, CoCa) and pretrained is None and ":" not in name:
        # OpenCLIP gives this one no initial values: it would hold whatever memory held.
        torch.nn.init.normal_(model.text_decoder.text_projection, std=model.text_decoder.width ** -0.5)
    if tokenizer is None:
        return model, open_clip.get_tokenizer(name), name
    text = (open_clip.get_model_config(name) or {}).get("text_cfg", {})
    words = open_clip.tokenizer.HFTokenizer(
        tokenizer, context_length=model.context_length, **text.get("tokenizer_kwargs", {}))
    return model, words, name


def parsed():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", required=True,
        help="OpenCLIP's name of a model, hf-hub:ORGANISATION/NAME, local-dir:FOLDER, or a configuration "
        "file (.json)")
    parser.add_argument("--pretrained", help="tag or checkpoint file; random weights without it")
    parser.add_argument("--out", required=True, help="directory of the package")
    parser.add_argument(
        "--precision", choices=list(FLOATS), default="fp32", help="what the graphs compute in")
    parser.add_argument(
        "--tokenizer", help="folder of a Hugging Face tokenizer, in place of the one the model names")
    parser.add_argument("--name", help="the package's name for people; the model's by default")
    parser.add_argument(
        "--images", nargs="*", help="pictures to compare on besides noise; the demo's by default")
    parser.add_argument(
        "--largest-graph", type=int, default=LARGEST_GRAPH, metavar="BYTES",
        help="weights above this lie in a file beside the graph (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    return parser.parse_args()


def main():
    arguments = parsed()
    torch.manual_seed(arguments.seed)
    model, tokenizer, name = load(arguments.model, arguments.pretrained, arguments.tokenizer)
    pretrained = "its own weights" if ":" in arguments.model else arguments.pretrained or "random weights"
    source = f"open_clip {open_clip.__version__}, {name}, {pretrained}"
    pictures = sorted(PICTURES.glob("*.jpg")) if arguments.images is None else arguments.images
    differences = export(
        model, tokenizer, arguments.out, arguments.name or name, source, arguments.precision, pictures,
        arguments.largest_graph)
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
