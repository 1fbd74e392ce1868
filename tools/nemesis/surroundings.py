"""What lies around a run and can be taken from it: the network and the disk."""

import socket
import subprocess
import threading


class Proxy:
    """Forwards TCP connections from a port of its own, until it is told not to."""

    def __init__(self, target):
        self.target, self.open, self.pairs = target, True, set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.forward, args=(near,), daemon=True).start()

    def forward(self, near):
        try:
            if not self.open:
                raise OSError("cut")
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self.lock:
            self.pairs.add((near, far))
        threading.Thread(target=self.pump, args=(near, far), daemon=True).start()
        self.pump(far, near)
        with self.lock:
            self.pairs.discard((near, far))

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                # A cut network swallows: nobody is told.
                if self.open:
                    sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.open = False

    def mend(self):
        """Connections that lost bytes are broken for good; new ones work."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.open = True

    def close(self):
        self.listener.close()
        self.mend()


class Disk:
    """A tmpfs of a stated size, where one may be mounted; else a folder that is never full."""

    def __init__(self, path, mebibytes):
        self.path, self.filler = path, path / "filler"
        path.mkdir()
        self.mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", path], capture_output=True
        ).returncode == 0

    def fill(self):
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def empty(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.path], check=True)
