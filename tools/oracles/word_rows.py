#!/usr/bin/env python3
"""Tokenizers as BERT (CLIPA, OpenVision) and RoBERTa have them, and open_clip's rows of mutated captions.

    word_rows.py FOLDER COUNT [SEED]
    word_rows.py --characters

Trains vocabularies on the captions of tokenizer_captions.py and leaves what the exporter makes of them in
FOLDER/KIND with a model.json; prints one JSON object a line: kind, text, and `row`, that of open_clip's
HFTokenizer. The kinds: "clipa" (small letters, the separator replaced by 0), "cased" (BERT's that keeps
capitals and accents), "clips" (OpenVision's mode: start and end tokens of its own, the class token last) and
"roberta". Every fifth text spells a special token.

With --characters prints how Hugging Face's code takes each character: one JSON object of ranges, `removed`,
`ideographs` (spaces on either side) and `signs` (words of their own) by BERT, `letters` and `numbers` by
RoBERTa, `taken` (all that were looked at), and `small`, pairs of a character and what BERT's small letters
without accents make of it.
"""

import json
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import openclip_text  # noqa: E402
import tokenizer_captions  # noqa: E402
from open_clip.tokenizer import HFTokenizer  # noqa: E402

BERT_SPECIAL = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
KINDS = {
    "clipa": {"context_length": 32, "strip_sep_token": True},
    "cased": {"context_length": 48},
    "clips": {"context_length": 40, "tokenizer_mode": "clips"},
    "roberta": {"context_length": 77},
}


def sentences():
    chance = random.Random(5)
    for _ in range(4000):
        words = chance.choice(tokenizer_captions.CAPTIONS).split()
        yield " ".join(chance.sample(words, len(words)))


def write_tokenizer(kind, folder):
    """Saves the folder that open_clip's HFTokenizer opens."""
    from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizerFast, RobertaTokenizerFast

    with tempfile.TemporaryDirectory() as scratch:
        if kind == "roberta":
            trained = ByteLevelBPETokenizer()
            trained.train_from_iterator(
                sentences(), vocab_size=900, special_tokens=ROBERTA_SPECIAL, show_progress=False)
            trained.save_model(scratch)
            files = [str(pathlib.Path(scratch) / name) for name in ("vocab.json", "merges.txt")]
            RobertaTokenizerFast(*files).save_pretrained(folder)
            return
        small = kind != "cased"
        trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        trained.normalizer = normalizers.BertNormalizer(lowercase=small)
        trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        # Not every letter of the captions, so that some words are unknown.
        trainer = trainers.WordPieceTrainer(
            vocab_size=900, limit_alphabet=280, special_tokens=BERT_SPECIAL, show_progress=False)
        trained.train_from_iterator(sentences(), trainer)
        trained.model.save(scratch)
        marks = {"bos_token": "[unused0]", "eos_token": "[unused1]"} if kind == "clips" else {}
        file = str(pathlib.Path(scratch) / "vocab.txt")
        BertTokenizerFast(file, do_lower_case=small, **marks).save_pretrained(folder)


def write_package(tokenizer, folder):
    """A model.json around the tokenizer's files; of graphs only the names."""
    keys, files = openclip_text.write_tokenizer(tokenizer, folder)
    names = ["image.onnx", "text.onnx", "probe.npz", *files]
    description = {
        "format": 1, "name": folder.name, "kind": "teacher", "precision": "fp32", "embedding_width": 8,
        "image": {
            "size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic",
            "resize_mode": "shortest"},
        "text": {"context_length": tokenizer.context_length, **keys},
        "files": {name: "0" * 64 for name in names}, "probe": "probe.npz",
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2))
    return keys


def captions(chance, count, special):
    for index in range(count):
        text = tokenizer_captions.mutated(chance)
        if index % 5 == 0:
            place = chance.randrange(len(text) + 1)
            spelt = chance.choice(special)
            spelt = chance.choice([spelt, spelt.lower(), spelt + chance.choice(special), f" {spelt} "])
            text = text[:place] + spelt + text[place:]
        yield text


def print_rows(folder, count, seed):
    for kind, settings in KINDS.items():
        package = folder / kind
        write_tokenizer(kind, package)
        tokenizer = HFTokenizer(str(package), **settings)
        special = list(write_package(tokenizer, package)["special"])
        for text in captions(random.Random(seed), count, special):
            print(json.dumps({"kind": kind, "text": text, "row": tokenizer([text])[0].tolist()}))


def ranges(numbers):
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def print_characters():
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel

    # White space is no matter here: cleaning leaves spaces only. Beyond lie planes without characters, and
    # private ones.
    numbers = [
        number for number in [*range(1, 0xD800), *range(0xE000, 0x33480), *range(0xE0000, 0xE0200)]
        if not chr(number).isspace()]
    cased, small = BertNormalizer(lowercase=False), BertNormalizer(lowercase=True)
    normalized = {number: cased.normalize_str(chr(number)) for number in numbers}
    printed = {
        "taken": ranges(numbers),
        "removed": ranges(n for n, text in normalized.items() if not text),
        "ideographs": ranges(n for n, text in normalized.items() if text == f" {chr(n)} "),
        "small": [
            [n, small.normalize_str(chr(n))] for n, text in normalized.items()
            if text == chr(n) and small.normalize_str(chr(n)) != text],
    }
    bert, roberta = BertPreTokenizer(), ByteLevel(add_prefix_space=False)
    printed["signs"] = ranges(n for n in numbers if len(bert.pre_tokenize_str(f"a{chr(n)}b")) == 3)
    ends = {n: [span[1] for _, span in roberta.pre_tokenize_str(f"a{chr(n)}1")] for n in numbers}
    printed["letters"] = ranges(n for n, found in ends.items() if found == [2, 3])
    printed["numbers"] = ranges(n for n, found in ends.items() if found == [1, 3])
    print(json.dumps(printed))


def main():
    if sys.argv[1:] == ["--characters"]:
        print_characters()
    else:
        seed = int(sys.argv[3]) if len(sys.argv) > 3 else 2026
        print_rows(pathlib.Path(sys.argv[1]), int(sys.argv[2]), seed)


if __name__ == "__main__":
    main()
