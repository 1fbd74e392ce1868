"""Every command of the documentation works as it stands, and no page links into the void.

Run: python3 -m unittest discover tools/tests
"""

import os
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import documents  # noqa: E402 - it lies beside this folder

PAGES = sorted((ROOT / "Sources").glob("*/*.docc/*.md"))
MARKDOWN = PAGES + [ROOT / "README.md", *sorted((ROOT / "deploy").rglob("*.md"))]


class DocumentTests(unittest.TestCase):
    @unittest.skipUnless(os.environ.get("BOLSTER_BINARY"), "BOLSTER_BINARY is not set")
    def test_every_command_of_every_page_works(self):
        full, total = bool(os.environ.get("BOLSTER_FULL")), 0
        for page in PAGES:
            if documents.script(page, full)[1]:
                with self.subTest(page.name):
                    count, printed, good = documents.run(page, full)
                    total += count
                    self.assertTrue(good, printed)
        self.assertGreater(total, 20)

    def test_links_lead_somewhere(self):
        names = {page.stem for page in PAGES}
        for page in MARKDOWN:
            text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
                if "://" not in target:
                    self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")
            for target in re.findall(r"<doc:([A-Za-z]+)>", text):
                self.assertIn(target, names, page.name)

    def test_a_failing_command_fails_its_page(self):
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "Page.md"
            page.write_text("Text.\n\n```sh\ntrue\nfalse\n```\n")
            self.assertEqual(documents.script(page, False)[1], 1)
            if os.environ.get("BOLSTER_BINARY"):
                self.assertFalse(documents.run(page)[2])
                page.write_text("<!-- run: exit 3 -->\n```sh\nexit 3\n```\n")
                self.assertTrue(documents.run(page)[2])


if __name__ == "__main__":
    unittest.main()
