#!/usr/bin/env python3
"""Captions in many scripts, mutated as the web mutates them, with the tokens that open_clip gives them.

    tokenizer_captions.py COUNT [SEED]

Prints one JSON list [kind, text, tokens] a line. The kind is "mojibake" where ftfy's repair of wrongly
decoded text changes what comes out, and "plain" otherwise.
"""

import html
import json
import random
import sys
import unicodedata

import ftfy
from open_clip.tokenizer import SimpleTokenizer

CAPTIONS = [
    "A photo of a small dog playing with a red ball in the garden.", "Buy 2 get 1 free | Summer Sale 50% off!!!",
    "it's what they'd call \u201cvintage\u201d \u2014 isn't it? We've 3 left, I'm sure you'll like 'em",
    "IMG_20190412_153045.jpg", "http://www.example.com/shop?id=12&cat=shoes#top", "Caf\u00e9 cr\u00e8me \u00e0 la carte, "
    "na\u00efve fa\u00e7ade, \u00cele-de-France", "Stra\u00dfenschild in M\u00fcnchen, gr\u00f6\u00dfer als \u00fcblich",
    "\u00bfQu\u00e9 pasa? \u00a1El ni\u00f1o comi\u00f3 una pi\u00f1a!", "S\u00e3o Paulo \u00e0s 10h, a\u00e7\u00e3o e emo\u00e7\u00e3o",
    "Zdj\u0119cie \u017c\u00f3\u0142tego domu w \u0141odzi", "P\u0159\u00edli\u0161 \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148",
    "\u0130stanbul'da g\u00fcne\u015fli bir g\u00fcn, I\u011fd\u0131r", "\u00d8l og sm\u00f8rrebr\u00f8d i K\u00f8benhavn",
    "\u0412\u0438\u0434 \u043d\u0430 \u041a\u0440\u0430\u0441\u043d\u0443\u044e \u043f\u043b\u043e\u0449\u0430\u0434\u044c, \u0451\u043b\u043a\u0430",
    "\u041a\u0438\u0457\u0432, \u0404\u0432\u0440\u043e\u043f\u0430 \u0456 \u0491\u0430\u043d\u043e\u043a", "\u039f \u039f\u03b4\u03c5\u03c3\u03c3\u03ad\u03b1\u03c2 "
    "\u03ba\u03b1\u03b9 \u03b7 \u03b8\u03ac\u03bb\u03b1\u03c3\u03c3\u03b1", "\u7d05\u3044\u308a\u3093\u3054\u304c\u4e8c\u3064\u3002\u72ac\u3068\u732b",
    "\u30ab\u30e1\u30e9\u306e\u30ec\u30f3\u30ba 50mm F1.8", "\u4e2d\u6587\u6807\u9898\uff1a\u4e0a\u6d77\u7684\u591c\u666f",
    "\ud55c\uad6d\uc5b4 \uc81c\ubaa9 \uc11c\uc6b8\uc758 \ubc24", "\u0627\u0644\u0639\u064e\u0631\u064e\u0628\u0650\u064a\u064e\u0651\u0629 \u0661\u0662\u0663",
    "\u05e2\u05d1\u05e8\u05d9\u05ea \u05e9\u05dc\u05d5\u05dd", "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902 \u0932\u093f\u0916\u093e",
    "\u0e44\u0e17\u0e22\u0e41\u0e25\u0e19\u0e14\u0e4c \u0e51\u0e52", "Vi\u1ec7t Nam \u0111\u1eb9p l\u1eafm", "\u10e1\u10d0\u10e5\u10d0\u10e0\u10d7\u10d5\u10d4\u10da\u10dd",
    "\u0540\u0561\u0575\u0565\u0580\u0565\u0576", "\U0001f436\U0001f3fd\u200d\U0001f4bb \u2764\ufe0f \U0001f1e9\U0001f1ea party!",
    "Price: \u20ac 12,50 / \u00a3 9.99 \u2122 \u00ae \u00a9 2019", "10\u00b0C \u00b1 0.5 \u00b5m \u00d7 \u00bd \u2013 \u221e",
    "fi\ufb01 \ufb02ow o\ufb03ce \u0132sselmeer \u01c4ungla", "\uff26\uff35\uff2c\uff2c\u3000\uff57\uff49\uff44\uff54\uff48 \uff76\uff9e\uff77",
    "<b>bold &amp; brash</b>", "AT&T R&D Q&A &c.", "a\u0328\u0301 e\u0301 \u212b \u1100\u1161\u11a8 \u0344", "\u2028para\u2029graph\u0085next\r\nline",
]
ENCODINGS = ["latin-1", "sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253",
             "sloppy-windows-1254", "sloppy-windows-1257", "iso-8859-2", "macroman", "cp437"]
CONTROLS = "\x00\x07\x0b\x0c\x1b\x1f\x7f\x80\x85\x93\x99\x9d\xa0\xad\u200b\u200d\u200e\u2060\u206a\ufeff\ufffc\ufffd"


def some_characters(chance, text, change):
    """Each character changed or not; a change is a function of one character."""
    return "".join(change(c) if chance.random() < 0.3 else c for c in text)


def wide(character):
    return chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character


def as_entity(chance, character):
    name = html.entities.codepoint2name.get(ord(character))
    forms = [f"&#{ord(character)};", f"&#x{ord(character):X};", f"&#{ord(character)}"]
    if name:
        forms += [f"&{name};", f"&{name.upper()};", f"&{name}"]
    return chance.choice(forms)


def misread(chance, text):
    """UTF-8 bytes read with another encoding; where that fails, the text as it is."""
    try:
        return text.encode("utf-8").decode(chance.choice(ENCODINGS))
    except UnicodeDecodeError:
        return text


def mutate(chance, text):
    kind = chance.randrange(16)
    position = chance.randrange(len(text) + 1)
    if kind == 0:
        return some_characters(chance, text, wide)
    if kind == 1:
        return some_characters(chance, text, lambda c: as_entity(chance, c))
    if kind == 2:
        return html.escape(text)
    if kind == 3:
        return unicodedata.normalize(chance.choice(["NFD", "NFKD", "NFC"]), text)
    if kind == 4:
        return text[:position] + chance.choice(CONTROLS) + text[position:]
    if kind == 5:
        return text.replace("'", "\u2019").replace('"', "\u201c").replace("fi", "\ufb01")
    if kind == 6:
        return chance.choice([text.upper, text.lower, text.title, text.swapcase])()
    if kind == 7:
        return text.replace(" ", chance.choice(["  ", "\t", "\u00a0", "\u3000", "\n", "\u2009"]))
    if kind == 8:
        return text[position:] + text[:position]
    if kind == 9:
        return text + " " + chance.choice(CAPTIONS)
    if kind == 10:
        return text[:position] + chr(chance.choice([chance.randrange(0x20, 0x250), chance.randrange(0x250, 0xD800),
                                                    chance.randrange(0x1F000, 0x20000)])) + text[position:]
    if kind in (11, 12, 13):
        return misread(chance, text)
    if kind == 14:
        end = chance.randrange(position, len(text) + 1)
        return text[:position] + misread(chance, text[position:end]) + text[end:]
    return text.replace("\u00a0", " ").replace("\u009d", "\ufffd") if chance.random() < 0.5 else text[:position]


def main():
    count = int(sys.argv[1])
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 2026)
    tokenizer = SimpleTokenizer()
    for _ in range(count):
        text = chance.choice(CAPTIONS)
        for _ in range(chance.choice([0, 1, 1, 2, 2, 3])):
            text = mutate(chance, text)
        changed = ftfy.fix_text(text) != ftfy.fix_text(text, fix_encoding=False)
        print(json.dumps(["mojibake" if changed else "plain", text, tokenizer.encode(text)]))


if __name__ == "__main__":
    main()
