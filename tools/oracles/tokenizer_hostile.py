#!/usr/bin/env python3
"""Captions that a hostile or careless web holds, with what open_clip makes of them.

    tokenizer_hostile.py [COUNT] [SEED]

Prints one JSON list [text, tokens, whitespace, canonical] a line: CLIP's tokens, and the text after
OpenCLIP's two cleanings that other tokenizers use. First each of the kinds by itself, then COUNT captions of
several of them one after the other, with the joints in the worst places.
"""

import json
import random
import sys

from open_clip.tokenizer import SimpleTokenizer, get_clean_fn

KINDS = [
    # Character references: nested, unterminated, wrong in number, in capitals, of two characters.
    "&amp;amp;amp;lt;b&amp;gt;", "&ampamp;lt &amplt; &amp;#38;#38;", "&#x26;#x26;lt;",
    "&#0;&#1;&#128;&#x9f;",
    "&#55357;&#56374;", "&#xD83D;&#xDC36; &#x1F436;", "&#1114112; &#x110000; &#99999999999999999999;",
    "&notin; &notit; &not; &no; &;", "&EACUTE; &Eacute &eACUTE; &OElig;&oelig", "&nbsp;&NBSP;&thinsp;&zwj;",
    "&lt;start_of_text&gt; &lt;end_of_text&gt;", "&NotEqualTilde; &fjlig; &bne;",
    "& amp; &amp ; &#; &#x; &#xg;",
    "a&b<c &amp; d", "&quot;x&quot; &apos;s &#39;ll", "&#8220;x&#8221; &ldquo;y&rdquo;",
    "&#13;&#10;&#9;&#160;",
    # The tokenizer's own tokens as text.
    "<start_of_text>", "<END_OF_TEXT>x", "<start_of_text><end_of_text>", "< start_of_text>", "<end_of_text",
    "<\u017ftart_of_text>", "a<start_of_text>b", "<|endoftext|>", "</w> the</w>", "\u0120the \u010a",
    # Joiners, variation selectors, flags, skin, tags.
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f3f4\U000e0067\U000e0062\U000e007f",
    "\u2764\ufe0f\u200d",
    "\U0001f1e9\U0001f1ea\U0001f1e9", "1\ufe0f\u20e3", "\U0001f44d\U0001f3fd\U0001f3fd", "\ufe0f\ufe0e",
    # Scripts whose signs combine, and marks without a letter.
    "\u0e01\u0e33\u0e25\u0e31\u0e07\u0e17\u0e35\u0e48", "\u0e4d\u0e32 \u0e32\u0e4d",
    "\u0643\u0650\u062a\u064e\u0627\u0628\u064c",
    "\ufefb\ufdfa\ufe8e", "\u0640\u0640\u0651\u064e", "\u0928\u093f \u0915\u094d\u0937 \u0958 \u0929",
    "\u0b95\u0bca \u0b95\u0bc6\u0bbe",
    "\u1100\u1161\u11a8 \uac00\u11a8 \u3131\u314f \uffa1\uffc2",
    "\u0301a\u0301\u0323 \u1e69 s\u0307\u0323", "\u0345 \u0399\u0345",
    "Z\u0351\u036b\u0343\u036a\u0302A\u0321\u034aL\u0348\u0353\u0352GO", "\u05e9\u05bc\u05c1 \ufb2c",
    "\u0f71\u0f72\u0f74 \u0f73",
    "\u1e9e \u00df \u0130 \u0131 \u0149 \u01f0 \ufb00 \u1f88 \u1fb3 \u03a3\u03a3. \u0391\u03a3\u0301",
    "\u10a0\u2c2d \u13a0\uab70 \u1c90\u10d0 \U00010400 \U0001e900 \ua64a\u1c88",
    "\U000e0067\u0301 \U00010041\u0300 \U00011099\U000110ba \U0002006e\u0327\u0301 a\U0001d165\u0301",
    # White space, lines, what cannot be seen.
    "a\r\nb\rc\n\rd\n\n", "\t\v\f\x1c\x1d\x1e\x1f\x85\xa0",
    "\u1680\u180e\u2000\u200a\u2028\u2029\u202f\u205f\u3000", "   ",
    "a\u200bb\u200cc\u200dd\u2060e\ufefff\xadg", "\u202aLTR\u202c \u202eRTL\u202c \u2066x\u2069", "\u200b",
    "\ufeff", "\n", "",
    # Control characters, terminal sequences, what is no character.
    "".join(map(chr, range(0x20))), "".join(map(chr, range(0x7F, 0xA0))),
    "\x1b[31;1mred\x1b[0m\x1b[K\x1b]0;t\x07",
    "\x1b[\x1b[31mm \x1b[1;\u0663mx \x1b[3", "\ufffe\uffff\U0001ffff\ufdd0",
    "\ufff9a\ufffab\ufffb\ufffc\ufffd", "\ue000\U000f0000",
    "\u206a\u206f\u2061", "x\0y",
    # Ligatures, width, quotes, digraphs.
    "\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06\ufb13 \u0132\u0133",
    "\u01c4\u01c5\u01c6\u01c7\u01c8\u01c9 \u01f1\u01f2\u01f3",
    "\uff21\uff22\uff23\uff01\uff02\uff07\uff5e\uffe5\uffe6\uffee\uffe0\uff9e\uff76\uff9e\uff8a\uff9f",
    "\uff06amp\uff1b \uff06lt;",
    "\u2018a\u2019 \u201ab\u201b \u201cc\u201d \u201ed\u201f \u2039e\u203a \u02bc\u02bb\u2032\u2033",
    "it\u2019s they\u02bcre \u2019LL",
    "\u2460\u2163\u00bd\u00b2\u2070\u3220\u33a5\u2122\u2126\u212a\u212b",
    "\U0001d400\U0001d7d8\U0001f130\u2495",
    # UTF-8 read as something else, once, twice, in part, damaged.
    "caf\u00c3\u00a9 na\u00c3\u00afve \u00e2\u20ac\u201cx\u00e2\u20ac\u0153y\u00e2\u20ac\u009d",
    "\u00c3\u0192\u00c2\u00a9t\u00c3\u0192\u00c2\u00a9",
    "\u00f0\u0178\u2018\u008d \u00f0\u009f\u0090\u00b6", "\u00c3 la carte", "\u00c3\u00a0\u00c2\u00a0x",
    "\u00ef\u00bb\u00bfBOM", "\u0432\u0402\u045a\u0420\u045a\u0420\u045b",
    "\u00d0\u009f\u00d1\u0080\u00d0\u00b8\u00d0\u00b2\u00d0\u00b5\u00d1\u201a",
    "\u00e3\u201a\u00a2\u00e3\u0192\u2039", "P\u00c3\u2030REZ \u00c2\u00a3 5 \u00c2\u00bd",
    "\u0102\u0160 \u00e2\u201e\u02d8 \u221a\u00a9", "\u00c2\u00ae \u00c2\u00a9 5\u00c2\u00b0C",
    "voil\u00c3\u00a0 d\u00e9j\u00e0", "SCH\u00c3\u0153TZ \u00c3\u0178",
    "3 m\u00c2\u00b2 \u00e2\u2030\u02c6 10 \u00ce\u00bcm", "l\u00e2\u20ac\u2122\u00c3\u00a9t\u00c3\u00a9",
    "\u00ec\u02c6\u02dc\u00ed\u2022\u2122",
    # The rest: numbers, addresses, contractions, long and repeated.
    "I'M can't 'tis rock'n'roll y'all'd've 'S'T", "1,234.56e-7 0x1F \u0661\u0662 \u0967",
    "http://a.b/c?d=%20&e=f#g", "C:\\temp\\x_y__z",
    "\u00ad\u034f\u115f\u3164\uffa0", "a" * 300, "\U0001f436" * 60, "!?" * 80, "aaaa bbbb " * 40,
    "\u0301" * 50, "&amp;" * 40,
]
JOINTS = ["", "", " ", "\n", "\r", "\u200d", "\u0301", "&", ";", "<", "'", "\u00c2", "\ufffd", "\x1b["]


def captions(count, seed):
    """Each kind, then mixtures; the last ones grow with the count: 100 KB at 3,000."""
    chance = random.Random(seed)
    yield from KINDS
    for _ in range(count):
        parts = []
        for _ in range(chance.randint(1, 4)):
            part = chance.choice(KINDS)
            cut = chance.randrange(len(part) + 1) if chance.random() < 0.3 else len(part)
            parts += [part[:cut], chance.choice(JOINTS)]
        yield "".join(parts)
    yield "A long caption, \u00c3\u00a9 & \u201cquoted\u201d. " * (10 + count)
    yield "x" * (40 * count)
    yield "\u7d05\U0001f436\ufb01" * (5 * count)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 2026
    tokenizer = SimpleTokenizer()
    whitespace, canonical = get_clean_fn("whitespace"), get_clean_fn("canonicalize")
    for text in captions(count, seed):
        # A lone surrogate is no text outside Python.
        text = text.encode("utf-8", "replace").decode("utf-8")
        cleaned = (whitespace(text), canonical(text))
        print(json.dumps([text, tokenizer.encode(text), *cleaned]))


if __name__ == "__main__":
    main()
