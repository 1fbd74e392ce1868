"""Every ready manifest is planned as it stands, with the demo's shards and models in place of its own.

Run: python3 -m unittest discover tools/tests
"""

import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "manifests" / "demo"

try:
    import yaml

    MISSING = None
except ImportError as error:
    MISSING = f"{error.name} is not installed"


@unittest.skipIf(MISSING, MISSING)
@unittest.skipUnless(os.environ.get("BOLSTER_BINARY"), "BOLSTER_BINARY is not set")
class ManifestTests(unittest.TestCase):
    def test_each_is_planned(self):
        manifests = sorted((ROOT / "manifests").glob("*.yaml"))
        self.assertGreaterEqual(len(manifests), 7)
        for path in manifests:
            with self.subTest(path.name), tempfile.TemporaryDirectory() as folder:
                manifest = yaml.safe_load(path.read_text())
                manifest["input"] = {"shards": str(DEMO / "shards" / "*.tar")}
                manifest["output"] = folder + "/out"
                for captioner in manifest.get("captioners", []):
                    if "model" in captioner:
                        captioner["model"] = str(DEMO / "models" / "captioner-a")
                if "ensemble" in manifest:
                    teachers = manifest["ensemble"]["teachers"]
                    demo = [str(DEMO / "models" / name) for name in ("teacher-a", "teacher-b")]
                    manifest["ensemble"]["teachers"] = demo[: len(teachers)]
                copy = pathlib.Path(folder) / path.name
                copy.write_text(yaml.safe_dump(manifest))
                told = subprocess.run(
                    [os.environ["BOLSTER_BINARY"], "plan", copy], capture_output=True, text=True
                )
                self.assertEqual(told.returncode, 0, told.stderr)
                self.assertIn("4 shards", told.stdout)


if __name__ == "__main__":
    unittest.main()
