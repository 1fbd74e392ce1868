#!/usr/bin/env python3
"""A server of OpenAI's chat completions with images, as strict as a real one and as unreliable as asked.

    chat_server.py [--model NAME] [--key KEY]      prints its port on standard output and serves until killed

Every request is checked: path, header, key, model, the form of the messages, base64, and that the image's
first bytes are those of its media type. What is wrong gets the status a real server gives, and is counted.
Captions follow from the image's digest, the prompt and the seed alone.

    POST /v1/chat/completions
    GET  /stats      counts since the last /faults: requests, statuses, violations, most at once, seeds
    POST /faults     {"FAULT": [K, TIMES], …}: images whose digest is 0 modulo K meet FAULT at their first
                     TIMES requests. FAULT is one of busy (429 with Retry-After: 1), loading (503), broken
                     (500), cut (the connection breaks), garbage (no JSON), slow (no answer for SLOW
                     seconds), refused (400), empty (no words), denied (401, repeating the key), later (429
                     with a Retry-After date two seconds ahead), wrapped (an error under status 200), none (no
                     choices), declined (a refusal in the place of words), parts (the words as a list of
                     parts), odd (counts and a finish_reason that make no sense), huge (17 MiB), long (a text
                     of 100 KB), echo (the key as the caption), drip (a byte every tenth of a second), reset
                     (a TCP reset in mid-answer), terminal (500 with a terminal's orders), moved (a
                     redirect), thought (reasoning alone, cut off), thinking (reasoning between marks before
                     the words), length (the words, cut off).
"""

import argparse
import base64
import collections
import hashlib
import http.server
import json
import socket
import struct
import threading
import time
from email.utils import formatdate

SIGNATURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "image/webp": b"RIFF"}
STATUSES = {
    "busy": 429, "later": 429, "loading": 503, "broken": 500, "terminal": 500, "refused": 400, "denied": 401,
    "moved": 308,
}
# Faults under status 200 whose answer is no caption.
UNANSWERED = {
    "cut", "slow", "garbage", "wrapped", "none", "declined", "huge", "long", "echo", "drip", "reset", "empty",
    "thought",
}
SLOW = 3.0


class Wrong(Exception):
    """A request that a strict server does not take: the status it answers, and why."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class State:
    """What the requests' threads share."""

    def __init__(self, model, key):
        self.model, self.key = model, key
        self.lock = threading.Lock()
        self.reset({})

    def reset(self, faults):
        self.faults = faults
        self.met = collections.Counter()
        self.statuses = collections.Counter()
        self.violations = []
        self.seeds = []
        self.now = self.most = 0

    def fault(self, digest):
        """The fault that this image meets now, if any."""
        number = int(digest[:8], 16)
        for name, (k, times) in self.faults.items():
            if number % k == 0 and self.met[name, digest] < times:
                self.met[name, digest] += 1
                return name
        return None


def require(condition, message, status=400):
    if not condition:
        raise Wrong(status, message)


def image_of(part):
    """The bytes of an image_url part, whose every detail must be right."""
    require(set(part) == {"type", "image_url"} and set(part["image_url"]) == {"url"}, "keys of image_url")
    head, comma, data = part["image_url"]["url"].partition(",")
    require(comma and head.startswith("data:") and head.endswith(";base64"), "no data URI in base64")
    media = head[len("data:"):-len(";base64")]
    require(media in SIGNATURES, f"media type {media}")
    image = base64.b64decode(data, validate=True)
    require(image.startswith(SIGNATURES[media]), f"these bytes are no {media}")
    return image


def question(body, model):
    """(prompt, image, seed) of a request body."""
    require(body.get("model") == model, f"the model {body.get('model')!r} does not exist", 404)
    allowed = {"model", "messages", "seed", "temperature", "top_p", "max_tokens"}
    require(set(body) <= allowed, f"unknown keys {set(body) - allowed}")
    require(isinstance(body.get("seed"), int) and 0 <= body["seed"] < 2**31, "seed")
    for name, low, high in [("temperature", 0, 100), ("top_p", 0, 1), ("max_tokens", 1, 1 << 20)]:
        if name in body:
            require(isinstance(body[name], (int, float)) and low <= body[name] <= high, name)
    require(len(body["messages"]) == 1 and body["messages"][0]["role"] == "user", "one message of the user")
    text, image = body["messages"][0]["content"]
    require(set(text) == {"type", "text"} and text["type"] == "text" and text["text"], "the prompt")
    require(image["type"] == "image_url", "the image")
    return text["text"], image_of(image), body["seed"]


def caption(prompt, digest, seed):
    return f"\n A drawing {digest[:6]} for {len(prompt)} letters and seed {seed}. It has a second sentence."


def completion(fault, text, given, model):
    """An answer's object: as it should be, or as `fault` says."""
    words = {
        "empty": "", "huge": "word " * (17 << 18), "long": "word " * 20_000, "declined": None,
        "echo": f"My key is {given}", "thought": None, "thinking": f"<think>\nA key. Or not.\n</think>{text}",
        "parts": [{"type": "text", "text": text}, {"type": "image", "n": 1}],
    }
    message = {"role": "assistant", "content": words.get(fault, text)}
    if fault == "declined":
        message["refusal"] = "I cannot describe\x1b[2J people."
    answer = {
        "id": "c", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 12, "total_tokens": 112},
    }
    if fault == "thought":
        message["reasoning_content"] = "The user wants"
    if fault in ("thought", "length"):
        answer["choices"][0]["finish_reason"] = "length"
    if fault == "none":
        answer["choices"] = []
    if fault == "odd":
        answer["choices"][0]["finish_reason"] = 7
        answer["usage"] = {"prompt_tokens": 9223372036854775807, "completion_tokens": "many"}
    return answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        state = self.state
        with state.lock:
            stats = {
                "statuses": state.statuses, "violations": state.violations, "most": state.most,
                "requests": sum(state.statuses.values()), "seeds": state.seeds,
            }
            self.reply(200, stats)

    def do_POST(self):
        state = self.state
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/faults":
            with state.lock:
                state.reset(json.loads(body))
            return self.reply(200, {})
        with state.lock:
            state.now += 1
            state.most = max(state.most, state.now)
        try:
            self.complete(body)
        except Wrong as wrong:
            with state.lock:
                state.statuses[wrong.status] += 1
                state.violations.append(str(wrong))
            self.reply(wrong.status, {"error": {"message": str(wrong), "type": "invalid_request_error"}})
        except (KeyError, TypeError, ValueError) as error:
            with state.lock:
                state.statuses[400] += 1
                state.violations.append(repr(error))
            self.reply(400, {"error": {"message": repr(error)}})
        finally:
            with state.lock:
                state.now -= 1

    def complete(self, body):
        state = self.state
        require(self.path == "/v1/chat/completions", f"no such path: {self.path}", 404)
        require(self.headers["Content-Type"] == "application/json", "Content-Type", 415)
        given = self.headers["Authorization"]
        require(given == (f"Bearer {state.key}" if state.key else None), f"wrong key {given}", 401)
        prompt, image, seed = question(json.loads(body), state.model)
        digest = hashlib.sha256(image).hexdigest()
        time.sleep(0.005)
        with state.lock:
            fault = state.fault(digest)
            status = STATUSES.get(fault, 200)
            state.statuses[fault if fault in UNANSWERED - {"empty"} else status] += 1
            if status == 200 and fault not in UNANSWERED - {"empty"}:
                state.seeds.append(seed)
        self.answer(fault, status, caption(prompt, digest, seed), given)

    def answer(self, fault, status, text, given):
        if fault in ("cut", "drip", "reset"):
            return self.break_off(fault)
        if fault == "slow":
            time.sleep(SLOW)
        if fault == "garbage":
            return self.reply(200, "<html>gateway</html>")
        if fault == "wrapped":
            return self.reply(200, {"error": {"message": f"upstream is gone for {given}", "code": 502}})
        if status != 200:
            date = formatdate(time.time() + 2, usegmt=True)
            headers = {
                "busy": {"Retry-After": "1"}, "later": {"Retry-After": date},
                "moved": {"Location": "https://elsewhere.example/v1/chat/completions"},
            }
            words = "\x1b[2J\x1b]0;owned\x07 " if fault == "terminal" else ""
            # The key late enough that a cut message would end inside it.
            return self.reply(
                status, {"error": {"message": f"{fault}: {words}{'x' * 230} {given}"}}, headers.get(fault))
        self.reply(200, completion(fault, text, given, self.state.model))

    def break_off(self, fault):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.wfile.flush()
        self.close_connection = True
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        for _ in range(100 if fault == "drip" else 0):
            time.sleep(0.1)
            self.wfile.write(b" ")
            self.wfile.flush()

    def reply(self, status, value, headers=None):
        data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.connections = set()

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self):
        """Ends the connections too, which would be answered for as long as they are kept."""
        super().server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The other side was quicker.
                pass

    def handle_error(self, *_):
        # A client that went away is no news.
        pass


def serve(model="tiny-vlm", key="", port=0):
    """A server that listens already; `server_address[1]` is its port. Run `serve_forever` on a thread."""
    handler = type("BoundHandler", (Handler,), {"state": State(model, key)})
    return Server(("127.0.0.1", port), handler)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="tiny-vlm")
    parser.add_argument("--key", default="")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    server = serve(arguments.model, arguments.key, arguments.port)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
