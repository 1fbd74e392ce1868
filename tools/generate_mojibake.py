#!/usr/bin/env python3
"""Writes Sources/BolsterInference/MojibakeTables.swift: which characters hint at text decoded wrongly.

The classes of characters are those of ftfy 6.3.1 (Robyn Speer, Apache License 2.0), whose repairs OpenCLIP's
tokenizers make; the code pages are Python's own. Needs ftfy installed; run it from the checkout's root.
"""

import pathlib
import re
import textwrap

import ftfy.bad_codecs  # noqa: F401  registers the code pages that leave no byte undefined
from ftfy.badness import MOJIBAKE_CATEGORIES
from ftfy.chardata import CHARMAP_ENCODINGS, UTF8_CLUES

HEADER = '''// Made by tools/generate_mojibake.py from ftfy 6.3.1 (Robyn Speer, Apache License 2.0).

/// Classes of characters in which UTF-8 shows up when it was decoded as something else, and the code pages
/// that it is most often mistaken for.
enum MojibakeTables {
'''


def swift_name(name):
    head, *tail = re.split("[_-]", name)
    return head + "".join(part.capitalize() for part in tail)


def ranges(characters):
    """A class as regular expressions write it, as sorted ranges of numbers."""
    members = [c for c in map(chr, range(0x110000)) if re.match(f"[{characters}]", c)]
    result = []
    for number in map(ord, members):
        if result and result[-1][1] == number - 1:
            result[-1][1] = number
        else:
            result.append([number, number])
    return " ".join(f"{low:x}" if low == high else f"{low:x}-{high:x}" for low, high in result)


def literal(text):
    lines = textwrap.wrap(text, width=98)
    return "".join(f"        {line} \\\n" for line in lines[:-1]) + f"        {lines[-1]}\n"


def main():
    parts = [HEADER]
    for name, characters in {**MOJIBAKE_CATEGORIES, **UTF8_CLUES}.items():
        parts.append(f'    static let {swift_name(name)} = """\n{literal(ranges(characters))}        """\n\n')
    pages = []
    for encoding in CHARMAP_ENCODINGS:
        page = bytes(range(0x80, 0x100)).decode(encoding)
        numbers = literal(" ".join(f"{ord(character):x}" for character in page))
        pages.append(f'        // {encoding}\n        """\n{numbers}        """,\n')
    parts.append("    /// Bytes 0x80 to 0xFF of each code page, in the order in which they are tried.\n")
    parts.append("    static let codePages = [\n" + "".join(pages) + "    ]\n}\n")
    pathlib.Path("Sources/BolsterInference/MojibakeTables.swift").write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
