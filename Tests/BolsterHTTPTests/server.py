"""A server for the HTTP client's tests: each path behaves in its own way. Prints its port, then serves."""

import http.server
import socket
import struct
import sys
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self):
        """Closes so that the peer sees a reset, not an end."""
        self.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def serve(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = self.path.split("?")[0]
        if path == "/echo":
            lines = [f"{self.command} {self.path}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            text = "\n".join(lines).encode() + b"\n\n" + body
            self.answer(200, text, [("X-Peer-Port", str(self.client_address[1]))])
        elif path == "/headers":
            self.answer(200, b"", [("ETag", '"a:b"'), ("x-twice", "1"), ("X-Twice", "2")])
        elif path.startswith("/status/"):
            self.answer(int(path[8:]), b"why: " + b"x" * 100_000)
        elif path.startswith("/redirect/"):
            left = int(path[10:])
            self.answer(302, b"elsewhere", [("Location", f"/redirect/{left - 1}" if left else "/echo")])
        elif path == "/away":
            self.answer(302, b"", [("Location", "file:///etc/passwd")])
        elif path == "/slow":
            time.sleep(3)
            self.answer(200, b"late")
        elif path == "/stall":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"some")
            self.wfile.flush()
            time.sleep(4)
            self.close_connection = True
        elif path == "/reset":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 400)
            self.reset()
        elif path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 400)
            self.close_connection = True
        elif path == "/gone":
            self.reset()
        elif path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b"one ", b"two ", b"three"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif path.startswith("/large/"):
            size = int(path[7:])
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            block = bytes(range(256)) * 4096
            while size > 0:
                self.wfile.write(block[: min(size, len(block))])
                size -= len(block)
        elif path == "/garbage":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            self.close_connection = True
        else:
            self.answer(404, b"nothing here")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A peer that went away is what several tests do."""


def until_input_ends(server):
    """Whoever started this holds the other end of its input: it ends with them."""
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    threading.Thread(target=until_input_ends, args=[server], daemon=True).start()
    server.serve_forever()
