#!/usr/bin/env python3
"""Breaks the lease protocol on purpose, one way after the other, and shows that tests and simulator notice.

    tools/mutations/mutations.py                  every mutation of mutations.toml; more than half an hour
    tools/mutations/mutations.py --only isolation only those whose name or promise has this text
    tools/mutations/mutations.py --check          only whether the table fits the sources, in a second

Each mutation is one replaced text in a copy of the sources, never in the sources themselves. What it names
has to fail: tests by a filter, the simulator, or both. One line is printed for each. Exit code 0: all were
caught; 1: one survived; 2: the table does not fit the sources, or the sources do not pass unchanged.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).with_name("mutations.toml")
TARGETS = ["bolster-simulator", "BolsterLeasingTests", "BolsterCoordinatorTests", "BolsterSimulationTests"]
FIELDS = {"name", "promise", "file", "old", "new", "tests", "simulator"}
# Of one build, and of one run of tests or simulator: whoever hangs has not noticed anything.
BUILD_SECONDS = 1_800
RUN_SECONDS = 600


def fail(message):
    print(message, file=sys.stderr)
    sys.exit(2)


def table():
    """The mutations, each checked against the sources as they are."""
    mutations = tomllib.loads(TABLE.read_text())["mutation"]
    problems = []
    for mutation in mutations:
        name = mutation.get("name", "?")
        if unknown := set(mutation) - FIELDS:
            problems.append(f"{name}: no such fields: {', '.join(sorted(unknown))}")
        if not mutation.get("tests") and not mutation.get("simulator"):
            problems.append(f"{name}: nothing is named that must catch it")
        count = (ROOT / "Sources" / mutation["file"]).read_text().count(mutation["old"])
        if count != 1:
            problems.append(f"{name}: its old text is {count} times in {mutation['file']}, not once")
    names = [mutation["name"] for mutation in mutations]
    problems += [f"{name}: named twice" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        fail("\n".join(problems))
    return mutations


class Scratch:
    """A copy of the package with only what is needed here; builds are incremental."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        kept = self.targets()
        self.copy_files(kept)
        names = ", ".join(json.dumps(name) for name in sorted(kept))
        self.write(
            "Package.swift",
            (ROOT / "Package.swift").read_text()
            + f"\nlet kept: Set<String> = [{names}]\n"
            + "package.targets = package.targets.filter { kept.contains($0.name) }\npackage.products = []\n",
        )
        self.write("Package.resolved", (ROOT / "Package.resolved").read_text())

    @staticmethod
    def targets():
        """TARGETS and what they need: each name with its folder."""
        dump = subprocess.run(
            ["swift", "package", "dump-package"], cwd=ROOT, check=True, capture_output=True, text=True)
        known = {target["name"]: target for target in json.loads(dump.stdout)["targets"]}
        kept, waiting = {}, list(TARGETS)
        while waiting:
            target = known[waiting.pop()]
            parent = "Tests" if target["type"] == "test" else "Sources"
            kept[target["name"]] = target.get("path") or f"{parent}/{target['name']}"
            needed = [one["byName"][0] for one in target["dependencies"] if "byName" in one]
            waiting += [name for name in needed if name in known and name not in kept]
        return kept

    def copy_files(self, kept):
        """Unchanged files keep their times, so that they are not built again."""
        wanted = set()
        for folder in kept.values():
            for path in (ROOT / folder).rglob("*"):
                if path.is_file():
                    relative = path.relative_to(ROOT)
                    wanted.add(relative)
                    self.write(relative, path.read_bytes())
        for parent in ["Sources", "Tests", "tools"]:
            for path in (self.folder / parent).rglob("*"):
                if path.is_file() and path.relative_to(self.folder) not in wanted:
                    path.unlink()

    def write(self, relative, content):
        content = content.encode() if isinstance(content, str) else content
        path = self.folder / relative
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def run(self, command, seconds):
        """Exit code (None: it did not end) and output."""
        process = subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            return None, process.communicate()[0]

    def build(self):
        return self.run(["swift", "build", "--build-tests"], BUILD_SECONDS)

    def tests(self, pattern):
        """What the tests say: whether they caught it, and the first of those that failed."""
        code, output = self.run(
            ["swift", "test", "--skip-build", "--disable-xctest", "--filter", pattern], RUN_SECONDS)
        ran = re.search(r"Test run with (\d+) tests?", output)
        if code == 0 and (not ran or ran[1] == "0"):
            fail(f"no test is called {pattern}")
        failed = re.findall(r'^✘ Test (?:"(.+?)"|(\w+\(.*?\))).* failed after', output, re.MULTILINE)
        names = [quoted or plain for quoted, plain in failed]
        return verdict(code, names[0] if names else "a crash", len(names))

    def simulate(self, seeds):
        code, output = self.run(
            [".build/debug/bolster-simulator", "--seeds", f"1..{seeds}", "--failures", "1"], RUN_SECONDS)
        found = re.search(r"^seed (\d+): ([a-z-]+)", output, re.MULTILINE)
        return verdict(code, f"{found[2]} in seed {found[1]}" if found else "a crash", 1)


def verdict(code, evidence, count):
    if code is None:
        return False, "hangs"
    if code == 0:
        return False, "passes"
    return True, evidence if count < 2 else f"{evidence} (+{count - 1})"


def judge(scratch, mutation, seeds):
    """Whether all that the mutation names notice it, and what each said."""
    code, output = scratch.build()
    if code != 0:
        errors = re.findall(r"error: .*", output)
        return False, ["does not build: " + (errors[0] if errors else "no reason given")]
    said, caught = [], True
    if pattern := mutation.get("tests"):
        is_caught, evidence = scratch.tests(pattern)
        caught &= is_caught
        said.append("tests: " + evidence)
    if mutation.get("simulator"):
        is_caught, evidence = scratch.simulate(seeds)
        caught &= is_caught
        said.append("simulator: " + evidence)
    return caught, said


def check_unchanged(scratch, mutations, seeds):
    """Unchanged sources pass all that the mutations have to fail."""
    unchanged = {"tests": "|".join(sorted({m["tests"] for m in mutations if m.get("tests")}))}
    unchanged["simulator"] = any(m.get("simulator") for m in mutations)
    code, output = scratch.build()
    if code != 0:
        fail("the sources do not build:\n" + output[-4_000:])
    if unchanged["tests"] and (result := scratch.tests(unchanged["tests"]))[1] != "passes":
        fail(f"tests of the unchanged sources: {result[1]}")
    if unchanged["simulator"] and (result := scratch.simulate(seeds))[1] != "passes":
        fail(f"the simulator on the unchanged sources: {result[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="part of a mutation's name or promise")
    parser.add_argument("--seeds", type=int, default=1_000, help="of the simulator, at most (1000)")
    parser.add_argument("--scratch", type=pathlib.Path, default=ROOT / ".build/mutations")
    parser.add_argument("--check", action="store_true", help="build and run nothing")
    arguments = parser.parse_args()
    everything = table()
    mutations = [
        mutation for mutation in everything
        if arguments.only.lower() in f"{mutation['promise']} {mutation['name']}".lower()]
    if not mutations:
        fail(f"no mutation has the text {arguments.only}")
    if arguments.check:
        print(f"{len(mutations)} mutations fit the sources")
        return
    began = time.monotonic()
    scratch = Scratch(arguments.scratch)
    check_unchanged(scratch, mutations, min(arguments.seeds, 100))
    survived = 0
    for mutation in mutations:
        path = pathlib.Path("Sources") / mutation["file"]
        sound = (ROOT / path).read_text()
        scratch.write(path, sound.replace(mutation["old"], mutation["new"]))
        try:
            caught, said = judge(scratch, mutation, arguments.seeds)
        finally:
            scratch.write(path, sound)
        survived += not caught
        print(
            f"{'caught  ' if caught else 'SURVIVED'} {mutation['promise']:<11} {mutation['name']}: "
            + "; ".join(said), flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{len(mutations)} mutations, {survived} survived, in {minutes:.0f} minutes")
    sys.exit(1 if survived else 0)


if __name__ == "__main__":
    main()
