"""ONNX graphs from PyTorch modules: written, and run beside PyTorch before anyone trusts them."""

import logging
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

# A protocol buffer ends at 2 GiB; larger weights go to a file beside the graph.
LARGEST_GRAPH = 1_900_000_000
FLOATS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
# Largest differences from PyTorch in fp32: of embeddings, which have length 1, and of keys, values and
# logits relative to the largest. ModelProbe.swift has the same for half precision.
EMBEDDING_TOLERANCE = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 1.5e-2}
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 8e-2}


def export_graph(module, arguments, names, outputs, dynamic, path, largest=LARGEST_GRAPH):
    """Exports one graph; `dynamic` gives the free dimensions of each argument. Weights of more than
    `largest` bytes lie in `path`.data."""
    module.eval()
    # The exporter's remarks on its own folding are no news to a user; comparisons follow.
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, tuple(arguments), dynamo=True, input_names=names, dynamic_shapes=tuple(dynamic),
            opset_version=20, verbose=False,
        )
    logging.disable(logging.NOTSET)
    # The exporter names values after operators, so that one may have an output's name already.
    graph = program.model.graph
    for node in graph:
        for value in node.outputs:
            if value.name in outputs:
                value.name += "_inner"
    for value, name in zip(graph.outputs, outputs):
        value.name = name
    # Of this graph alone: the module holds the whole model.
    weights = sum(value.const_value.nbytes for value in graph.initializers.values())
    data = pathlib.Path(f"{path}.data")
    data.unlink(missing_ok=True)
    program.save(str(path), external_data=weights > largest)
    onnx.checker.check_model(str(path))


def session(path, precision):
    """The graph on CUDA where ONNX Runtime has it, else on the CPU; None where no device here has kernels
    for its precision."""
    providers = [
        name for name in ("CUDAExecutionProvider", "CPUExecutionProvider")
        if name in onnxruntime.get_available_providers()
    ]
    options = onnxruntime.SessionOptions()
    if precision != "fp32":
        # ONNX Runtime 1.32's layout optimiser for the CPU crashes on half-precision convolutions.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return None
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        if precision == "bf16" and providers == ["CPUExecutionProvider"]:
            return None
        raise


def run(loaded, names, arguments):
    """The outputs as float32 arrays."""
    feeds = {}
    for name, value in zip(names, arguments):
        if value.dtype == torch.bfloat16:
            bits = np.ascontiguousarray(value.view(torch.int16).numpy())
            kind = onnx.TensorProto.BFLOAT16
            feeds[name] = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, kind)
        else:
            feeds[name] = onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value.numpy()))
    outputs = [output.name for output in loaded.get_outputs()]
    found = loaded.run_with_ort_values(outputs, feeds)
    arrays = []
    for value in found:
        if value.element_type() == onnx.TensorProto.BFLOAT16:
            bits = np.asarray(torch.from_dlpack(value.to_dlpack()).float())
            arrays.append(bits)
        else:
            arrays.append(value.numpy().astype(np.float32))
    return arrays


def rounded(arguments, precision):
    """Floating-point arguments in a precision; the others as they are."""
    kind = FLOATS[precision]
    return tuple(value.to(kind) if value.is_floating_point() else value for value in arguments)


def compare_graph(reference, path, names, batches, precision="fp32", tolerance=TOLERANCE):
    """Runs the graph beside PyTorch in fp32; gives the largest difference relative to max(1, largest
    value), and None where nothing here can run it. Stops the export where it is over the tolerance."""
    loaded = session(path, precision)
    if loaded is None:
        return None
    worst = 0.0
    for arguments in batches:
        half = rounded(arguments, precision)
        with torch.no_grad():
            expected = reference(*rounded(half, "fp32"))
        expected = expected if isinstance(expected, tuple) else (expected,)
        for left, right in zip(run(loaded, names, half), expected):
            scale = max(1.0, float(right.abs().max()))
            difference = float(np.abs(left - right.numpy()).max()) / scale
            # NaN is no difference that a comparison would find.
            worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    if worst > tolerance[precision]:
        sys.exit(
            f"{path.name} differs from PyTorch by {worst:.3g}, more than {tolerance[precision]}: no package")
    return worst
