"""A CoCa model as a captioner's graphs and probe, proved against OpenCLIP's own decoder.

The step graph computes one token against caches; here it is run token by token in PyTorch, and OpenCLIP's
decoder, which reads whole texts, has to prefer every token that the steps chose. ModelPackage.md describes
graphs and probe.
"""

import math
import sys

import numpy as np
import torch
from onnx_graphs import TOLERANCE
from open_clip.transformer import CustomResidualAttentionBlock, ResidualAttentionBlock
from openclip_graphs import CrossMemory, DecoderStep

# Tokens of a greedy text after which a captioner's logits are stored.
FORCED = 8
# Tokens before which a text does not end: generate's own setting.
MIN_LENGTH = 5


def captioner_sizes(model):
    """Layers, cross layers, and the caches' heads and head width of both decoders.

    Stops where a cache cannot stand for the text so far, or where OpenCLIP's generate does not run.
    """
    text, decoder = model.text, model.text_decoder
    if not hasattr(text, "transformer") or not hasattr(text.transformer, "resblocks"):
        sys.exit(
            "the text tower is Hugging Face's, whose tokens see those that come later: no captioner, as "
            "every new token would change all before it (--kind teacher exports the embeddings)")
    if text.cls_emb is None:
        sys.exit("text_cfg lacks embed_cls; OpenCLIP's generate does not run such a model")
    if text.attn_mask is None:
        sys.exit(
            "text_cfg has no_causal_mask, so that every new token would change all before it: no captioner "
            "(--kind teacher exports the embeddings)")
    if text.pad_id != model.pad_id:
        sys.exit(f"the text tower pads with {text.pad_id}, the model with {model.pad_id}: not exported")
    unimodal, multimodal, cross = list(text.transformer.resblocks), decoder.resblocks, decoder.cross_attn
    blocks = [*unimodal, *multimodal, *cross]
    for block in blocks:
        if not isinstance(block, (ResidualAttentionBlock, CustomResidualAttentionBlock)):
            sys.exit(f"the text towers have blocks of {type(block).__name__}: not exported")
        if getattr(block.attn, "logit_scale", None) is not None:
            sys.exit("text_cfg has scaled_cosine_attn; OpenCLIP's generate does not run such a model")
    widths = {text.width, decoder.width}
    if len(widths) != 1:
        sys.exit(f"text_cfg and multimodal_cfg differ in width ({sorted(widths)}); OpenCLIP wants one")
    # Every layer's heads are whole groups of the caches' heads.
    heads = math.lcm(*(block.attn.num_heads for block in blocks))
    if text.width % heads:
        sys.exit(f"a width of {text.width} cannot be split into {heads} heads, which all layers could share")
    return len(unimodal) + len(multimodal), len(cross), heads, text.width // heads


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
    """Writes graphs and probe; gives model.json's keys. `text` is its description of the tokenizer."""
    layers, cross_layers, heads, width = captioner_sizes(model)
    batch = torch.export.Dim("batch", min=1)
    capacity = torch.export.Dim("capacity", min=1)
    free = {0: batch}
    encoder = CrossMemory(model, heads)
    package.graph(
        "image", encoder, ["pixels"], ["cross_keys", "cross_values"], [free], (package.pixels[:2],),
        package.image_batches(), TOLERANCE)
    with torch.no_grad():
        memory = encoder(package.pixels)
    arguments = step_arguments(memory, layers, text["vocab_size"], max_length)
    names = ["ids", "positions", "lengths", "cross_keys", "cross_values", "cache_keys", "cache_values"]
    caches = {0: batch, 3: capacity}
    step = DecoderStep(model, heads)
    batches = [arguments(1, 1), arguments(3, 7), arguments(len(package.pixels), max_length - 1)]
    package.graph(
        "step", step, names, ["logits", "new_keys", "new_values"], [free] * 5 + [caches] * 2,
        arguments(2, 5), batches, TOLERANCE)
    end, pad = text["end"], text["pad"]
    with torch.no_grad():
        ids = greedy(step, memory, (text["start"], end, pad), MIN_LENGTH, max_length)
        logits = openclip_logits(model, package.pixels, ids)
    check_greedy(ids, logits, end, pad, MIN_LENGTH)
    np.savez(
        package.out / "probe.npz", pixels=package.pixels.numpy(), greedy_ids=ids.numpy(),
        first_logits=logits[:, 0].numpy().copy(), forced_logits=forced_logits(ids, logits, end, pad).numpy())
    keys = {
        "layers": layers, "heads": heads, "head_width": width, "cross_layers": cross_layers,
        "image_tokens": memory[0].shape[3], "max_length": max_length,
        "decoding": {
            "method": "top_p", "top_p": 0.9, "temperature": 1.0, "min_length": MIN_LENGTH,
            "max_length": min(30, max_length), "repetition_penalty": 1.0,
        },
    }
    return {"kind": "captioner", "captioner": keys}
