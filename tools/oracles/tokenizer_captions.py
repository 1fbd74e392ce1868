#!/usr/bin/env python3
"""Captions in many scripts, mutated as the web mutates them, with the tokens that open_clip gives them.

    tokenizer_captions.py COUNT [SEED]

Prints one JSON list [kind, text, tokens] a line. The kind is "mojibake" where ftfy's repair of wrongly
decoded text changes what comes out, "unassigned" where the cleaned text has a character that Python's Unicode
does not know, about whose class the regex module and our own library may differ, and "plain" otherwise.
"""

import html
import json
import random
import sys
import unicodedata

import ftfy
from open_clip.tokenizer import SimpleTokenizer

CAPTIONS = [
    "A photo of a small dog playing with a red ball in the garden.",
    "Buy 2 get 1 free | Summer Sale 50% off!!!",
    "it's what they'd call “vintage” — isn't it? We've 3 left, I'm sure you'll like 'em",
    "IMG_20190412_153045.jpg",
    "http://www.example.com/shop?id=12&cat=shoes#top",
    "Café crème à la carte, naïve façade, Île-de-France",
    "Straßenschild in München, größer als üblich",
    "¿Qué pasa? ¡El niño comió una piña!",
    "São Paulo às 10h, ação e emoção",
    "Zdjęcie żółtego domu w Łodzi",
    "Příliš žluťoučký kůň",
    "İstanbul'da güneşli bir gün, Iğdır",
    "Øl og smørrebrød i København",
    "Вид на Красную площадь, ёлка",
    "Київ, Європа і ґанок",
    "Ο Οδυσσέας και η θάλασσα",
    "紅いりんごが二つ。犬と猫",
    "カメラのレンズ 50mm F1.8",
    "中文标题：上海的夜景",
    "한국어 제목 서울의 밤",
    "الع\u064eر\u064eب\u0650ي\u064e\u0651ة ١٢٣",
    "עברית שלום",
    "हिन\u094dदी म\u0947\u0902 लिखा",
    "ไทยแลนด\u0e4c ๑๒",
    "Việt Nam đẹp lắm",
    "საქართველო",
    "Հայերեն",
    "🐶🏽\u200d💻 ❤\ufe0f 🇩🇪 party!",
    "Price: € 12,50 / £ 9.99 ™ ® © 2019",
    "10°C ± 0.5 µm × ½ – ∞",
    "fiﬁ ﬂow oﬃce Ĳsselmeer Ǆungla",
    "ＦＵＬＬ\u3000ｗｉｄｔｈ ｶﾞｷ",
    "<b>bold &amp; brash</b>",
    "AT&T R&D Q&A &c.",
    "a\u0328\u0301 e\u0301 Å 각 \u0344",
    "\u2028para\u2029graph\u0085next\r\nline",
]
ENCODINGS = [
    "latin-1", "sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253",
    "sloppy-windows-1254", "sloppy-windows-1257", "iso-8859-2", "macroman", "cp437",
]
CONTROLS = "\x00\x07\x0b\x0c\x1b\x1f\x7f\x80\x85\x93\x99\x9d\xa0\xad"
CONTROLS += "\u200b\u200d\u200e\u2060\u206a\ufeff\ufffc\ufffd"


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
        low, high = chance.choice([(0x20, 0x250), (0x250, 0xD800), (0x1F000, 0x20000)])
        character = chr(chance.randrange(low, high))
        # Python, the regex module and our own library follow different versions of Unicode.
        if unicodedata.category(character) == "Cn":
            return text
        return text[:position] + character + text[position:]
    if kind in (11, 12, 13):
        return misread(chance, text)
    if kind == 14:
        end = chance.randrange(position, len(text) + 1)
        return text[:position] + misread(chance, text[position:end]) + text[end:]
    if chance.random() < 0.5:
        return text.replace("\u00a0", " ").replace("\u009d", "\ufffd")
    return text[:position]


def mutated(chance):
    """A caption, changed up to three times."""
    text = chance.choice(CAPTIONS)
    for _ in range(chance.choice([0, 1, 1, 2, 2, 3])):
        text = mutate(chance, text)
    return text


def main():
    count = int(sys.argv[1])
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 2026)
    tokenizer = SimpleTokenizer()
    for _ in range(count):
        text = mutated(chance)
        changed = ftfy.fix_text(text) != ftfy.fix_text(text, fix_encoding=False)
        # As "©&#102019", whose reference took in the digits after it.
        unknown = any(unicodedata.category(character) == "Cn" for character in tokenizer.clean_fn(text))
        kind = "mojibake" if changed else "unassigned" if unknown else "plain"
        print(json.dumps([kind, text, tokenizer.encode(text)]))


if __name__ == "__main__":
    main()
