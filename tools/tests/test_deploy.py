"""deploy/: what Kubernetes' own schemas, systemd and the command itself say of the files there.

Run: python3 -m unittest discover tools/tests
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
VERSION = "1.31"

try:
    import kubernetes_validate
    import yaml

    MISSING = None
except ImportError as error:
    MISSING = f"{error.name} is not installed"


def documents(path):
    return [d for d in yaml.safe_load_all(path.read_text()) if d]


def resources():
    """Every resource of the base, the merge and its close, with its file."""
    for path in sorted(KUBERNETES.glob("*/*.yaml")):
        if path.name != "kustomization.yaml":
            for document in documents(path):
                yield path, document


def pods(resource):
    return resource["spec"]["template"]["spec"]


def containers():
    for path, resource in resources():
        if resource["kind"] in ("Job", "StatefulSet"):
            for container in pods(resource)["containers"]:
                yield path, container


@unittest.skipIf(MISSING, MISSING)
class KubernetesTests(unittest.TestCase):
    def test_every_resource_fits_the_schema(self):
        kinds = set()
        for path, resource in resources():
            kinds.add(resource["kind"])
            with self.subTest(f"{path.relative_to(ROOT)}: {resource['kind']}"):
                kubernetes_validate.validate(resource, VERSION, strict=True)
        self.assertLessEqual({"StatefulSet", "Service", "Job", "NetworkPolicy"}, kinds)

    def test_the_schema_finds_a_misspelt_field(self):
        resource = next(r for _, r in resources() if r["kind"] == "Job")
        resource["spec"]["podFailurePolicies"] = {}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(resource, VERSION, strict=True)

    def test_pods_are_locked_down(self):
        for path, resource in resources():
            if resource["kind"] not in ("Job", "StatefulSet"):
                continue
            pod = pods(resource)
            with self.subTest(str(path.relative_to(ROOT))):
                self.assertTrue(pod["securityContext"]["runAsNonRoot"])
                self.assertFalse(pod["automountServiceAccountToken"])
                for container in pod["containers"] + pod.get("initContainers", []):
                    context = container["securityContext"]
                    self.assertTrue(context["readOnlyRootFilesystem"])
                    self.assertFalse(context["allowPrivilegeEscalation"])
                    self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                    self.assertIn("memory", container["resources"]["limits"])
                    self.assertIn("cpu", container["resources"]["requests"])

    def test_volumes_that_are_mounted_are_declared_and_the_other_way_round(self):
        for path, resource in resources():
            if resource["kind"] not in ("Job", "StatefulSet"):
                continue
            pod = pods(resource)
            declared = {v["name"] for v in pod["volumes"]}
            declared |= {c["metadata"]["name"] for c in resource["spec"].get("volumeClaimTemplates", [])}
            everything = pod["containers"] + pod.get("initContainers", [])
            mounted = {m["name"] for c in everything for m in c["volumeMounts"]}
            self.assertEqual(declared, mounted, str(path.relative_to(ROOT)))

    def test_selectors_choose_the_pods_that_are_there(self):
        labels = [r["spec"]["template"]["metadata"]["labels"] for _, r in resources()
                  if r["kind"] in ("Job", "StatefulSet")]
        for path, resource in resources():
            spec = resource["spec"]
            selector = {"Service": lambda: spec["selector"],
                        "StatefulSet": lambda: spec["selector"]["matchLabels"],
                        "NetworkPolicy": lambda: spec["podSelector"]["matchLabels"]}.get(resource["kind"])
            if selector:
                chosen = selector().items()
                self.assertTrue(any(chosen <= found.items() for found in labels), str(path.relative_to(ROOT)))

    def test_an_overlay_changes_only_what_the_base_has(self):
        names = {(r["kind"], r["metadata"]["name"]) for _, r in resources()}
        for path in sorted(KUBERNETES.glob("overlays/*/kustomization.yaml")):
            overlay = documents(path)[0]
            for entry in overlay["resources"] + [p["path"] for p in overlay["patches"]]:
                self.assertTrue((path.parent / entry).exists(), f"{path}: {entry}")
            for patch in overlay["patches"]:
                resource = documents(path.parent / patch["path"])[0]
                self.assertIn((resource["kind"], resource["metadata"]["name"]), names)

    @unittest.skipUnless(shutil.which("kubectl"), "no kubectl to render the overlays with")
    def test_what_kustomize_renders_fits_the_schema(self):
        for path in sorted(KUBERNETES.glob("**/kustomization.yaml")):
            rendered = subprocess.run(["kubectl", "kustomize", path.parent], capture_output=True, text=True)
            self.assertEqual(rendered.returncode, 0, rendered.stderr)
            for resource in yaml.safe_load_all(rendered.stdout):
                kubernetes_validate.validate(resource, VERSION, strict=True)


class CommandTests(unittest.TestCase):
    """Flags in deploy/ are flags that the command has."""

    binary = os.environ.get("BOLSTER_BINARY")

    def flags(self, verb):
        if not self.binary:
            self.skipTest("BOLSTER_BINARY is not set")
        told = subprocess.run([self.binary, verb, "--help"], capture_output=True, text=True)
        self.assertEqual(told.returncode, 0, told.stderr)
        return set(re.findall(r"--[a-z0-9-]+", told.stdout))

    def check(self, place, verb, words):
        used = {re.match(r"--[a-z0-9-]+", w).group() for w in words if re.match(r"--[a-z]", w)}
        self.assertEqual(used - self.flags(verb), set(), f"{place}: bolster {verb} has no such flag")

    @unittest.skipIf(MISSING, MISSING)
    def test_kubernetes(self):
        for path, container in containers():
            verb, *words = container["args"]
            self.check(path.relative_to(ROOT), verb, words)

    def test_scripts_and_units(self):
        command = re.compile(r"bolster (coordinate|work|merge|verify|status|keys|retry) ((?:[^\n]|\\\n)*)")
        found = 0
        for path in sorted((ROOT / "deploy").rglob("*")):
            if path.suffix in (".sh", ".sbatch", ".service", ".md"):
                text = path.read_text().replace("\\\n", " ")
                for verb, words in command.findall(text):
                    self.check(path.relative_to(ROOT), verb, re.split(r"[\s`\"']+", words))
                    found += 1
        self.assertGreater(found, 6)

    def test_the_image_has_every_library_that_the_command_loads(self):
        if not self.binary or not shutil.which("dpkg"):
            self.skipTest("BOLSTER_BINARY is not set, or this is no Debian")
        told = subprocess.run(["ldd", self.binary], capture_output=True, text=True).stdout
        image = (ROOT / "deploy/container/Containerfile").read_text()
        owners = set()
        for library in re.findall(r"=> (/\S+)", told):
            if "/swift" in library:
                # The image's binary is linked with the static Swift library.
                continue
            owner = ""
            for place in (library, library.removeprefix("/usr"), os.path.realpath(library)):
                owner = owner or subprocess.run(["dpkg", "-S", place], capture_output=True, text=True).stdout
            if owner:
                owners.add(owner.split(":")[0])
        # In every Debian image, or brought by one of those that are named.
        everywhere = {"libc6", "libgcc-s1"}
        named = set(re.findall(r"\blib[a-z0-9.+-]+\b", image)) | {"zlib1g"}
        needed = subprocess.run(
            ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
             "--no-breaks", "--no-replaces", "--no-enhances", *sorted(n for n in named if "-dev" not in n)],
            capture_output=True, text=True,
        ).stdout
        brought = set(re.findall(r"^(\S+)$", needed, re.MULTILINE))
        self.assertGreater(len(owners), 8)
        self.assertEqual(owners - everywhere - named - brought, set())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_systemd_units(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in sorted((ROOT / "deploy/systemd").glob("*.service")):
                unit = pathlib.Path(folder) / path.name
                # The command and its user need not be installed where the test runs.
                text = path.read_text().replace("/usr/local/bin/bolster", "/bin/true")
                unit.write_text(text.replace("User=bolster", "User=root"))
                told = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
                self.assertEqual((told.returncode, told.stderr), (0, ""), path.name)


if __name__ == "__main__":
    unittest.main()
