#!/usr/bin/env python3
"""Makes a model package from an OpenCLIP model: a CLIP teacher or a CoCa captioner.

    tools/export_openclip.py --model ViT-B-32 --pretrained laion2b_s34b_b79k --out models/vit-b-32
    tools/export_openclip.py --model coca_ViT-B-32 --out models/coca-random
    tools/export_openclip.py --model my-model.json --pretrained my-checkpoint.pt --out models/mine

The package is what Sources/BolsterInference/BolsterInference.docc/ModelPackage.md specifies. Before
model.json is written, the ONNX graphs are run beside PyTorch on several batch sizes; a graph that differs
by more than the tolerance stops the export. Needs torch, open_clip_torch, onnx, onnxscript, onnxruntime.
"""

import argparse
import hashlib
import json
import logging
import pathlib
import sys
import warnings

import numpy as np
import onnxruntime
import open_clip
import torch
import torch.nn.functional as F
from open_clip.coca_model import CoCa
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import ResidualAttentionBlock
from openclip_graphs import CrossMemory, DecoderStep, ImageTower, TextTower

TOLERANCE = 1e-4
PROBES = 16
# A protocol buffer ends at 2 GiB; larger weights go to a file beside the graph.
LARGEST_GRAPH = 1_900_000_000
PROBE_TEXTS = [
    "a photo of a dog",
    "Two red apples on a wooden table.",
    "THE CAPITALS & THE SMALL &amp; THE ESCAPED &lt;b&gt;",
    "  spaces\tand\nlines  ",
    "it's what they'd call \u201cquoted\u201d \u2014 isn't it?",
    "caf\u00e9 na\u00efve \u00fcber \u0141\u00f3d\u017a",
    "\u7d05\u3044\u308a\u3093\u3054\u304c\u4e8c\u3064",
    "\u041a\u0440\u0430\u0441\u043d\u044b\u0439 \u0434\u043e\u043c",
    "\u039f\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03a3",
    "3.14159 and 2,718 for $9.99!!!",
    "\U0001f436\U0001f431 emoji \u2764\ufe0f",
    "\uff26\uff35\uff2c\uff2c width \ufb01 ligature",
    "",
    "a",
    " ".join(["many"] * 200),
    "e\u0301 combining and \u212b ngstr\u00f6m",
]


def export_graph(module, arguments, names, outputs, dynamic, path):
    """Exports one graph; `dynamic` gives the free dimensions of each argument."""
    module.eval()
    # The exporter's remarks on its own folding are no news to a user; comparisons follow below.
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    with torch.no_grad():
        program = torch.onnx.export(
            module, tuple(arguments), dynamo=True, input_names=names, dynamic_shapes=tuple(dynamic),
            opset_version=20, verbose=False,
        )
    logging.disable(logging.NOTSET)
    # The exporter names values after operators, so that one may have an output's name already.
    graph = program.model.graph
    for node in graph:
        for value in node.outputs:
            if value.name in outputs:
                value.name += "_inner"
    for value, name in zip(graph.outputs, outputs):
        value.name = name
    weights = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    program.save(str(path), external_data=weights > LARGEST_GRAPH)


def compare_graph(module, path, names, batches):
    """Runs the graph beside PyTorch; gives the largest difference relative to max(1, largest value)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for arguments in batches:
        with torch.no_grad():
            expected = module(*arguments)
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = session.run(None, {name: value.numpy() for name, value in zip(names, arguments)})
        for left, right in zip(found, expected):
            scale = max(1.0, float(right.abs().max()))
            worst = max(worst, float(np.abs(left - right.numpy()).max()) / scale)
    if not worst <= TOLERANCE:
        sys.exit(f"{path.name} differs from PyTorch by {worst:.3g}, more than {TOLERANCE}: no package")
    return worst


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
    for row, (text, scores) in enumerate(zip(texts.tolist(), logits)):
        for position in range(len(text) - 2):
            if text[position] in (end, pad):
                break
            if position + 1 < min_length:
                scores[position, end] = float("-inf")
            gap = float(scores[position].max() - scores[position, text[position + 1]])
            if gap > TOLERANCE * max(1.0, float(scores[position].max())):
                sys.exit(f"probe {row}: OpenCLIP decodes another token at place {position + 1}: no package")


def probe_pixels(size):
    """Smooth coloured noise, normalised: nearer to photographs than white noise is."""
    generator = torch.Generator().manual_seed(2026)
    coarse = torch.randn(PROBES, 3, 8, 8, generator=generator)
    fine = torch.randn(PROBES, 3, size, size, generator=generator)
    return F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False) + 0.2 * fine


def write_tokenizer(tokenizer, out):
    vocabulary = json.dumps(tokenizer.encoder, ensure_ascii=False, indent=0)
    (out / "vocab.json").write_text(vocabulary + "\n", encoding="utf-8")
    merges = "".join(f"{left} {right}\n" for left, right in tokenizer.bpe_ranks)
    (out / "merges.txt").write_text(merges, encoding="utf-8")


def text_keys(tokenizer, context_length, clean):
    return {
        "tokenizer": "clip_bpe",
        "context_length": context_length,
        "vocab_size": tokenizer.vocab_size,
        "start": tokenizer.sot_token_id,
        "end": tokenizer.eot_token_id,
        "pad": 0,
        "vocabulary": "vocab.json",
        "merges": "merges.txt",
        "clean": clean,
    }


def export_teacher(model, tokenizer, size, context_length, out):
    batch = torch.export.Dim("batch", min=1)
    pixels = probe_pixels(size)
    ids = tokenizer(PROBE_TEXTS, context_length=context_length)
    differences = {}
    for name, tower, argument, values in [
        ("image", ImageTower(model), "pixels", pixels), ("text", TextTower(model), "ids", ids),
    ]:
        path = out / f"{name}.onnx"
        export_graph(tower, [values[:2]], [argument], ["embedding"], [{0: batch}], path)
        differences[name] = compare_graph(tower, path, [argument], [(values[:n],) for n in (1, 3, PROBES)])
    with torch.no_grad():
        image_embedding = ImageTower(model)(pixels)
        text_embedding = TextTower(model)(ids)
    np.savez(
        out / "probe.npz", pixels=pixels.numpy(), image_embedding=image_embedding.numpy(), ids=ids.numpy(),
        text_embedding=text_embedding.numpy(),
        texts=np.frombuffer(json.dumps(PROBE_TEXTS).encode(), dtype=np.uint8),
    )
    return {"kind": "teacher", "embedding_width": image_embedding.shape[1]}, differences


def captioner_sizes(model):
    """Layers, heads and widths of both decoders; stops where they are no plain blocks of equal heads."""
    if model.text.cls_emb is None:
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


def export_captioner(model, tokenizer, size, max_length, out):
    layers, cross_layers, heads, width = captioner_sizes(model)
    batch = torch.export.Dim("batch", min=1)
    capacity = torch.export.Dim("capacity", min=1)
    pixels = probe_pixels(size)
    memory = CrossMemory(model)
    path = out / "image.onnx"
    export_graph(memory, [pixels[:2]], ["pixels"], ["cross_keys", "cross_values"], [{0: batch}], path)
    differences = {"image": compare_graph(memory, path, ["pixels"], [(pixels[:n],) for n in (1, 3, PROBES)])}
    with torch.no_grad():
        cross_keys, cross_values = memory(pixels)
    generator = torch.Generator().manual_seed(7)

    def arguments(rows, room):
        cache = torch.randn(2, rows, layers, heads, room, width, generator=generator)
        lengths = torch.randint(0, room + 1, (rows,), generator=generator).clamp(max=max_length - 1)
        ids = torch.randint(0, tokenizer.vocab_size, (rows,), generator=generator)
        return ids, lengths, lengths, cross_keys[:rows], cross_values[:rows], cache[0], cache[1]

    names = ["ids", "positions", "lengths", "cross_keys", "cross_values", "cache_keys", "cache_values"]
    free = {0: batch}
    dynamic = [free, free, free, free, free, {0: batch, 3: capacity}, {0: batch, 3: capacity}]
    step = DecoderStep(model)
    path = out / "step.onnx"
    export_graph(step, arguments(2, 5), names, ["logits", "new_keys", "new_values"], dynamic, path)
    batches = [arguments(1, 1), arguments(3, 7), arguments(PROBES, max_length - 1)]
    differences["step"] = compare_graph(step, path, names, batches)
    end = tokenizer.eot_token_id
    with torch.no_grad():
        ids = greedy(step, (cross_keys, cross_values), (tokenizer.sot_token_id, end, 0), 5, max_length)
        logits = openclip_logits(model, pixels, ids)
    first = logits[:, 0].numpy().copy()
    check_greedy(ids, logits, end, 0, 5)
    np.savez(out / "probe.npz", pixels=pixels.numpy(), greedy_ids=ids.numpy(), first_logits=first)
    keys = {
        "layers": layers, "heads": heads, "head_width": width, "cross_layers": cross_layers,
        "image_tokens": cross_keys.shape[3], "max_length": max_length,
        "decoding": {
            "method": "top_p", "top_p": 0.9, "temperature": 1.0, "min_length": 5,
            "max_length": min(30, max_length), "repetition_penalty": 1.0,
        },
    }
    return {"kind": "captioner", "captioner": keys}, differences


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def export(model, tokenizer, out, name, source, clean="lower"):
    """Writes the package of a model in evaluation mode; gives the largest differences from PyTorch."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.json").unlink(missing_ok=True)
    preprocessing = open_clip.get_model_preprocess_cfg(model)
    size = preprocessing["size"]
    size = size if isinstance(size, int) else size[0]
    write_tokenizer(tokenizer, out)
    if isinstance(model, CoCa):
        context = min(model.text.context_length, model.text_decoder.context_length)
        keys, differences = export_captioner(model, tokenizer, size, context, out)
    else:
        context = model.context_length
        keys, differences = export_teacher(model, tokenizer, size, context, out)
    files = ["image.onnx", "step.onnx" if isinstance(model, CoCa) else "text.onnx"]
    files += [f"{file}.data" for file in files if (out / f"{file}.data").exists()]
    files += ["vocab.json", "merges.txt", "probe.npz"]
    description = {
        "format": 1, "name": name, "source": source, "precision": "fp32", **keys,
        "image": {
            "size": size,
            "mean": list(preprocessing.get("mean", open_clip.OPENAI_DATASET_MEAN)),
            "std": list(preprocessing.get("std", open_clip.OPENAI_DATASET_STD)),
            "interpolation": preprocessing.get("interpolation", "bicubic"),
            "resize_mode": preprocessing.get("resize_mode", "shortest"),
        },
        "text": text_keys(tokenizer, context, clean),
        "files": {file: digest(out / file) for file in files},
        "probe": "probe.npz",
    }
    (out / "model.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return differences


def load(name, pretrained):
    """The model in evaluation mode and its name: a known name or a configuration file."""
    if name.endswith(".json"):
        open_clip.add_model_config(name)
        name = pathlib.Path(name).stem
    model = open_clip.create_model(name, pretrained=pretrained, precision="fp32")
    return model.eval(), name


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", required=True, help="OpenCLIP's name of a model, hf-hub:…, or a configuration file")
    parser.add_argument("--pretrained", help="tag or checkpoint file; random weights without it")
    parser.add_argument("--out", required=True, help="directory of the package")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    model, name = load(arguments.model, arguments.pretrained)
    tokenizer = open_clip.get_tokenizer(name)
    if not isinstance(tokenizer, SimpleTokenizer):
        sys.exit(f"{name} uses {type(tokenizer).__name__}; only CLIP's own tokenizer can be exported")
    clean = "lower" if tokenizer.clean_fn("A") == "a" else "whitespace"
    source = f"open_clip {open_clip.__version__}, {name}, {arguments.pretrained or 'random weights'}"
    differences = export(model, tokenizer, arguments.out, name, source, clean)
    for graph, difference in differences.items():
        print(f"{graph}.onnx: largest relative difference from PyTorch {difference:.2g}")
    print(f"{arguments.out}: written")


if __name__ == "__main__":
    main()
