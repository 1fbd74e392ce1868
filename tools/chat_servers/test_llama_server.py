"""`bolster run` against a real server of chat completions: llama.cpp's, with a model of random weights.

Run by tools/chat_servers/test.sh, which makes the environment and sets BOLSTER_BINARY.
"""

import base64
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tools")]

import make_model  # noqa: E402
import read_records  # noqa: E402
import servers  # noqa: E402

BINARY = os.environ.get("BOLSTER_BINARY")
SHARD = ROOT / "manifests/demo/shards/0000.tar"
PROMPTS = ["Describe it.", "What is it? Answer in one line."]
TOKENS = 12
# What llama.cpp cannot decode where there is no ffmpeg.
UNREADABLE = "webp"


def pictures():
    """{key: (extension, bytes)} of the shard."""
    found = {}
    with tarfile.open(SHARD) as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            if extension in ("jpg", "png", "webp"):
                found[key] = (extension, tar.extractfile(member).read())
    return found


def question(prompt, image, seed=1):
    """The body that the client must send; with a temperature of 0 the seed makes no difference."""
    extension, data = image
    media = {"jpg": "jpeg"}.get(extension, extension)
    url = f"data:image/{media};base64,{base64.b64encode(data).decode()}"
    parts = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": url}}]
    return {
        "model": servers.MODEL, "messages": [{"role": "user", "content": parts}], "seed": seed,
        "temperature": 0, "max_tokens": TOKENS,
    }


@unittest.skipUnless(BINARY, "tools/chat_servers/test.sh sets BOLSTER_BINARY")
class LlamaServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = tempfile.TemporaryDirectory()
        make_model.write(pathlib.Path(cls.model.name))
        cls.server = servers.LlamaServer(cls.model.name)
        cls.server.start()
        cls.pictures = pictures()

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()
        cls.model.cleanup()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def run_bolster(self, out, key=servers.KEY, **changes):
        captioner = {
            "name": "vlm", "endpoint": self.server.url, "model_id": servers.MODEL, "prompt": PROMPTS,
            "captions": 2, "concurrency": 4, "keep": "everything",
            "sampling": {"temperature": 0, "max_tokens": TOKENS}, **changes,
        }
        manifest = self.path / f"{out}.yaml"
        # JSON is YAML.
        manifest.write_text(json.dumps({
            "name": "real", "seed": 5, "chunk": 16, "output": "out", "input": {"shards": str(SHARD)},
            "captioners": [captioner], "leases": {"attempts": 2},
        }))
        environment = {**os.environ, "BOLSTER_CAPTIONER_KEY": key}
        return subprocess.run(
            [BINARY, "run", str(manifest), "--workers", "1", "--output", str(self.path / out)],
            env=environment, capture_output=True, text=True, timeout=600, check=False)

    def done(self, out, **changes):
        """A run that ends well; its captions by key."""
        result = self.run_bolster(out, **changes)
        self.assertEqual(result.returncode, 0, result.stderr)
        found = {}
        with tarfile.open(self.path / out / "dataset/0000.tar") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                if extension == "syn.json":
                    found[key] = json.load(io.TextIOWrapper(tar.extractfile(member)))["syn_text_vlm"]
        return found

    def log(self, out):
        return (self.path / out / "logs/worker-0.log").read_text()

    def tokens(self, out):
        coverage = json.loads((self.path / out / "dataset/coverage.json").read_text())
        return coverage["tokens"]["captions.syn_text_vlm"]

    def skips(self, out):
        """{key: (reason, detail)} of the record files."""
        found = {}
        for file in (self.path / out).rglob("*.records"):
            record = read_records.RecordFile(file.read_bytes())
            found |= {key: skip for key, skip in zip(record.keys, record.skips) if skip}
        return found

    def answer(self, prompt, image):
        status, answer = self.server.ask(question(prompt, image))
        self.assertEqual(status, 200, answer)
        return answer["choices"][0], answer["usage"]

    def test_every_sample_gets_what_the_server_says_itself_and_its_tokens_are_counted(self):
        captions = self.done("out")
        skipped = self.skips("out")
        self.assertEqual(set(captions) | set(skipped), set(self.pictures))
        usage = {"prompt": 0, "completion": 0, "cut": 0}
        for key, texts in captions.items():
            for prompt, text in zip(PROMPTS, texts, strict=True):
                choice, told = self.answer(prompt, self.pictures[key])
                self.assertEqual(text, choice["message"]["content"].strip(), key)
                usage["prompt"] += told["prompt_tokens"]
                usage["completion"] += told["completion_tokens"]
                usage["cut"] += choice["finish_reason"] == "length"
        self.assertGreater(len(captions), 50)
        self.assertGreater(usage["cut"], 0)
        self.assertEqual(self.tokens("out"), usage)
        # It sees the image, and reads the prompt.
        self.assertGreater(len({first for first, _ in captions.values()}), len(captions) * 0.8)
        self.assertGreater(sum(first != second for first, second in captions.values()), len(captions) * 0.8)

    def test_an_image_is_in_the_prompt(self):
        image = next(image for image in self.pictures.values() if image[0] == "jpg")
        _, with_image = self.answer(PROMPTS[0], image)
        body = question(PROMPTS[0], image)
        del body["messages"][0]["content"][1]
        _, without = self.server.ask(body)
        added = with_image["prompt_tokens"] - without["usage"]["prompt_tokens"]
        # The line's end that joins prompt and image is one more.
        self.assertIn(added - make_model.IMAGE_TOKENS, (0, 1))

    def test_what_the_server_cannot_read_is_skipped_with_its_words(self):
        captions = self.done("out", captions=1, prompt=PROMPTS[0])
        skips = self.skips("out").items()
        refused = {key: detail for key, (why, detail) in skips if why == "endpoint_refused"}
        self.assertGreater(len(refused), 0)
        for key, detail in refused.items():
            self.assertEqual(self.pictures[key][0], UNREADABLE)
            status, words = self.server.ask(question(PROMPTS[0], self.pictures[key]))
            self.assertEqual(status, 400, words)
            self.assertIn(words["error"]["message"], detail)
        self.assertEqual([key for key in captions if self.pictures[key][0] == UNREADABLE], [])
        self.assertNotIn("unit failed", self.log("out"))

    def test_each_caption_is_drawn_with_a_seed_of_its_own_and_a_run_repeats_it(self):
        changes = {
            "captions": 3, "prompt": PROMPTS[0], "sampling": {"temperature": 1.5, "max_tokens": TOKENS}}
        first, second = self.done("a", **changes), self.done("b", **changes)
        self.assertEqual(set(first), set(second))
        self.assertGreater(sum(len(set(texts)) == 3 for texts in first.values()), len(first) * 0.9)
        # What shares a batch changes the last bits of a probability, and seldom a word.
        self.assertGreater(sum(first[key] == second[key] for key in first), len(first) * 0.9)

    def test_a_killed_server_that_comes_back_costs_no_attempt(self):
        found = []
        run = threading.Thread(target=lambda: found.append(self.done("out", outage=1, concurrency=1)))
        run.start()
        end = time.monotonic() + 120
        while not list((self.path / "out").rglob("*.records")) and time.monotonic() < end:
            time.sleep(0.005)
        self.assertTrue(run.is_alive(), "the run was over before the server was killed")
        self.server.kill()
        time.sleep(4)
        self.server.start()
        run.join()
        self.assertEqual(len(found), 1, "the run failed; what it said is above")
        self.assertGreater(len(found[0]), 50)
        self.assertIn("the captioner's endpoint gives no answer", self.log("out"))
        self.assertNotIn("unit failed", self.log("out"))

    def test_a_wrong_key_is_told_and_no_unit_pays_for_it(self):
        result = self.run_bolster("out", key="sk-another-key-than-theirs")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("answered 401: Invalid API Key", result.stderr)
        self.assertNotIn("sk-another", result.stderr + self.log("out"))
        self.assertGreater(len(self.done("out")), 50)

    def test_a_wrong_address_is_told_with_what_to_look_at(self):
        result = self.run_bolster("out", endpoint=self.server.url + "/v2")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("/v1/v2/chat/completions answered 404", result.stderr)
        self.assertIn("base URL", result.stderr)

    def test_a_prompt_that_fits_no_context_ends_the_unit_with_the_servers_words(self):
        result = self.run_bolster("out", prompt="word " * servers.CONTEXT, captions=1)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("captioned none of 16 samples in a row", self.log("out"))
        self.assertIn("exceeds the available context size", self.log("out"))


if __name__ == "__main__":
    unittest.main()
