"""Container credentials, instance metadata and STS's web identity, each as strict as the real one."""

import http.server
import json
import sys
import threading
import urllib.parse

EXPIRES = "2999-01-01T00:00:00Z"
ANSWER = {"AccessKeyId": "ASIA1", "SecretAccessKey": "s1", "Token": "t1", "Expiration": EXPIRES}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def log_message(self, *_):
        """Silent."""

    def reply(self, status, body=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        role = "/latest/meta-data/iam/security-credentials/"
        if self.path == "/container":
            Handler.asked += 1
            allowed = self.headers.get("Authorization") == "Bearer x"
            answer = dict(ANSWER, AccessKeyId=f"C{Handler.asked}")
            return self.reply(200 if allowed else 401, json.dumps(answer))
        if self.path == "/soon":
            Handler.asked += 1
            soon = dict(ANSWER, AccessKeyId=f"S{Handler.asked}", Expiration="2026-01-01T00:04:00Z")
            return self.reply(200, json.dumps(soon))
        if self.path == "/latest/api/token":
            timed = self.command == "PUT" and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
            return self.reply(200, "session") if timed else self.reply(400)
        if self.path.startswith(role):
            if self.headers.get("X-aws-ec2-metadata-token") != "session":
                return self.reply(401)
            name = self.path[len(role) :]
            return self.reply(200, json.dumps(ANSWER) if name == "my-role" else "my-role\n")
        if self.path == "/" and self.command == "POST":
            form = urllib.parse.parse_qs(body)
            wanted = {"RoleArn": ["arn:a:role/r"], "WebIdentityToken": ["a.token+/="]}
            if any(form.get(name) != value for name, value in wanted.items()):
                return self.reply(400)
            return self.reply(
                200,
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                "<AccessKeyId>W1</AccessKeyId><SecretAccessKey>w&amp;s</SecretAccessKey>"
                f"<SessionToken>wt</SessionToken><Expiration>{EXPIRES}</Expiration></Credentials>"
                "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
            )
        return self.reply(404)

    do_GET = do_PUT = do_POST = serve


def until_input_ends(server):
    """Whoever started this holds the other end of its input: it ends with them."""
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    threading.Thread(target=until_input_ends, args=[server], daemon=True).start()
    server.serve_forever()
