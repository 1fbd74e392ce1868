"""An S3 server for tests: moto behind a front that verifies signatures and does harm on request.

    s3_server.py [PEM]      prints its port, serves until its standard input ends; over TLS with a certificate

The bucket "bucket" is there. Keys, region and token are those of `KEYS` below. Control, unsigned:

    POST /_control/fault    {"method": "GET", "match": "in the path", "kind": …, "times": 2, "after": 1000}
    POST /_control/region   us-west-2 in the body: requests signed for another one are refused
    GET  /_control/log      the requests so far, one JSON object a line
    POST /_control/clear    forgets faults and log

Kinds of fault: "status" (with "status" and S3's word in "code"), "reset" (after so many bytes of the body),
"truncate" (an early end after so many bytes), "stall" (silence after so many bytes), "lost" (the request is
done and its answer is a reset), "slow" (a fifth of a second before each 64 KiB), "late" (so many milliseconds
before the answer).
"""

import hashlib
import http.client
import http.server
import json
import logging
import re
import socket
import ssl
import struct
import sys
import threading
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import moto.server

KEYS = {"AKIDEXAMPLE": ("a secret/with+signs", None), "ASIAEXAMPLE": ("temporary", "a token/with=signs")}
REGION = "eu-test-1"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


class State:
    lock = threading.Lock()
    faults = []
    log = []
    region = REGION
    moto_address = None


def refusal_of(handler, body):
    """S3's word for what is wrong with a request's signature; None where it holds."""
    headers = handler.headers
    match = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not match:
        return "AccessDenied"
    key_id, day, region, service, names, signature = match.groups()
    if key_id not in KEYS:
        return "InvalidAccessKeyId"
    if region != State.region or service != "s3":
        return "AuthorizationHeaderMalformed"
    secret, token = KEYS[key_id]
    if headers.get("x-amz-security-token") != token:
        return "InvalidToken"
    if headers.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
        return "XAmzContentSHA256Mismatch"
    stamp = headers.get("x-amz-date", "")
    sent = time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.timezone
    if abs(sent - time.time()) > 900:
        return "RequestTimeTooSkewed"
    signed = {name: headers[name] for name in names.split(";")}
    # What S3 wants signed beside the host.
    if any(name.startswith("x-amz-") and name not in signed for name in map(str.lower, headers)):
        return "AccessDenied"
    request = botocore.awsrequest.AWSRequest(
        method=handler.command, url=f"http://{headers['host']}{handler.path}", headers=signed
    )
    request.context["timestamp"] = stamp
    credentials = botocore.credentials.Credentials(key_id, secret, token)
    auth = botocore.auth.S3SigV4Auth(credentials, "s3", region)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return None if expected == signature and stamp.startswith(day) else "SignatureDoesNotMatch"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Silent: the test's own log is asked for."""

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        headers = [("x-amz-bucket-region", State.region)] if code == "AuthorizationHeaderMalformed" else []
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a &lt;test&gt;</Message></Error>"
        self.reply(status, text.encode(), headers)

    def reset(self):
        """Closes so that the peer sees a reset, not an end."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def control(self, body):
        command = self.path.rsplit("/", 1)[1]
        with State.lock:
            if command == "fault":
                State.faults.append(json.loads(body))
            elif command == "region":
                State.region = body.decode()
            elif command == "clear":
                State.faults, State.log, State.region = [], [], REGION
            text = "\n".join(json.dumps(line) for line in State.log) if command == "log" else ""
        self.reply(200, text.encode())

    def fault(self):
        """The first fault that is meant for this request, counted down."""
        with State.lock:
            for fault in State.faults:
                if fault["times"] > 0 and fault["method"] == self.command and fault["match"] in self.path:
                    fault["times"] -= 1
                    return fault
        return None

    def serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path.startswith("/_control/"):
            return self.control(body)
        fault = self.fault()
        refused = refusal_of(self, body)
        with State.lock:
            State.log.append(
                {
                    "method": self.command,
                    "path": self.path,
                    "range": self.headers.get("range"),
                    "peer": self.client_address[1],
                    "bytes": length,
                    "refused": refused,
                    "fault": fault["kind"] if fault else None,
                }
            )
        if refused:
            return self.refuse(400 if refused == "AuthorizationHeaderMalformed" else 403, refused)
        if fault and fault["kind"] == "status":
            return self.refuse(fault["status"], fault["code"])
        self.forward(body, fault)

    def forward(self, body, fault):
        moto_connection = http.client.HTTPConnection(*State.moto_address)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        moto_connection.request(self.command, self.path, body=body, headers=headers)
        answer = moto_connection.getresponse()
        content = answer.read()
        moto_connection.close()
        dropped = {"connection", "transfer-encoding", "date", "server"}
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]
        if fault and fault["kind"] == "late":
            time.sleep(fault["after"] / 1000)
        if not fault or fault["kind"] == "late":
            return self.reply(answer.status, content, headers)
        if fault["kind"] == "lost":
            return self.reset()
        self.send_response(answer.status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if fault["kind"] == "slow":
            for start in range(0, len(content), 65536):
                time.sleep(0.2)
                self.wfile.write(content[start : start + 65536])
            return None
        self.wfile.write(content[: fault.get("after", 0)])
        self.wfile.flush()
        if fault["kind"] == "stall":
            time.sleep(5)
        if fault["kind"] == "reset":
            # What was sent before is to arrive: a reset discards what is still in flight.
            time.sleep(0.1)
            return self.reset()
        self.close_connection = True
        return None

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A peer that went away is what several tests do."""


def main():
    server_of_moto = moto.server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server_of_moto.start()
    State.moto_address = server_of_moto.get_host_and_port()
    connection = http.client.HTTPConnection(*State.moto_address)
    place = f"<LocationConstraint>{REGION}</LocationConstraint>"
    body = f"<CreateBucketConfiguration>{place}</CreateBucketConfiguration>"
    connection.request("PUT", "/bucket", body=body)
    assert connection.getresponse().status == 200
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)

    def until_input_ends():
        sys.stdin.read()
        server.shutdown()

    threading.Thread(target=until_input_ends, daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
