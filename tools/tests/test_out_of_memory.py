"""ONNX Runtime really runs out of memory: the batch is halved, the run goes on, and its records say so.

Demo models get a detour that keeps their answers and takes 16 MiB for each row of a batch. The run is
measured undisturbed, then repeated under a limit of address space that leaves no room for the whole batch.

Run: BOLSTER_BINARY=… python3 -m unittest discover tools/tests
"""

import hashlib
import importlib.util
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import read_records  # noqa: E402

BINARY = os.environ.get("BOLSTER_BINARY")
BATCH = 64
ROW_BYTES = 16 << 20


def detour(source, target, graph_name, tensor, width):
    """A copy of a package in which `tensor` [N, width, …], an input or output of a graph, is repeated to
    16 MiB a row on its way, and cut to what it was."""
    import onnx
    from onnx import helper, numpy_helper

    shutil.copytree(source, target)
    path = target / graph_name
    model = onnx.load(path)
    graph = model.graph
    is_input = any(value.name == tensor for value in graph.input)
    inner = f"{tensor}_inner"
    for node in graph.node:
        names = node.input if is_input else node.output
        for index, name in enumerate(names):
            if name == tensor:
                names[index] = inner
    declared = next(v for v in (graph.input if is_input else graph.output) if v.name == tensor)
    rest = [dimension.dim_value for dimension in declared.type.tensor_type.shape.dim][1:]
    assert rest[0] == width, rest
    # A little less, so that a batch of them fits the power of two that the runtime's arena asks for.
    times = ROW_BYTES // (4 * int(np.prod(rest))) - 1
    before, after = (tensor, inner) if is_input else (inner, tensor)
    constants = {"repeats": [1, times] + [1] * (len(rest) - 1), "begin": [0], "end": [width], "axis": [1]}
    for name, values in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), f"detour_{name}"))
    nodes = [
        helper.make_node("Tile", [before, "detour_repeats"], ["detour_tiled"]),
        helper.make_node("Slice", ["detour_tiled", "detour_begin", "detour_end", "detour_axis"], [after]),
    ]
    nodes = nodes + list(graph.node) if is_input else list(graph.node) + nodes
    del graph.node[:]
    graph.node.extend(nodes)
    path.write_bytes(model.SerializeToString())
    text = (target / "model.json").read_text()
    old = json.loads(text)["files"][graph_name]
    (target / "model.json").write_text(text.replace(old, hashlib.sha256(path.read_bytes()).hexdigest()))


def peak_below(parent):
    """The largest address space, in bytes, that a process started by `parent` has had."""
    peak = 0
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        except OSError:
            # It ended meanwhile.
            continue
        if int(status["PPid"]) == parent and "VmPeak" in status:
            peak = max(peak, int(status["VmPeak"].split()[0]) << 10)
    return peak


@unittest.skipUnless(BINARY, "set BOLSTER_BINARY to the release binary")
@unittest.skipUnless(importlib.util.find_spec("onnx"), "needs the Python package onnx")
class OutOfMemoryTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def run_bolster(self, stages, out, limit=None):
        """A run's exit code, log and the largest address space of its worker."""
        manifest = self.folder / f"{out}.yaml"
        manifest.write_text(json.dumps({
            "name": "memory", "seed": 2, "chunk": BATCH, "output": out,
            "input": {"shards": str(ROOT / "manifests/demo/shards/0000.tar")}, **stages,
        }))

        def bound():
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        process = subprocess.Popen(
            [BINARY, "run", str(manifest), "--workers", "1", "--threads", "2", "--output",
             str(self.folder / out)],
            # Threads of the C library reserve address space of their own, some runs more than others.
            env={**os.environ, "MALLOC_ARENA_MAX": "1"}, preexec_fn=bound if limit else None,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        peak = 0
        while True:
            try:
                words, _ = process.communicate(timeout=0.02)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, peak_below(process.pid))
        log = self.folder / out / "logs/worker-0.log"
        return process.returncode, words + (log.read_text() if log.exists() else ""), peak

    def records(self, out, stage):
        files = sorted((self.folder / out / "records" / stage).rglob("*.records"))
        return [read_records.RecordFile(path.read_bytes()) for path in files]

    def check(self, stages, stage, reduced):
        """The records of a run with all memory, and of one without enough for the whole batch, whose header
        must say what `reduced` gives for it."""
        status, log, peak = self.run_bolster(stages, "whole")
        self.assertEqual(status, 0, log)
        self.assertGreater(peak, BATCH * ROW_BYTES)
        whole = self.records("whole", stage)
        self.assertEqual([record.header.get("batch_reduced_to") for record in whole], [None])
        # The runtime's arena asks for more than it needs and then for less: how much room is too little is
        # found by trying.
        for eighths in (3, 2, 5, 6, 7):
            out = f"bounded-{eighths}"
            limit = peak - BATCH * ROW_BYTES * eighths // 8
            status, log, bounded = self.run_bolster(stages, out, limit)
            self.assertEqual(status, 0, log)
            self.assertLessEqual(bounded, limit)
            self.assertNotIn("unit failed", log)
            half = self.records(out, stage)
            if half[0].header.get("batch_reduced_to") is not None:
                break
        found = half[0].header.get("batch_reduced_to")
        # Address space is not only the model's: a quarter may be what fits.
        self.assertIn(found, (reduced(half[0]), reduced(half[0]) // 2))
        self.assertEqual(whole[0].keys, half[0].keys)
        return whole[0], half[0], self.folder / out

    def test_a_teacher_goes_on_with_half_of_the_batch(self):
        package = self.folder / "teacher"
        detour(ROOT / "manifests/demo/models/teacher-a", package, "image.onnx", "pixels", 3)
        whole, half, out = self.check({
            "ensemble": {
                "teachers": [str(package)], "views": 1, "batch": BATCH, "store": "fp32",
                "augmentation": {"random_resized_crop": {"size": 64, "interpolation": "bicubic"}},
            },
            "merge": {"layout": "split", "embeddings": "npz"},
        }, "views", lambda record: record.skips.count(None) // 2)
        self.assertEqual(whole.columns["param_aug"], half.columns["param_aug"])
        for one, other in zip(whole.columns["image_emb"], half.columns["image_emb"]):
            np.testing.assert_allclose(one, other, atol=1e-6)
        with tarfile.open(out / "dataset/0000.tar") as tar:
            self.assertGreater(sum(name.endswith(".npz") for name in tar.getnames()), 50)

    @unittest.skipUnless(os.environ.get("BOLSTER_FULL") == "1", "a minute; set BOLSTER_FULL=1")
    def test_a_captioner_goes_on_with_half_of_the_texts(self):
        source = ROOT / "manifests/demo/models/captioner-a"
        vocabulary = json.loads((source / "model.json").read_text())["text"]["vocab_size"]
        package = self.folder / "captioner"
        detour(source, package, "step.onnx", "logits", vocabulary)
        whole, half, _ = self.check({
            "captioners": [{
                "name": "a", "model": str(package), "captions": 2, "batch": BATCH,
                "decoding": {"method": "top_p", "min_length": 3, "max_length": 6},
            }],
        }, "captions.syn_text_a", lambda record: BATCH // 2)
        self.assertEqual(whole.columns["captions"], half.columns["captions"])


if __name__ == "__main__":
    unittest.main()
