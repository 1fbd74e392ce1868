#!/usr/bin/env python3
"""SentencePiece tokenizers as SigLIP and others have them, and open_clip's input rows of mutated captions.

    sentencepiece_rows.py FOLDER COUNT [SEED]

Trains one of unigrams and one of byte pairs on the captions of tokenizer_captions.py, leaves what the
exporter makes of them in FOLDER/unigram.model, bpe.model and roberta.model, and prints one JSON object a
line: kind, text, `pieces`, the row that sentencepiece gives after open_clip's cleaning, and `row`, that of
open_clip's HFTokenizer, which runs Hugging Face's own code. Those two differ where two ways to cut a text are
equally probable ("www" as ww w or w ww), and where a combining sign follows a letter of the character map.
They follow SigLIP (T5's English vocabulary: a space before the text, padded with the end token), SigLIP 2
(Gemma's: no space before the text, byte fall-back, padded with 0) and XLM-RoBERTa (a start token, and numbers
other than those of the model's file).
"""

import json
import pathlib
import random
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import openclip_text  # noqa: E402
import sentencepiece  # noqa: E402
import tokenizer_captions  # noqa: E402

CONTEXT = 64
COMMON = {"vocab_size": 1000, "character_coverage": 0.98, "hard_vocab_limit": False, "minloglevel": 2}


def train(kind, path):
    """Writes a SentencePiece model with T5's or Gemma's special tokens and normalization."""
    chance = random.Random(5)
    sentences = []
    for _ in range(4000):
        text = chance.choice(tokenizer_captions.CAPTIONS)
        sentences.append(" ".join(chance.sample(text.lower().split(), len(text.split()))))
    settings = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "normalization_rule_name": "nmt_nfkc"}
    if kind == "bpe":
        settings = {
            "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "byte_fallback": True,
            "normalization_rule_name": "identity", "add_dummy_prefix": False,
            "remove_extra_whitespaces": False,
        }
    with open(path, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences), model_writer=file, model_type=kind, **COMMON, **settings)


def write_tokenizer(kind, folder):
    """Saves the folder that open_clip's HFTokenizer opens: "unigram" and "bpe" made as open_clip's
    SigLipTokenizer makes them, "roberta" as XLM-RoBERTa's, with a start token and numbers of its own."""
    from transformers import GemmaTokenizerFast, T5TokenizerFast, XLMRobertaTokenizerFast

    with tempfile.TemporaryDirectory() as scratch:
        model = pathlib.Path(scratch) / "spiece.model"
        train("unigram" if kind == "roberta" else kind, model)
        if kind == "roberta":
            XLMRobertaTokenizerFast(str(model)).save_pretrained(folder)
            return
        if kind == "bpe":
            tokenizer = GemmaTokenizerFast(
                str(model), padding_side="right", add_bos_token=False, add_eos_token=True, legacy=False)
            tokenizer.pad_token_id = 0
        else:
            tokenizer = T5TokenizerFast(str(model), extra_ids=0, legacy=False, add_prefix_space=True)
            tokenizer.pad_token_id = 1
        tokenizer.eos_token_id = 1
        tokenizer.save_pretrained(folder)


def main():
    from open_clip.tokenizer import HFTokenizer

    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 2026)
    texts = [tokenizer_captions.mutated(chance) for _ in range(count)]
    for kind in ("unigram", "bpe", "roberta"):
        write_tokenizer(kind, folder / kind)
        clean = "whitespace" if kind == "roberta" else "canonicalize"
        tokenizer = HFTokenizer(str(folder / kind), context_length=CONTEXT, clean=clean)
        keys, _ = openclip_text.write_tokenizer(tokenizer, folder)
        shutil.copy(folder / "spiece.model", folder / f"{kind}.model")
        processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{kind}.model"))
        for text, row in zip(texts, tokenizer(texts).tolist()):
            pieces = openclip_text.row(processor.encode, keys, tokenizer.clean_fn(text), CONTEXT)
            print(json.dumps({"kind": kind, "text": text, "pieces": pieces, "row": row}))


if __name__ == "__main__":
    main()
