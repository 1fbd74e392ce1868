#!/usr/bin/env python3
"""Makes the tests' model packages: a tiny CLIP and a tiny CoCa with random weights and a toy vocabulary.

    generate_models.py OUT

Writes OUT/teacher and OUT/captioner, both again in half precision; OUT/siglip and OUT/xlm-roberta with
SentencePiece tokenizers, OUT/clipa with BERT's and OUT/roberta; and OUT/reference.npz with what OpenCLIP's
own `generate` decodes.
"""

import gzip
import pathlib
import sys

import numpy as np
import torch

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path[:0] = [str(TOOLS), str(TOOLS / "oracles")]
import export_openclip  # noqa: E402
import open_clip  # noqa: E402
from open_clip import coca_model  # noqa: E402
from open_clip.tokenizer import SimpleTokenizer  # noqa: E402

MERGES = [
    "t h", "th e</w>", "a n", "an d</w>", "r e", "re d</w>", "d o", "do g</w>", "p h", "ph o", "t o</w>",
    "pho to</w>", "o f</w>", "i n", "in g</w>", "m a", "ma n", "man y</w>", ". </w>", "i t</w>", "' s</w>",
]


def toy_tokenizer(folder, context_length):
    """OpenCLIP's tokenizer over a merge list of our own; a first line is skipped by it."""
    path = folder / "toy_bpe.txt.gz"
    merges = [line for line in MERGES if line != ". </w>"]
    path.write_bytes(gzip.compress(("toy\n" + "\n".join(merges)).encode()))
    return SimpleTokenizer(str(path), context_length=context_length)


def tiny(tokenizer, is_captioner, context_length):
    vision = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
    text = {
        "context_length": context_length, "vocab_size": tokenizer.vocab_size, "width": 32,
        "heads": 2, "layers": 2,
    }
    if not is_captioner:
        return open_clip.model.CLIP(24, vision, text)
    # The multimodal decoder's output width is the vocabulary's size.
    vision |= {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
    text |= {"embed_cls": True, "output_tokens": True}
    multimodal = {"context_length": context_length, "width": 32, "heads": 2, "layers": 2}
    multimodal["vocab_size"] = tokenizer.vocab_size
    return coca_model.CoCa(32, multimodal, text, vision)


def tiny_siglip(context_length):
    """Text in both directions, the last place's output, a projection with bias, as SigLIP's."""
    vision = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
    text = {
        "context_length": context_length, "vocab_size": 1000, "width": 32, "heads": 2, "layers": 2,
        "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6},
    }
    return open_clip.model.CustomTextCLIP(24, vision, text)


def export_bidirectional(out, name, rows, kind, **settings):
    """OpenCLIP's own text tower behind a tokenizer of Hugging Face's that `rows` trains."""
    folder = str(out / f"{name}-tokenizer")
    rows.write_tokenizer(kind, folder)
    tokenizer = open_clip.tokenizer.HFTokenizer(folder, context_length=16, **settings)
    export_openclip.export(lively(tiny_siglip(16)), tokenizer, out / name, f"tiny-{name}", "random weights")


def export_hugging_face(out, name, rows, configuration):
    """A text tower of Hugging Face's, whose tokenizer has a start token."""
    folder = out / f"{name}-tokenizer"
    rows.write_tokenizer("roberta", folder)
    configuration(
        vocab_size=1100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=40,
    ).save_pretrained(folder)
    vision = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
    text = {"hf_model_name": str(folder), "hf_model_pretrained": False, "hf_pooler_type": "mean_pooler"}
    tokenizer = open_clip.tokenizer.HFTokenizer(str(folder), context_length=16)
    model = lively(open_clip.model.CustomTextCLIP(24, vision, text))
    export_openclip.export(model, tokenizer, out / name, f"tiny-{name}", "random weights")


def lively(model):
    """Random weights large enough that texts differ from image to image."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(noise * (1.5 / parameter.shape[-1] ** 0.5))
    return model.eval()


class Processors(list):
    """Stands in for transformers' list of processors where that package is missing."""

    def __call__(self, ids, logits):
        for processor in self:
            logits = processor(ids, logits)
        return logits


def provide_processors():
    """OpenCLIP's generate needs five small classes of transformers; these behave as documented there."""
    if coca_model._has_transformers:
        return "transformers"

    def minimum_length(length, end):
        def process(ids, logits):
            if ids.shape[1] < length:
                logits = logits.clone()
                logits[:, end] = float("-inf")
            return logits
        return process

    def penalty(strength):
        def process(ids, logits):
            score = logits.gather(1, ids)
            return logits.scatter(1, ids, torch.where(score < 0, score * strength, score / strength))
        return process

    def top_k(count):
        def process(_, logits):
            return logits.masked_fill(logits < logits.topk(count)[0][:, -1:], float("-inf"))
        return process

    def top_p(mass):
        def process(_, logits):
            ordered, indices = logits.sort(descending=False)
            gone = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1 - mass
            gone[:, -1] = False
            return logits.masked_fill(gone.scatter(1, indices, gone), float("-inf"))
        return process

    def reached(max_length):
        return lambda ids, _: [ids.shape[1] >= max_length]

    coca_model._has_transformers = True
    coca_model.LogitsProcessorList = Processors
    coca_model.MinLengthLogitsProcessor = minimum_length
    coca_model.RepetitionPenaltyLogitsProcessor = penalty
    coca_model.MaxLengthCriteria = reached
    coca_model.StoppingCriteriaList = lambda criteria: lambda ids, _: criteria[0](ids, None)
    coca_model.GENERATION_TYPES.update(top_k=top_k, top_p=top_p)
    return "stand-ins"


def generated(model, tokenizer, pixels, **settings):
    with torch.no_grad():
        ids = model.generate(
            pixels, sot_token_id=tokenizer.sot_token_id, eos_token_id=tokenizer.eot_token_id, pad_token_id=0,
            generation_type="top_k", top_k=1, fixed_output_length=True, **settings,
        )
    return ids.numpy()


def main():
    import sentencepiece_rows
    import word_rows
    from transformers import RobertaConfig, XLMRobertaConfig

    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(11)
    context_length = 20
    tokenizer = toy_tokenizer(out, context_length)
    print("processors:", provide_processors())
    teacher = lively(tiny(tokenizer, False, context_length))
    export_openclip.export(teacher, tokenizer, out / "teacher", "tiny-clip", "random weights")
    export_openclip.export(
        teacher, tokenizer, out / "teacher-half", "tiny-clip", "random weights", precision="fp16")
    export_bidirectional(out, "siglip", sentencepiece_rows, "unigram", clean="canonicalize")
    export_bidirectional(out, "clipa", word_rows, "clipa", strip_sep_token=True)
    export_hugging_face(out, "xlm-roberta", sentencepiece_rows, XLMRobertaConfig)
    export_hugging_face(out, "roberta", word_rows, RobertaConfig)
    model = lively(tiny(tokenizer, True, context_length))
    with torch.no_grad():
        # Without this the end token hardly ever wins in a model with random weights.
        model.text_decoder.text_projection[:, tokenizer.eot_token_id] *= 4.0
    export_openclip.export(model, tokenizer, out / "captioner", "tiny-coca", "random weights")
    export_openclip.export(
        model, tokenizer, out / "captioner-half", "tiny-coca", "random weights", precision="fp16")
    pixels = export_openclip.probe_pixels(32)
    greedy = generated(model, tokenizer, pixels, seq_len=20, min_seq_len=5)
    print("greedy lengths", (greedy != 0).sum(axis=1).tolist())
    if not np.array_equal(np.load(out / "captioner/probe.npz")["greedy_ids"], greedy):
        sys.exit("the exporter's greedy texts are not those of OpenCLIP's generate")
    np.savez(
        out / "reference.npz", greedy=greedy,
        short=generated(model, tokenizer, pixels, seq_len=9, min_seq_len=2),
        penalised=generated(model, tokenizer, pixels, seq_len=16, min_seq_len=3, repetition_penalty=1.3),
    )


if __name__ == "__main__":
    main()
