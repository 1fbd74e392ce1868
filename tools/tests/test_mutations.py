"""The table of mutations fits the sources: a text that is no longer there would break nothing."""

import pathlib
import re
import subprocess
import sys
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tools/mutations"


class MutationTableTests(unittest.TestCase):
    def setUp(self):
        self.mutations = tomllib.loads((FOLDER / "mutations.toml").read_text())["mutation"]

    def test_every_old_text_is_once_in_its_file(self):
        done = subprocess.run(
            [sys.executable, FOLDER / "mutations.py", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_promise_is_broken_in_some_way(self):
        promises = {mutation["promise"] for mutation in self.mutations}
        self.assertEqual({f"promise {number}" for number in range(1, 8)} - promises, set())

    def test_every_filter_names_tests_that_are_there(self):
        folders = ["BolsterLeasingTests", "BolsterCoordinatorTests", "BolsterSimulationTests"]
        text = "".join(
            path.read_text() for folder in folders for path in (ROOT / "Tests" / folder).glob("*.swift"))
        for mutation in self.mutations:
            for pattern in filter(None, mutation.get("tests", "").split("|")):
                suite, _, function = pattern.removeprefix("BolsterSimulationTests.").partition("/")
                self.assertRegex(text, rf"struct {re.escape(suite)}\b", mutation["name"])
                if function:
                    self.assertRegex(text, rf"func {re.escape(function)}\b", mutation["name"])


if __name__ == "__main__":
    unittest.main()
