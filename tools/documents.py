#!/usr/bin/env python3
"""Runs every command that a page of the documentation shows, in the page's order.

    python tools/documents.py PAGE.md… [--full]       BOLSTER_BINARY names the command that is tried

Each page gets a scratch folder that looks like a checkout: `tools`, `manifests` and `deploy` are there, and
`bolster` is on the path. Blocks of the language `sh` are run one after another in one shell, as a reader
would; the first command that fails, fails the page. A comment on the line before a block says otherwise:

    <!-- run: exit 2 -->                  it is meant to end with this status
    <!-- run: background -->              it goes on beside the blocks that follow, until the page ends
    <!-- run: full -->                    only with --full: it takes minutes
    <!-- run: elsewhere, tools/X.sh -->   it needs what is not here, and the named script of ours runs it

Blocks of other languages are shown and not run; `yaml NAME` and `python NAME` write the file NAME.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIMIT = 600
# Ends what runs beside the page, and names the block that failed.
FINISH = """\
finish() {
    local status=$? running
    running=$(jobs -p)
    [ -z "$running" ] || kill $running 2>/dev/null || true
    [ -z "$place" ] || { echo "$place: exit status $status" >&2; exit 1; }
}
place=
trap finish EXIT
"""
BLOCK = re.compile(
    r"(?:^<!-- run: (?P<how>[^\n]*?) -->\n)?^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclasses.dataclass
class Block:
    """One fenced block: what it holds, where it begins, how it is to be run."""

    language: str
    name: str | None
    text: str
    line: int
    how: str

    @property
    def status(self):
        """The exit status that the reader will see."""
        return int(self.how.removeprefix("exit ")) if self.how.startswith("exit ") else 0


def blocks(page):
    """The fenced blocks of a page, from the top."""
    text = page.read_text()
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("text"))
        how = match["how"] or ""
        if how and not re.fullmatch(r"exit \d+|background|full|elsewhere, (\S+)", how):
            raise SystemExit(f"{page}:{line}: no such way to run a block: {how}")
        if how.startswith("elsewhere, ") and not (ROOT / how.removeprefix("elsewhere, ")).exists():
            raise SystemExit(f"{page}:{line}: {how.removeprefix('elsewhere, ')} does not exist")
        yield Block(match["language"], match["name"], match["text"], line, how)


def script(page, full):
    """One shell script for the whole page, and how many of its blocks it runs."""
    # As in a reader's shell, the end of a pipe decides: `head` may close it early.
    lines = ["set -eu", FINISH]
    count = 0
    for block in blocks(page):
        if block.language in ("yaml", "python") and block.name:
            lines.append(f"cat >'{block.name}' <<'END_OF_FILE'\n{block.text}END_OF_FILE")
        if block.language != "sh" or block.how.startswith("elsewhere") or (block.how == "full" and not full):
            continue
        count += 1
        lines.append(f"place={page.name}:{block.line}\necho \"== $place\"")
        if block.how == "background":
            lines.append(f"(\n{block.text}) &")
        elif block.status:
            lines.append(f"status=0\n(\n{block.text}) || status=$?\n[ $status -eq {block.status} ]")
        else:
            lines.append(block.text)
    return "\n".join([*lines, "place="]) + "\n", count


def prepare(folder):
    """Makes the scratch folder and the environment in which a page is run."""
    binary = os.environ.get("BOLSTER_BINARY")
    if not binary:
        raise SystemExit("BOLSTER_BINARY is not set: it names the command that the pages are tried with")
    commands = folder / ".commands"
    commands.mkdir()
    (commands / "bolster").symlink_to(binary)
    for name in ("python", "python3"):
        # No link: an environment's interpreter finds its packages by where it lies.
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (commands / name).chmod(0o755)
    for name in ("tools", "deploy", ".tools"):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    environment = dict(os.environ, PATH=f"{commands}:{os.environ['PATH']}", NO_COLOR="1", HOME=str(folder))
    for name in [n for n in environment if n.startswith("AWS_")]:
        del environment[name]
    return environment


def run(page, full=False):
    """Runs a page; returns the number of blocks, what was printed, and whether all went as written."""
    text, count = script(page, full)
    with tempfile.TemporaryDirectory(prefix="bolster-page-") as place:
        folder = pathlib.Path(place)
        environment = prepare(folder)
        told = subprocess.run(
            ["bash", "-c", text], cwd=folder, env=environment, text=True, timeout=LIMIT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )
    return count, told.stdout, told.returncode == 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", type=pathlib.Path, nargs="+", metavar="PAGE")
    parser.add_argument("--full", action="store_true", help="also the blocks that take minutes")
    parser.add_argument("--show", action="store_true", help="print what the commands print")
    options = parser.parse_args()
    failed = 0
    for page in options.pages:
        count, printed, good = run(page, options.full)
        failed += not good
        print(f"{'ok' if good else 'FAIL':5}{page.name}: {count} blocks")
        if options.show or not good:
            print(printed)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
