#!/usr/bin/env python3
"""Writes the reference of all verbs and flags from what the command says of itself.

    python tools/command_line.py BOLSTER           writes Sources/bolster/bolster.docc/CommandLine.md
    python tools/command_line.py BOLSTER --check   exit code 1 when that page is not what would be written
"""

import argparse
import json
import pathlib
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "Sources/bolster/bolster.docc/CommandLine.md"
HEAD = """\
# The command line

Every verb and flag, written by `tools/command_line.py` from what `bolster` says of itself; `bolster VERB
--help` shows the same. The manifest decides bytes, flags decide where and how fast.

| exit code | meaning |
|---|---|
| 0 | all done |
| 1 | it failed |
| 2 | done, but units are quarantined, or a check found faults |
| 3 | stopped before the end: start the same command again to go on |
| 4 | refused by the coordinator |
| 64 | wrong usage |
"""


def spelled(argument):
    """How it is written on a command line."""
    value = argument.get("valueName", "value").upper()
    if argument["kind"] == "positional":
        return f"{value}…" if argument["isRepeating"] else value
    names = ", ".join(("--" if n["kind"] == "long" else "-") + n["name"] for n in argument["names"])
    more = "…" if argument["isRepeating"] else ""
    return names if argument["kind"] == "flag" else f"{names} {value}{more}"


def explained(argument):
    """Its help, whether it is needed, and its default."""
    text = argument.get("abstract", "").strip()
    default = argument.get("defaultValue")
    if default not in (None, "") and "efault" not in text:
        text += f" Default: {default}."
    if not argument["isOptional"] and argument["kind"] == "option":
        text += " Required."
    return text.replace("|", "\\|").replace("\n", " ")


def wrapped(text):
    """The lines of a discussion, none over 100 columns; indented ones are examples and stay."""
    for line in text.rstrip().split("\n"):
        yield from [line] if line.startswith(" ") else textwrap.wrap(line, 100) or [""]


def section(command, path):
    """A verb and the verbs under it."""
    name = " ".join([*path, command["commandName"]])
    lines = [f"\n{'#' * (len(path) + 1)} {name}\n", command.get("abstract", "")]
    if command.get("discussion"):
        lines += ["", "```text", *wrapped(command["discussion"]), "```"]
    shown = [a for a in command.get("arguments", [])
             if a["shouldDisplay"] and a.get("valueName") not in ("help", "version")]
    if shown:
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| `{spelled(a)}` | {explained(a)} |" for a in shown]
    under = [c for c in command.get("subcommands", []) if c["commandName"] != "help" and c["shouldDisplay"]]
    return "\n".join(lines) + "\n" + "".join(section(c, [*path, command["commandName"]]) for c in under)


def page(bolster):
    told = subprocess.run([bolster, "--experimental-dump-help"], capture_output=True, text=True, check=True)
    root = json.loads(told.stdout)["command"]
    verbs = [c for c in root["subcommands"] if c["commandName"] != "help" and c["shouldDisplay"]]
    return HEAD + "".join(section(c, ["bolster"]) for c in verbs)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bolster", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = page(options.bolster.resolve())
    if not options.check:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        sys.exit(f"{PAGE.relative_to(ROOT)} is not what the command says: run tools/command_line.py again")


if __name__ == "__main__":
    main()
