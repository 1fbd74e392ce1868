"""A server of somebody else's making that speaks OpenAI's chat completions, as a process that a test starts,
kills and starts again."""

import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
KEY = "sk-a-key-for-a-real-server"
MODEL = "tiny-vlm"
# Tokens of a prompt and its answer together.
CONTEXT = 1024
STARTUP_MAX = 180


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class LlamaServer:
    """llama.cpp's server with two slots, so that four requests at a time wait for each other. `folder` is
    where make_model.py has left its model."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.log = self.folder / "server.log"
        self.port = free_port()
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self):
        command = [
            sys.executable, HERE / "llama_server.py", "--model", self.folder / "language.gguf",
            "--mmproj", self.folder / "vision.gguf", "--alias", MODEL, "--api-key", KEY,
            "--port", self.port, "--slots", 2, "--context", CONTEXT,
        ]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + STARTUP_MAX
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.2)

    def is_ready(self):
        request = urllib.request.Request(f"{self.url}/models", headers={"Authorization": f"Bearer {KEY}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            # Not yet bound, or bound and loading.
            return False

    def kill(self):
        """As a node that goes away would: without a word to anybody."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, body):
        """(status, answer) of a chat completion."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        request = urllib.request.Request(
            f"{self.url}/chat/completions", data=json.dumps(body).encode(), headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
