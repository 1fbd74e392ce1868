"""A web server for the shard readers' tests, odd in one way a path. Prints its port, then serves until its
input ends. Every path has the same 350,000 bytes, byte i being (i * 13 >> 2) % 256:

    /plain      ranges, an ETag                      /ignores    ranges at first, then everything
    /shifted    a range from another place           /surplus    a range and 100 bytes behind it
    /redated    another date after the first answer  /grown      one byte more after the first answer
    /stated     states 1000 bytes more than it has   /resets     a reset after 50,000 bytes of each answer
"""

import http.server
import socket
import struct
import sys
import threading

CONTENT = bytes((i * 13 >> 2) % 256 for i in range(350_000))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counts = {}

    def log_message(self, *_):
        """Silent."""

    def do_GET(self):
        path = self.path.split("?")[0]
        count = Handler.counts[path] = Handler.counts.get(path, 0) + 1
        content = CONTENT + (b"x" if path == "/grown" and count > 1 else b"")
        asked = self.headers.get("Range")
        if asked and not (path == "/ignores" and count > 1) and path != "/stated":
            start, end = (int(part) for part in asked.removeprefix("bytes=").split("-"))
            if path == "/shifted" and count > 1:
                start, end = start + 7, end + 7
            stated = end
            if path == "/surplus" and count > 1:
                end += 100
            body = content[start : end + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stated}/{len(content)}")
        else:
            body = content
            self.send_response(200)
        if path in ("/plain", "/ignores", "/shifted", "/surplus", "/resets"):
            self.send_header("ETag", '"one"')
        else:
            second = 2 if path == "/redated" and count > 1 else 1
            self.send_header("Last-Modified", f"Mon, 01 Jan 2024 00:00:0{second} GMT")
        self.send_header("Content-Length", str(len(body) + (1000 if path == "/stated" else 0)))
        self.end_headers()
        if path == "/resets" and len(body) > 50_000:
            self.wfile.write(body[:50_000])
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        self.wfile.write(body)
        if path == "/stated":
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A peer that went away is what several tests do."""


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)


def until_input_ends():
    sys.stdin.read()
    server.shutdown()


threading.Thread(target=until_input_ends, daemon=True).start()
server.serve_forever()
