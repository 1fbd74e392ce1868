#!/usr/bin/env python3
"""Writes Sources/BolsterInference/HTMLEntityTable.swift from Python's copy of the HTML5 entity list.

The list itself is the WHATWG HTML Living Standard's table of named character references (section 13.5).
Run it from the checkout's root; the output is committed and only changes if the standard's table does.
"""

import html.entities
import pathlib
import textwrap

HEADER = '''// Made by tools/generate_entities.py; do not edit.

/// HTML's named character references (WHATWG HTML, section 13.5).
///
/// `name=scalars` in hexadecimal, two scalars joined by a dot; a star marks a name that also counts without
/// its semicolon.
enum HTMLEntityTable {
    static let text = """
'''


def main() -> None:
    known = html.entities.html5
    words = []
    for name in sorted(name[:-1] for name in known if name.endswith(";")):
        scalars = ".".join(f"{ord(character):x}" for character in known[name + ";"])
        words.append(f"{name}={scalars}{'*' if name in known else ''}")
    lines = textwrap.wrap(" ".join(words), width=98, break_long_words=False, break_on_hyphens=False)
    body = "".join(f"        {line} \\\n" for line in lines[:-1]) + f"        {lines[-1]}\n"
    target = pathlib.Path("Sources/BolsterInference/HTMLEntityTable.swift")
    target.write_text(HEADER + body + '        """\n}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
