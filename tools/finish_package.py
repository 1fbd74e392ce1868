#!/usr/bin/env python3
"""Finishes a hand-written model package: makes its probe and names every file's digest.

    tools/finish_package.py models/mine [--texts FILE]

The folder holds ONNX graphs, a tokenizer, and a model.json without `files` and `probe`, as ModelPackage.md
describes them. The graphs are run by ONNX Runtime on this machine's CPU, in fp32, and what they answer
becomes the probe: every device that later loads the package has to answer the same. Whether the graphs are
right is not known here: look at `bolster embed` or `bolster caption`. --texts names a file of sixteen lines
with the tokens that the model's own tokenizer gives, as JSON: {"text": "a dog", "ids": [49406, …]}; without
it, CLIP's tokenizer is taken from open_clip, SentencePiece and Hugging Face's from their Python packages.
"""

import argparse
import hashlib
import json
import pathlib
import sys

import numpy as np
import onnxruntime

PROBES = 16
TEXTS = [
    "a photo of a dog", "Two red apples on a wooden table.", "A & B &amp; C", "  spaces\tand\nlines  ",
    "it's what they'd call \u201cquoted\u201d", "caf\u00e9 na\u00efve \u00fcber", "3.14159 and 2,718!!!",
    "", "a", "UPPER CASE", "lower case", " ".join(["many"] * 200), "one, two; three", "under_score",
    "x-ray (test)", "the end.",
]


def session(folder, name):
    path = folder / name
    if not path.exists():
        sys.exit(f"{path} is missing: a package needs it")
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def pixels(size):
    """Smooth coloured noise, normalised."""
    generator = np.random.default_rng(2026)
    coarse = generator.standard_normal((PROBES, 3, 8, 8))
    scale = -(-size // 8)
    fine = np.kron(coarse, np.ones((1, 1, scale, scale)))[:, :, :size, :size]
    return (fine + 0.2 * generator.standard_normal(fine.shape)).astype(np.float32)


def clip_rows(folder, text):
    """Rows of CLIP's tokenizer over the package's own vocabulary."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer(clean=text["clean"])
    merges = (folder / text["merges"]).read_text(encoding="utf-8").splitlines()
    tokenizer.encoder = json.loads((folder / text["vocabulary"]).read_text(encoding="utf-8"))
    tokenizer.bpe_ranks = {tuple(line.split()): rank for rank, line in enumerate(merges)}
    tokenizer.cache = {}
    tokenizer.sot_token_id, tokenizer.eot_token_id = text["start"], text["end"]
    return tokenizer(TEXTS, context_length=text["context_length"]).numpy()


def other_rows(folder, text):
    """Rows of the other tokenizers over the package's own vocabulary."""
    import openclip_text
    from open_clip.tokenizer import get_clean_fn

    if text["tokenizer"] == "sentencepiece":
        import sentencepiece

        encode = sentencepiece.SentencePieceProcessor(model_file=str(folder / text["model"])).encode
    else:
        encode = openclip_text.words_encoder(folder, text)
    clean = get_clean_fn(text["clean"])
    rows = [openclip_text.row(encode, text, clean(words), text["context_length"]) for words in TEXTS]
    return np.array(rows, dtype=np.int64)


def given_rows(file, length):
    lines = [json.loads(line) for line in pathlib.Path(file).read_text(encoding="utf-8").splitlines()]
    if len(lines) != PROBES or any(len(line["ids"]) != length for line in lines):
        sys.exit(f"{file}: {PROBES} lines of {length} ids each are needed")
    return [line["text"] for line in lines], np.array([line["ids"] for line in lines], dtype=np.int64)


def teacher_probe(folder, description, file):
    text, images = description["text"], pixels(description["image"]["size"])
    if file:
        texts, ids = given_rows(file, text["context_length"])
    else:
        texts = TEXTS
        ids = (clip_rows if text["tokenizer"] == "clip_bpe" else other_rows)(folder, text)
    return {
        "pixels": images,
        "image_embedding": session(folder, "image.onnx").run(None, {"pixels": images})[0],
        "texts": np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8), "ids": ids,
        "text_embedding": session(folder, "text.onnx").run(None, {"ids": ids})[0],
    }


def captioner_probe(folder, description):
    """Greedy texts by the graphs themselves, as the exporter's are by PyTorch."""
    images, text, shape = pixels(description["image"]["size"]), description["text"], description["captioner"]
    memory = session(folder, "image.onnx").run(["cross_keys", "cross_values"], {"pixels": images})
    step, length, end, pad = session(folder, "step.onnx"), shape["max_length"], text["end"], text["pad"]
    cache = np.zeros((2, PROBES, shape["layers"], shape["heads"], length, shape["head_width"]), np.float32)
    ids = np.full((PROBES, length), pad, dtype=np.int64)
    ids[:, 0] = text["start"]
    done, first = np.zeros(PROBES, dtype=bool), None
    for position in range(length - 1):
        places = np.full(PROBES, position, dtype=np.int64)
        feeds = {"ids": ids[:, position], "positions": places, "lengths": places}
        feeds |= {"cross_keys": memory[0], "cross_values": memory[1]}
        feeds |= {"cache_keys": cache[0], "cache_values": cache[1]}
        logits, keys, values = step.run(["logits", "new_keys", "new_values"], feeds)
        cache[0, :, :, :, position], cache[1, :, :, :, position] = keys[:, :, :, 0], values[:, :, :, 0]
        first = logits.copy() if first is None else first
        if position + 1 < shape["decoding"].get("min_length", 5):
            logits[:, end] = -np.inf
        token = logits.argmax(axis=1) if position + 2 < length else np.full(PROBES, end)
        ids[:, position + 1] = np.where(done, pad, token)
        done |= np.isin(token, [end, pad])
    return {"pixels": images, "greedy_ids": ids, "first_logits": first}


def finish(folder, texts=None):
    file = folder / "model.json"
    description = json.loads(file.read_text(encoding="utf-8"))
    if description.get("precision") != "fp32":
        sys.exit(f"{file}: precision is {description.get('precision')}; probes are made in fp32 only")
    is_teacher = description["kind"] == "teacher"
    probe = teacher_probe(folder, description, texts) if is_teacher else captioner_probe(folder, description)
    np.savez(folder / "probe.npz", **probe)
    text = description["text"]
    names = ["image.onnx", "text.onnx" if is_teacher else "step.onnx", "probe.npz"]
    names += [text[key] for key in ("vocabulary", "merges", "model") if key in text]
    names += sorted(path.name for path in folder.glob("*.onnx.data"))
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    description |= {"files": digests, "probe": "probe.npz"}
    file.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="the package, with a model.json")
    parser.add_argument("--texts", help="a file of sixteen texts with their tokens")
    arguments = parser.parse_args()
    finish(arguments.folder, arguments.texts)
    print(f"{arguments.folder}: finished; now bolster doctor --model {arguments.folder}")


if __name__ == "__main__":
    main()
