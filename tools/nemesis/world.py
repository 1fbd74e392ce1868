"""The processes of one run, and all that can be done to them."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from surroundings import Disk, Proxy

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEASE = 3.0
LIMIT = 240.0

MANIFEST = """\
name: nemesis
seed: 11
chunk: 8
input: {{shards: "{shards}/*.tar"}}
output: "{output}"
captioners:
  - {{name: "", model: "{demo}/models/captioner-a", captions: 2, batch: 8}}
ensemble:
  teachers: ["{demo}/models/teacher-a"]
  views: 2
  batch: 8
  augmentation: {{random_resized_crop: {{size: 64, interpolation: bicubic}}, rand_augment: {{enable: true}}}}
merge: {{format: webdataset, layout: split, embeddings: npz, require: all}}
leases: {{heartbeat: 0.5, expires: {lease}, attempts: 100}}
"""


def manifest(shards, output):
    """The run's manifest: one captioner, one teacher, small chunks and short leases."""
    return MANIFEST.format(shards=shards, output=output, demo=ROOT / "manifests/demo", lease=LEASE)


class World:
    """The processes of one run."""

    def __init__(self, bolster, folder, shards, chance):
        self.bolster, self.folder, self.chance = bolster, folder, chance
        self.log = open(folder / "log", "ab")
        self.disk = Disk(folder / "disk", 64)
        self.output, self.state = self.disk.path / "out", folder / "state"
        self.manifest = folder / "manifest.yaml"
        self.manifest.write_text(manifest(shards, self.output))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.proxies = [Proxy(self.port) for _ in range(2)]
        self.coordinator, self.workers = None, [None, None]
        self.acts = []

    def start(self, *arguments):
        environment = dict(os.environ, BOLSTER_THREADS="1")
        return subprocess.Popen(
            [self.bolster, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=environment, start_new_session=True,
        )

    def coordinate(self, state=None, port=None):
        return self.start("coordinate", self.manifest, "--listen", f"tcp://127.0.0.1:{port or self.port}",
                          "--state", state or self.state, "--log-level", "warning")

    def work(self, index):
        return self.start("work", "--coordinator", f"tcp://127.0.0.1:{self.proxies[index].port}",
                          "--threads", "1", "--cache", self.folder / "cache", "--name", f"worker-{index}",
                          "--give-up-after", "1", "--log-level", "warning")

    def revive(self):
        """Starts what is not there, as an operator or a scheduler would. True when the run is finished."""
        if self.finished():
            return True
        if not self.coordinator or self.coordinator.poll() is not None:
            self.coordinator = self.coordinate()
        for index, worker in enumerate(self.workers):
            if worker is None or worker.poll() is not None:
                self.workers[index] = self.work(index)
        return False

    def finished(self):
        return bool(self.coordinator) and self.coordinator.poll() in (0, 2)

    def everyone(self):
        return [p for p in [self.coordinator, *self.workers] if p and p.poll() is None]

    def stop(self):
        for process in self.everyone():
            self.signal(process, signal.SIGCONT)
            self.signal(process, signal.SIGKILL)
        for process in [self.coordinator, *self.workers]:
            if process:
                process.wait()
        for proxy in self.proxies:
            proxy.close()
        self.log.close()

    @staticmethod
    def signal(process, number):
        """To the process and all its children: `work` is a supervisor of others."""
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass

    # MARK: Acts

    def kill_worker(self):
        self.signal(self.chance.choice(self.workers), signal.SIGKILL)

    def kill_coordinator(self):
        self.signal(self.coordinator, signal.SIGKILL)
        self.coordinator.wait()

    def kill_everything(self):
        for process in self.everyone():
            self.signal(process, signal.SIGKILL)
        self.coordinator.wait()

    def pause_worker(self):
        worker = self.chance.choice(self.workers)
        self.signal(worker, signal.SIGSTOP)
        time.sleep(LEASE + 1.5)
        self.signal(worker, signal.SIGCONT)

    def pause_coordinator(self):
        self.signal(self.coordinator, signal.SIGSTOP)
        time.sleep(LEASE + 1.5)
        self.signal(self.coordinator, signal.SIGCONT)

    def cut_network(self):
        proxy = self.chance.choice(self.proxies)
        proxy.cut()
        time.sleep(self.chance.uniform(0.5, LEASE + 1.5))
        proxy.mend()

    def fill_disk(self):
        self.disk.fill()
        time.sleep(self.chance.uniform(0.3, 1.5))
        self.disk.empty()

    def second_coordinator(self):
        """Rules beside the first with a state folder of its own, and for one of the workers; then it goes."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        state = self.folder / f"second-{port}"
        second = self.coordinate(state, port)
        proxy = self.chance.choice(self.proxies)
        proxy.target = port
        proxy.mend()
        time.sleep(self.chance.uniform(1, 4))
        self.signal(second, signal.SIGKILL)
        second.wait()
        proxy.target = self.port
        proxy.mend()

    def lose_state(self):
        """The coordinator's machine burns down: a new one starts with an empty state folder."""
        self.kill_coordinator()
        # The judge reads the ledger of a run that came to its end in this moment.
        if not self.finished():
            shutil.rmtree(self.state)

    def recover_state(self):
        """The same, and the operator makes the state by hand."""
        self.lose_state()
        if self.finished():
            return
        done = subprocess.run([self.bolster, "recover", self.manifest, "--state", self.state],
                              stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SystemExit(f"bolster recover ended with {done.returncode}; see {self.folder}/log")

    def disturb(self):
        acts = [self.kill_worker, self.kill_coordinator, self.kill_everything, self.pause_worker,
                self.pause_coordinator, self.cut_network, self.second_coordinator, self.lose_state,
                self.recover_state]
        if self.disk.mounted:
            acts.append(self.fill_disk)
        began = time.monotonic()
        while not self.revive():
            if time.monotonic() - began > LIMIT:
                raise SystemExit(f"the run did not end within {LIMIT:.0f} s; see {self.folder}")
            time.sleep(self.chance.uniform(0.2, 2.0))
            # In the last part of its time the run is left alone, so that it can end.
            if time.monotonic() - began < LIMIT / 6 and self.coordinator.poll() is None:
                act = self.chance.choice(acts)
                self.acts.append(act.__name__)
                act()
        for worker in self.workers:
            try:
                # One that was started when all was over never learns of it, and gives up after a minute.
                worker.wait(timeout=90)
            except subprocess.TimeoutExpired:
                raise SystemExit(f"a worker did not end after the run had; see {self.folder}") from None

    def merge(self):
        done = subprocess.run([self.bolster, "merge", self.manifest], stdin=subprocess.DEVNULL,
                              stdout=self.log, stderr=self.log)
        if done.returncode != 0:
            raise SystemExit(f"bolster merge ended with {done.returncode}; see {self.folder}/log")
