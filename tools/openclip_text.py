"""Tokenizers of OpenCLIP models as files of a model package, proved against open_clip's own.

CLIP's byte-pair tokenizer becomes vocab.json and merges.txt, and so does RoBERTa's; BERT's becomes vocab.txt;
a Hugging Face tokenizer that is SentencePiece underneath (SigLIP's, SigLIP 2's) becomes one spiece.model,
which is looked for beside the tokenizer or, where only tokenizer.json is published, rebuilt from it.
ModelPackage.md says what a reader does with them.
"""

import base64
import json
import pathlib
import sys

from open_clip.tokenizer import SimpleTokenizer, get_clean_fn

# Captions for proving a tokenizer. What a repository of ours would not hold by nature is escaped.
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
ADVICE = (
    ". Bolster reads CLIP's own tokenizer, SentencePiece's, BERT's and RoBERTa's, and a model is bound to "
    "its tokenizer: choose one that has one of these, as all of open_clip.list_pretrained() do")
CLEANINGS = {f"_clean_{name}": name for name in ("lower", "whitespace", "canonicalize")}


def write_tokenizer(tokenizer, out):
    """Writes the tokenizer's files; gives model.json's `text` keys and the files' names."""
    # SigLipTokenizer cleans without saying how.
    cleaning = getattr(tokenizer, "clean_fn", get_clean_fn("canonicalize"))
    clean = CLEANINGS[cleaning.__name__]
    if isinstance(tokenizer, SimpleTokenizer):
        return write_byte_pairs(tokenizer, clean, out)
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None or not hasattr(inner, "backend_tokenizer"):
        sys.exit(f"{type(inner or tokenizer).__name__} is no tokenizer that can be exported{ADVICE}")
    has_words = tokenizer_kind(inner) in ("WordPiece", "ByteLevel")
    mode = getattr(tokenizer, "tokenizer_mode", "")
    if mode and not (has_words and mode == "clips"):
        sys.exit(f"the tokenizer's mode \"{mode}\" is not exported{ADVICE}")
    if has_words:
        return write_words(tokenizer, clean, out)
    return write_sentence_piece(tokenizer, clean, out)


def write_byte_pairs(tokenizer, clean, out):
    if tokenizer.reduction_fn is not None:
        sys.exit("the tokenizer drops words at random (reduction_mask), which only makes sense in training")
    if tokenizer.all_special_ids != [tokenizer.vocab_size - 2, tokenizer.vocab_size - 1]:
        sys.exit("the tokenizer has special tokens besides start and end: not exported")
    files = write_merges(tokenizer.encoder, tokenizer.bpe_ranks, out)
    keys = {
        "tokenizer": "clip_bpe", "vocab_size": tokenizer.vocab_size, "start": tokenizer.sot_token_id,
        "end": tokenizer.eot_token_id, "pad": 0, "vocabulary": "vocab.json", "merges": "merges.txt",
        "clean": clean,
    }
    return keys, files


def write_merges(vocabulary, pairs, out):
    """Byte pairs as vocab.json and merges.txt; gives their names."""
    text = json.dumps(vocabulary, ensure_ascii=False, indent=0)
    (out / "vocab.json").write_text(text + "\n", encoding="utf-8")
    merges = "".join(f"{left} {right}\n" for left, right in pairs)
    (out / "merges.txt").write_text(merges, encoding="utf-8")
    return ["vocab.json", "merges.txt"]


def tokenizer_kind(inner):
    """What a Hugging Face tokenizer is underneath: Unigram, BPE, ByteLevel (byte pairs), WordPiece…"""
    description = json.loads(inner.backend_tokenizer.to_str())
    kind = description["model"]["type"]
    before = (description["pre_tokenizer"] or {}).get("type")
    return "ByteLevel" if kind == "BPE" and before == "ByteLevel" else kind


def write_words(tokenizer, clean, out):
    """BERT's WordPiece, or byte pairs of bytes as RoBERTa has them."""
    inner = tokenizer.tokenizer
    description = json.loads(inner.backend_tokenizer.to_str())
    keys = {
        "vocab_size": len(inner), "start": inner.cls_token_id, "end": inner.sep_token_id,
        "pad": inner.pad_token_id, "clean": clean, **special_tokens(description),
    }
    if getattr(tokenizer, "tokenizer_mode", "") == "clips":
        keys.update(start=inner.bos_token_id, end=inner.eos_token_id, last=inner.cls_token_id)
    elif getattr(tokenizer, "strip_sep_token", False):
        # OpenCLIP replaces the separator by 0 wherever it stands.
        keys["end"] = 0
        keys["special"] = {
            text: 0 if number == inner.sep_token_id else number for text, number in keys["special"].items()}
    missing = [key for key in ("start", "end", "pad") if keys[key] is None]
    if missing:
        sys.exit(f"the tokenizer has no {missing[0]} token{ADVICE}")
    vocabulary = description["model"]["vocab"]
    if description["model"]["type"] == "WordPiece":
        keys.update(word_piece_keys(description))
        spelt = [piece for piece, _ in sorted(vocabulary.items(), key=lambda item: item[1])]
        if sorted(vocabulary.values()) != list(range(len(spelt))) or any("\n" in piece for piece in spelt):
            sys.exit("the vocabulary's numbers have gaps, or a token spans lines: no vocab.txt holds that")
        # Written as bytes: Python would take other line breaks, which tokens have, for ends of lines.
        (out / "vocab.txt").write_bytes("".join(piece + "\n" for piece in spelt).encode())
        files = ["vocab.txt"]
    else:
        keys.update(byte_level_keys(description))
        files = write_merges(vocabulary, merged_pairs(description["model"]), out)
    other = difference(tokenizer, keys, words_encoder(out, keys), clean)
    if other is not None:
        sys.exit(f"\"{other[0]}\" becomes {other[1]}… here, {other[2]}… in open_clip: no package")
    return keys, files


def special_tokens(description):
    """The `special` keys: texts that are one token wherever they stand."""
    special, strip_left = {}, []
    for token in description["added_tokens"]:
        text = token["content"]
        if token["rstrip"] or token["single_word"] or token["normalized"] and description["normalizer"]:
            sys.exit(f"the token \"{text}\" is looked for in a way that is not exported{ADVICE}")
        special[text] = token["id"]
        if token["lstrip"]:
            strip_left.append(text)
    return {"special": special, **({"special_strip_left": strip_left} if strip_left else {})}


def word_piece_keys(description):
    model, normalizer, cut = (description[key] or {} for key in ("model", "normalizer", "pre_tokenizer"))
    usual = {
        "normalizer": (normalizer.get("type"), "BertNormalizer"),
        "pre-tokenizer": (cut.get("type"), "BertPreTokenizer"),
        "clean_text": (normalizer.get("clean_text"), True),
        "handle_chinese_chars": (normalizer.get("handle_chinese_chars"), True),
        "continuing_subword_prefix": (model["continuing_subword_prefix"], "##"),
        "max_input_chars_per_word": (model["max_input_chars_per_word"], 100),
    }
    refuse_others("BERT", usual)
    accents = normalizer["strip_accents"]
    return {
        "tokenizer": "wordpiece", "vocabulary": "vocab.txt", "unknown": model["vocab"][model["unk_token"]],
        "lowercase": normalizer["lowercase"],
        "strip_accents": normalizer["lowercase"] if accents is None else accents,
    }


def byte_level_keys(description):
    cut, model = description["pre_tokenizer"], description["model"]
    usual = {
        "normalizer": (description["normalizer"], None),
        "add_prefix_space": (cut["add_prefix_space"], False),
        "use_regex": (cut.get("use_regex", True), True),
        "ignore_merges": (model.get("ignore_merges", False), False),
        "continuing_subword_prefix": (model["continuing_subword_prefix"] or "", ""),
        "end_of_word_suffix": (model["end_of_word_suffix"] or "", ""),
    }
    refuse_others("RoBERTa", usual)
    return {"tokenizer": "byte_level_bpe", "vocabulary": "vocab.json", "merges": "merges.txt"}


def refuse_others(model, usual):
    for key, (found, expected) in usual.items():
        if found != expected:
            sys.exit(f"the tokenizer's {key} is {found}; only {model}'s, {expected}, is exported{ADVICE}")


def words_encoder(folder, keys):
    """What gives a cleaned text's tokens by a package's own vocabulary, as Hugging Face's code reads it."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

    if keys["tokenizer"] == "wordpiece":
        spelt = (folder / keys["vocabulary"]).read_bytes().decode().split("\n")[:-1]
        vocabulary = {piece: number for number, piece in enumerate(spelt)}
        encoder = Tokenizer(models.WordPiece(vocabulary, unk_token=spelt[keys["unknown"]]))
        encoder.normalizer = normalizers.BertNormalizer(
            lowercase=keys["lowercase"], strip_accents=keys["strip_accents"])
        encoder.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        vocabulary = json.loads((folder / keys["vocabulary"]).read_text(encoding="utf-8"))
        lines = (folder / keys["merges"]).read_text(encoding="utf-8").splitlines()
        encoder = Tokenizer(models.BPE(vocabulary, [tuple(line.split(" ")) for line in lines]))
        encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = keys.get("special", {})
    encoder.add_special_tokens([
        AddedToken(text, normalized=False, lstrip=text in keys.get("special_strip_left", []))
        for text in special])

    def encode(text):
        encoded = encoder.encode(text, add_special_tokens=False)
        return [special.get(token, number) for token, number in zip(encoded.tokens, encoded.ids)]

    return encode


def write_sentence_piece(tokenizer, clean, out):
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as schema

    inner = tokenizer.tokenizer
    if tokenizer_kind(inner) not in ("Unigram", "BPE") or inner.eos_token_id is None:
        sys.exit(f"{type(inner).__name__} ({tokenizer_kind(inner)}) is no tokenizer of these kinds{ADVICE}")
    keys = {
        "tokenizer": "sentencepiece", "vocab_size": len(inner), "end": inner.eos_token_id,
        "pad": inner.pad_token_id, "model": "spiece.model", "clean": clean,
    }
    first = int(tokenizer([""])[0, 0])
    if first != keys["end"]:
        keys["start"] = first
    description = json.loads(inner.backend_tokenizer.to_str())
    published = getattr(inner, "vocab_file", None)
    models = []
    if published and pathlib.Path(published).is_file() and published.endswith(".model"):
        models.append(schema.ModelProto.FromString(pathlib.Path(published).read_bytes()))
    # XLM-RoBERTa's tokenizers number the pieces of their file anew: tokenizer.json is tried where it differs.
    for proto in (*models, None):
        model = serialized(proto or rebuilt(description, inner, schema), description)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        other = difference(tokenizer, keys, processor.encode, clean)
        if other is None:
            break
    else:
        sys.exit(f"\"{other[0]}\" becomes {other[1]}… here, {other[2]}… in open_clip: no package")
    (out / "spiece.model").write_bytes(model)
    return keys, ["spiece.model"]


def serialized(proto, description):
    # Hugging Face's settings count, not those that the model was trained with.
    proto.normalizer_spec.add_dummy_prefix = adds_prefix(description)
    return proto.SerializeToString()


def difference(tokenizer, keys, encode, clean):
    """The first text, with both rows' beginnings, whose row is not open_clip's; None where all are."""
    for text in PROBE_TEXTS:
        ours = row(encode, keys, get_clean_fn(clean)(text), tokenizer.context_length)
        theirs = tokenizer([text])[0].tolist()
        if ours != theirs:
            return text, ours[:12], theirs[:12]
    return None


def row(encode, keys, text, length):
    """A cleaned text's input row: its tokens, cut so that the end token stays, and padding."""
    start = [keys["start"]] if "start" in keys else []
    last = [keys["last"]] if "last" in keys else []
    ids = start + encode(text)[: length - 1 - len(start) - len(last)] + [keys["end"]]
    return ids + [keys["pad"]] * (length - len(ids) - len(last)) + last


def rebuilt(description, inner, schema):
    """A SentencePiece model from a tokenizer.json, whose vocabulary, scores and character map are its own."""
    kind = description["model"]["type"]
    if kind not in ("Unigram", "BPE"):
        sys.exit(f"tokenizer.json holds a {kind} model; SentencePiece's Unigram or BPE can be exported")
    proto = schema.ModelProto()
    spec = proto.normalizer_spec
    spec.name = "user_defined"
    spec.precompiled_charsmap = precompiled(description.get("normalizer")) or b""
    spec.remove_extra_whitespaces = kind == "Unigram"
    spec.escape_whitespaces = True
    trainer = proto.trainer_spec
    trainer.model_type = trainer.UNIGRAM if kind == "Unigram" else trainer.BPE
    if kind == "Unigram":
        pieces = description["model"]["vocab"]
        unknown = description["model"]["unk_id"]
    else:
        pieces = byte_pair_scores(description["model"])
        unknown = inner.unk_token_id
        trainer.byte_fallback = description["model"].get("byte_fallback", False)
        # Gemma's tokenizer marks words when it normalizes, NLLB's when it cuts them.
        steps = description["normalizer"], description["pre_tokenizer"]
        if "\u2581" not in json.dumps(steps, ensure_ascii=False):
            sys.exit(f"tokenizer.json holds byte pairs, neither SentencePiece's nor RoBERTa's{ADVICE}")
    control = {token["id"] for token in description["added_tokens"] if token["special"]}
    types = schema.ModelProto.SentencePiece
    if trainer.byte_fallback:
        # Hugging Face spells this one byte out, so that its tokenizer needs no rule for it.
        pieces = [["<0x09>" if piece == "\t" else piece, score] for piece, score in pieces]
    for index, (piece, score) in enumerate(pieces):
        added = proto.pieces.add(piece=piece, score=score)
        if index == unknown:
            added.type = types.UNKNOWN
        elif index in control:
            added.type = types.CONTROL
        elif trainer.byte_fallback and len(piece) == 6 and piece.startswith("<0x"):
            added.type = types.BYTE
    trainer.unk_id, trainer.eos_id, trainer.bos_id, trainer.pad_id = unknown, inner.eos_token_id, -1, -1
    trainer.vocab_size = len(proto.pieces)
    return proto


def merged_pairs(model):
    """A byte-pair model's merges as pairs; older tokenizer.json join the two by a space."""
    return [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]


def byte_pair_scores(model):
    """[piece, score] in the order of their numbers: the earlier a piece was merged, the higher its score."""
    ranks = {}
    for rank, (left, right) in enumerate(merged_pairs(model)):
        ranks.setdefault(left + right, rank)
    ordered = sorted(model["vocab"].items(), key=lambda pair: pair[1])
    return [[piece, float(-ranks.get(piece, len(ranks)))] for piece, _ in ordered]


def parts_of(normalizer):
    """A normalizer's steps, one after the other."""
    if normalizer is None:
        return []
    return normalizer["normalizers"] if normalizer["type"] == "Sequence" else [normalizer]


def precompiled(normalizer):
    """The character map of a SentencePiece normalizer; None where it changes no character."""
    for part in parts_of(normalizer):
        if part["type"] == "Precompiled":
            return base64.b64decode(part["precompiled_charsmap"])
    return None


def adds_prefix(description):
    """Whether a text is encoded as if a space stood before it."""
    before = description.get("pre_tokenizer") or {}
    steps = before.get("pretokenizers", [before])
    schemes = [step.get("prepend_scheme") for step in steps if step.get("type") == "Metaspace"]
    prepends = any(part["type"] == "Prepend" for part in parts_of(description.get("normalizer")))
    return prepends or any(scheme != "never" for scheme in schemes)
