"""Model packages: ONNX graphs, tokenizer, sixteen probe inputs with PyTorch's answers, model.json.

A package is written only if ONNX Runtime agrees with PyTorch: embeddings and logits within `TOLERANCE`,
greedy captions through the step graph token for token. The format is described in ModelPackage.md.
"""

import hashlib
import json
import pathlib
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

import decode
import scenes
import train

TOLERANCE = 2e-5
PROBES = 16
RESULT = "result_of_graph_"


class Graph(torch.nn.Module):
    """One method of a model as a module, which is what the exporter takes."""

    def __init__(self, model, method):
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *inputs):
        return getattr(self.model, self.method)(*inputs)


def write_graph(path, model, method, example, names, results, axes):
    """Exports one graph. `axes` names the dynamic axes of each input: {input: {axis: name}}."""
    dims = {}
    shapes = [
        {
            axis: dims.setdefault(name, torch.export.Dim(name, min=1, max=1 << 16))
            for axis, name in axes[n].items()
        }
        for n in names
    ]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two axes of one name: intended
        draft = pathlib.Path(folder) / "graph.onnx"
        program = torch.onnx.export(
            Graph(model, method).eval(),
            example,
            input_names=names,
            output_names=[RESULT + name for name in results],
            dynamic_shapes={"inputs": tuple(shapes)},
            dynamo=True,
            external_data=False,
            opset_version=20,
            verbose=False,
        )
        program.save(str(draft))
        graph = onnx.load(str(draft))
    name_results(graph.graph, results)
    strip_origins(graph)
    onnx.checker.check_model(graph, full_check=True)
    path.write_bytes(graph.SerializeToString(deterministic=True))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def name_results(graph, results):
    """Gives the outputs their names; an inner value that the exporter called the same gets another."""
    names = {**{r: r + "_inner" for r in results}, **{RESULT + r: r for r in results}}
    for node in graph.node:
        node.input[:] = [names.get(n, n) for n in node.input]
        node.output[:] = [names.get(n, n) for n in node.output]
    for value in [*graph.output, *graph.value_info]:
        value.name = names.get(value.name, value.name)


def strip_origins(model):
    """Removes the exporter's stack traces and names of source files: they say where, not what."""
    del model.metadata_props[:]
    model.doc_string = ""
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        graph.doc_string = ""
        del graph.metadata_props[:]
        for part in [*graph.node, *graph.value_info]:
            part.doc_string = ""
            del part.metadata_props[:]
    for part in [*model.graph.initializer, *model.graph.input, *model.graph.output]:
        part.doc_string = ""
        del part.metadata_props[:]


def agree(what, found, wanted, log):
    """Refuses a graph that answers differently from PyTorch."""
    difference = float(np.abs(np.asarray(found) - np.asarray(wanted)).max())
    log(f"  {what}: ONNX Runtime and PyTorch differ by at most {difference:.1e}")
    if not difference <= TOLERANCE:
        raise SystemExit(f"{what} differs by {difference:.3g}, more than {TOLERANCE}: nothing written")


def export_teacher(model, tokenizer, folder, held_out, log):
    """Writes image.onnx, text.onnx and the probe of a teacher."""
    plan = model.plan
    pixels = train.normalized(held_out.pixels[:PROBES], plan)
    texts = [
        text
        for scene, rng in scenes.scenes("probe", PROBES // 2)
        for text in (
            scenes.terse_caption(scene, rng),
            scenes.full_caption(scene, rng).title() + " &amp; more!",
        )
    ]
    ids = torch.tensor([tokenizer.pack(t, plan.context_length) for t in texts])
    with torch.no_grad():
        images, words = model.embed_images(pixels).numpy(), model.embed_texts(ids).numpy()
    image = write_graph(
        folder / "image.onnx",
        model,
        "embed_images",
        (pixels[:3],),
        ["pixels"],
        ["embedding"],
        {"pixels": {0: "images"}},
    )
    text = write_graph(
        folder / "text.onnx", model, "embed_texts", (ids[:3],), ["ids"], ["embedding"], {"ids": {0: "texts"}}
    )
    for rows in (1, PROBES):
        agree(
            f"{plan.name} image.onnx, {rows} rows",
            image.run(None, {"pixels": pixels[:rows].numpy()})[0],
            images[:rows],
            log,
        )
        agree(
            f"{plan.name} text.onnx, {rows} rows",
            text.run(None, {"ids": ids[:rows].numpy()})[0],
            words[:rows],
            log,
        )
    np.savez(
        folder / "probe.npz",
        pixels=pixels.numpy(),
        image_embedding=images,
        ids=ids.numpy(),
        text_embedding=words,
        texts=np.frombuffer(json.dumps(texts).encode(), np.uint8),
    )
    return {"embedding_width": plan.embedding_width}


def export_captioner(model, tokenizer, folder, held_out, log):
    """Writes image.onnx, step.onnx and the probe of a captioner."""
    plan = model.plan
    pixels = train.normalized(held_out.pixels[:PROBES], plan)
    layers = plan.unimodal_layers + plan.cross_layers
    with torch.no_grad():
        keys, values = model.cross_caches(pixels)
    image = write_graph(
        folder / "image.onnx",
        model,
        "cross_caches",
        (pixels[:3],),
        ["pixels"],
        ["cross_keys", "cross_values"],
        {"pixels": {0: "images"}},
    )
    step = export_step(model, folder, keys, values, layers)
    for rows in (1, PROBES):
        found = image.run(None, {"pixels": pixels[:rows].numpy()})
        agree(
            f"{plan.name} image.onnx, {rows} rows",
            np.stack(found),
            np.stack((keys[:rows], values[:rows])),
            log,
        )
    found = image.run(None, {"pixels": pixels.numpy()})
    whole = decode.whole_text(model, pixels)
    start = np.full((PROBES, 1), tokenizer.start, dtype=np.int64)
    first = whole(start)
    agree(
        f"{plan.name} step.onnx, first logits", decode.Stepper(step, *found, plan, layers)(start), first, log
    )
    wanted = decode.generate(whole, PROBES, tokenizer.start, tokenizer.end, plan.max_length, decode.greedy)
    stepped = decode.generate(
        decode.Stepper(step, *found, plan, layers),
        PROBES,
        tokenizer.start,
        tokenizer.end,
        plan.max_length,
        decode.greedy,
    )
    if not np.array_equal(wanted, stepped):
        raise SystemExit(
            f"{plan.name}: greedy captions through step.onnx differ from the full decoder's: nothing written"
        )
    log(f"  {plan.name} step.onnx: greedy captions equal the full decoder's in {PROBES} of {PROBES}")
    np.savez(folder / "probe.npz", pixels=pixels.numpy(), greedy_ids=wanted, first_logits=first)
    decoding = {
        "method": "top_p",
        "top_p": 0.9,
        "temperature": 1.0,
        "min_length": decode.MIN_LENGTH,
        "max_length": plan.max_length,
        "repetition_penalty": 1.0,
    }
    return {
        "captioner": {
            "layers": layers,
            "heads": plan.heads,
            "head_width": plan.width // plan.heads,
            "cross_layers": plan.cross_layers,
            "image_tokens": (plan.image_size // 8) ** 2,
            "max_length": plan.max_length,
            "decoding": decoding,
        }
    }


def export_step(model, folder, keys, values, layers):
    """The graph of one token, with rows of different age in its example."""
    plan = model.plan
    rows, capacity = 3, 11
    cache = torch.randn(rows, layers, plan.heads, capacity, plan.width // plan.heads)
    numbers = (torch.tensor([5, 9, 700]), torch.tensor([0, 4, 10]), torch.tensor([0, 4, 10]))
    names = ["ids", "positions", "lengths", "cross_keys", "cross_values", "cache_keys", "cache_values"]
    axes = {n: {0: "rows"} for n in names}
    axes["cache_keys"] = axes["cache_values"] = {0: "rows", 3: "capacity"}
    return write_graph(
        folder / "step.onnx",
        model,
        "step",
        (*numbers, keys[:rows], values[:rows], cache, -cache),
        names,
        ["logits", "new_keys", "new_values"],
        axes,
    )


def write_package(model, tokenizer, folder, held_out, source, log):
    """Writes a whole package into the new folder `folder`."""
    plan = model.plan
    folder.mkdir(parents=True)
    tokenizer.save(folder)
    exporter = export_teacher if plan.kind == "teacher" else export_captioner
    with torch.no_grad():
        special = exporter(model, tokenizer, folder, held_out, log)
    length = plan.context_length if plan.kind == "teacher" else plan.max_length
    facts = {
        "format": 1,
        "kind": plan.kind,
        "name": plan.name,
        "source": source,
        "precision": "fp32",
        **special,
        "image": {
            "size": plan.image_size,
            "mean": plan.mean,
            "std": plan.std,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
        "text": {
            "tokenizer": "clip_bpe",
            "context_length": length,
            "vocab_size": len(tokenizer.ids),
            "start": tokenizer.start,
            "end": tokenizer.end,
            "pad": 0,
            "vocabulary": "vocab.json",
            "merges": "merges.txt",
            "clean": "lower",
        },
        "files": {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())},
        "probe": "probe.npz",
    }
    (folder / "model.json").write_text(json.dumps(facts, indent=2) + "\n")
