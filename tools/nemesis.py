#!/usr/bin/env python3
"""Disturbs real runs in every way we know, and counts what is left.

    python tools/nemesis.py --bolster .build/release/bolster [--rounds 2] [--seed N]

Each round starts a coordinator and workers as separate processes, each worker behind a forwarding proxy of
its own, and lets the nemesis act at random moments until the run is finished: kill -9, a pause past the
lease, a second coordinator on the same output, a lost state folder, a full disk, a cut network. Then the
run is merged and judged by what lies on the disk, read with Python alone:

  lost        input samples that are neither merged nor skipped with a reason        must be 0
  duplicated  samples that are there twice                                           must be 0
  unexpected  samples that nobody put in                                             must be 0

the same for the records of each stage, and the dataset must be, byte for byte, the undisturbed run's. A
round is repeated by its seed; moments are random, and so what happens is not exactly the same twice.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

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


class World:
    """The processes of one run."""

    def __init__(self, bolster, folder, shards, chance):
        self.bolster, self.folder, self.chance = bolster, folder, chance
        self.log = open(folder / "log", "ab")
        self.disk = Disk(folder / "disk", 64)
        self.output, self.state = self.disk.path / "out", folder / "state"
        self.manifest = folder / "manifest.yaml"
        self.manifest.write_text(
            MANIFEST.format(shards=shards, output=self.output, demo=ROOT / "manifests/demo", lease=LEASE)
        )
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
        return self.start("work", "--coordinator", f"tcp://127.0.0.1:{self.proxies[index].port}", "--threads",
                          "1", "--cache", self.folder / "cache", "--log-level", "warning")

    def revive(self):
        """Starts what is not there, as an operator or a scheduler would. True when the run is finished."""
        status = self.coordinator.poll() if self.coordinator else -1
        if status in (0, 2):
            return True
        if status is not None:
            self.coordinator = self.coordinate()
        for index, worker in enumerate(self.workers):
            if worker is None or worker.poll() is not None:
                self.workers[index] = self.work(index)
        return False

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
        shutil.rmtree(self.state)

    def recover_state(self):
        """The same, and the operator makes the state by hand."""
        self.lose_state()
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
                worker.wait(timeout=60)
            except subprocess.TimeoutExpired:
                raise SystemExit(f"a worker did not end after the run had; see {self.folder}") from None

    def merge(self):
        done = subprocess.run([self.bolster, "merge", self.manifest], stdin=subprocess.DEVNULL,
                              stdout=self.log, stderr=self.log)
        if done.returncode != 0:
            raise SystemExit(f"bolster merge ended with {done.returncode}; see {self.folder}/log")


# MARK: Judging


def keys_of(tar):
    """The samples' keys of a tar in order, once for each run of members."""
    keys = []
    with tarfile.open(tar) as members:
        for member in members:
            key = member.name.split(".")[0]
            if not keys or keys[-1] != key:
                keys.append(key)
    return keys


def judge_dataset(shards, dataset):
    """Counts of lost, duplicated and unexpected samples over all shards."""
    skipped = {}
    coverage = json.loads((dataset / "coverage.json").read_text())
    for shard in coverage["shards"]:
        skipped[shard["shard"]] = shard["counts"]["skipped"]
    found = collections.Counter()
    for path in sorted(shards.glob("*.tar")):
        source = keys_of(path)
        merged = collections.Counter(keys_of(dataset / path.name))
        found["lost"] += len(set(source) - set(merged)) - skipped[path.stem]
        found["duplicated"] += sum(count - 1 for count in merged.values())
        found["unexpected"] += len(set(merged) - set(source))
    return found


def judge_records(bolster, world, shards):
    """The same for each stage: the record files that the ledger counts, read with Python."""
    import read_records

    listed = subprocess.run([bolster, "inspect", world.state, "--json"],
                            capture_output=True, text=True, check=True)
    found = collections.Counter()
    held = collections.defaultdict(collections.Counter)
    for commit in json.loads(listed.stdout)["commits"]:
        record = read_records.RecordFile((world.output / commit["file"]).read_bytes())
        for key in record.keys:
            held[commit["stage"], commit["shard"]][key] += 1
    stages = {stage for stage, _ in held}
    for stage in sorted(stages):
        for path in sorted(shards.glob("*.tar")):
            source, records = set(keys_of(path)), held[stage, path.stem]
            found["lost"] += len(source - set(records))
            found["duplicated"] += sum(count - 1 for count in records.values())
            found["unexpected"] += len(set(records) - source)
    return found, len(stages)


def digests(dataset):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(dataset.glob("*.tar"))}


def copy_shards(folder):
    """Four copies of the demo's shards, so that a run lasts long enough to be disturbed."""
    folder.mkdir()
    for copy in range(4):
        for shard in sorted((ROOT / "manifests/demo/shards").glob("*.tar")):
            shutil.copy(shard, folder / f"{copy}-{shard.name}")


def play(bolster, folder, shards, seed, expected):
    """One round; returns whether nothing was wrong."""
    folder.mkdir()
    world = World(bolster, folder, shards, random.Random(seed))
    try:
        began = time.monotonic()
        world.disturb()
        world.merge()
        dataset = world.output / "dataset"
        samples, (records, stages) = judge_dataset(shards, dataset), judge_records(bolster, world, shards)
        equal = digests(dataset) == expected
        counts = ", ".join(f"{what} {samples[what] + records[what]}"
                           for what in ("lost", "duplicated", "unexpected"))
        good = equal and not any((samples + records).values())
        acts = ", ".join(f"{name} {n}" for name, n in collections.Counter(world.acts).most_common())
        print(f"{'ok' if good else 'FAIL':5}seed {seed}: {counts}; {stages} stages; dataset "
              f"{'equal' if equal else 'DIFFERS'}; {len(world.acts)} acts in "
              f"{time.monotonic() - began:.0f} s: {acts}", flush=True)
        return good
    finally:
        world.stop()
        world.disk.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bolster", type=pathlib.Path, default=ROOT / ".build/release/bolster")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the first round")
    options = parser.parse_args()
    bolster = options.bolster.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bolster-nemesis-"))
    copy_shards(folder / "shards")
    calm = folder / "undisturbed.yaml"
    calm.write_text(MANIFEST.format(shards=folder / "shards", output=folder / "undisturbed",
                                    demo=ROOT / "manifests/demo", lease=LEASE))
    subprocess.run([bolster, "run", calm, "--workers", "2", "--log-level", "warning"], check=True,
                   stdout=subprocess.DEVNULL)
    expected = digests(folder / "undisturbed" / "dataset")
    failed = 0
    for number in range(options.rounds):
        seed = options.seed + number
        try:
            good = play(bolster, folder / f"round-{seed}", folder / "shards", seed, expected)
        except SystemExit as reason:
            print(f"FAIL seed {seed}: {reason}", flush=True)
            good = False
        failed += not good
    print(f"{options.rounds - failed} rounds passed, {failed} failed")
    if failed:
        print(f"kept for looking at: {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
