"""onnxruntime as a peer: forward passes, weights as constants of the model (it packs them when it loads)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from markone.bench.build import values
from markone.bench.case import Case
from markone.bench.networks import layers_of
from markone.bench.others import node_of


def build(case: Case) -> Callable[[], Any]:
    """The timed function. Needs the package onnx to write the model."""
    import onnxruntime

    if case.fn == "import":
        from markone.bench.programs import PROGRAMS

        return PROGRAMS["import"](onnxruntime, case, "cpu").call
    rng = np.random.default_rng(0)
    inputs = [values(s, rng) for s in case.inputs]
    if case.fn == "inference":
        model = _network(case, rng)
    else:
        model = _model(inputs, *_single(case, [values(s, rng) for s in case.weights], rng))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("BENCH_THREADS", "1"))
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {f"x{i}": x for i, x in enumerate(inputs)}
    return lambda: session.run(None, feed)


def _single(case: Case, weights: list[Any], rng: np.random.Generator) -> tuple[list[Any], dict[str, Any]]:
    """(nodes, constants) of one operation."""
    from onnx import helper

    op, attributes = node_of(case)
    if op in ("LSTM", "GRU"):
        gates, hidden, features = (4 if op == "LSTM" else 3), case.args["hidden"], case.inputs[0].shape[2]
        sizes = ((1, gates * hidden, features), (1, gates * hidden, hidden), (1, 2 * gates * hidden))
        weights = [rng.standard_normal(size, dtype=np.float32) * 0.1 for size in sizes]
    if "axes" in attributes:  # an input of these operators
        weights = [*weights, np.array(attributes.pop("axes"), np.int64)]
    constants = {f"w{i}": w for i, w in enumerate(weights)}
    names = [f"x{i}" for i in range(len(case.inputs))] + list(constants)
    return [helper.make_node(op, names, ["y"], **attributes)], constants


def _network(case: Case, rng: np.random.Generator) -> Any:
    """A network of layers, one node each."""
    from onnx import helper

    nodes: list[Any] = []
    constants: dict[str, Any] = {}
    here = "x0"
    for i, (kind, options, shape, out) in enumerate(layers_of(case.args["network"])):
        after, names = f"h{i}", [here]
        attributes: dict[str, Any] = {}
        pads = [options.get("padding", 0)] * 4
        if kind in ("conv", "linear"):
            size = (out[0], shape[0], *[options["kernel"]] * 2) if kind == "conv" else (out[0], shape[0])
            weight = rng.standard_normal(size, dtype=np.float32) / np.sqrt(np.prod(size[1:]))
            constants |= {f"w{i}": weight.astype(np.float32), f"b{i}": np.zeros(out[0], np.float32)}
            names += [f"w{i}", f"b{i}"]
        if kind == "conv":
            op, attributes = "Conv", {"pads": pads, "strides": [options.get("stride", 1)] * 2}
        elif kind == "linear":
            op, attributes = "Gemm", {"transB": 1}
        elif kind in ("max_pool", "avg_pool"):
            op = "MaxPool" if kind == "max_pool" else "AveragePool"
            window = [options["kernel"]] * 2
            attributes = {"kernel_shape": window, "pads": pads}
            attributes["strides"] = [options.get("stride", options["kernel"])] * 2
        else:
            op = kind.capitalize()
        nodes.append(helper.make_node(op, names, [after], **attributes))
        here = after
    nodes.append(helper.make_node("Identity", [here], ["y"]))
    return _model([np.empty(s.shape, np.float32) for s in case.inputs], nodes, constants)


def _model(inputs: list[Any], nodes: list[Any], constants: dict[str, Any]) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}
    graph = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info(f"x{i}", kinds[x.dtype.name], x.shape) for i, x in enumerate(inputs)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
