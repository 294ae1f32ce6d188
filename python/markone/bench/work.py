"""What a case has to do at least: arithmetic operations, and bytes read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from markone.bench.case import Case

__all__ = ["Work", "work_of"]


@dataclass(frozen=True)
class Work:
    """Of one call; flops is 0 where the arithmetic is not what counts."""

    flops: float
    read: float
    written: float
    in_place: bool = False


def _conv(case: Case, out: tuple[int, ...]) -> float:
    weight = case.weights[0].shape
    return 2.0 * prod(out) * prod(weight[1:])


def _conv_transpose(case: Case, out: tuple[int, ...]) -> float:
    return 2.0 * case.inputs[0].numel * prod(case.weights[0].shape[1:])


def _product(case: Case, out: tuple[int, ...]) -> float:
    return 2.0 * prod(out) * case.inputs[0].shape[-1]


def _recurrent(gates: int) -> Callable[[Case, tuple[int, ...]], float]:
    def flops(case: Case, out: tuple[int, ...]) -> float:
        t, b, features = case.inputs[0].shape
        hidden, ways = case.args["hidden"], 2 if case.args.get("bidirectional") else 1
        total = 0.0
        for layer in range(case.args.get("num_layers", 1)):
            inputs = features if layer == 0 else ways * hidden
            total += 2.0 * t * b * gates * hidden * (inputs + hidden) * ways
        return total

    return flops


def _attention(case: Case, out: tuple[int, ...]) -> float:
    query, key = case.inputs[0].shape, case.inputs[1].shape
    return 4.0 * prod(query) * key[-2] * (0.5 if case.args.get("is_causal") else 1.0)


def _dot(case: Case, out: tuple[int, ...]) -> float:
    return 2.0 * case.inputs[0].numel


# What is counted in multiply-adds; everything else is measured by its bytes.
FLOPS: dict[str, Callable[[Case, tuple[int, ...]], float]] = {
    **{f"nn.functional.conv{n}d": _conv for n in (1, 2, 3)},
    **{f"nn.functional.conv_transpose{n}d": _conv_transpose for n in (1, 2, 3)},
    "matmul": _product,
    "nn.functional.linear": _product,
    "dot": _dot,
    "lstm": _recurrent(4),
    "gru": _recurrent(3),
    "rnn": _recurrent(1),
    "nn.functional.scaled_dot_product_attention": _attention,
}

# What a gradient has to read beside that of the result: nothing, the result or a byte an element of it; for
# all others the inputs.
_NOTHING = ("add", "sum", "mean", "cat", "stack", "flip", "neg")
_OF_RESULT = ("exp", "tanh", "sigmoid", "relu", "sqrt", "softmax", "log_softmax")
_MARKS = ("max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool2d", "dropout")


def _saved(case: Case, inputs: float, out: float) -> float:
    name = case.fn.rsplit(".", 1)[-1]
    if name in _OF_RESULT:
        return out
    if name in _MARKS:
        return out / 4
    if name in _NOTHING or "avg_pool" in name or name in ("pad", "interpolate", "contiguous", "unfold"):
        return 0.0
    if name in ("gather", "index_select", "getitem", "embedding", "scatter_add", "topk"):
        return float(sum(s.bytes for s in case.inputs if s.integer))
    return inputs


# Programs of many operations, whose time says enough.
_UNCOUNTED = (
    "inference", "uncompiled_inference", "training_step", "uncompiled_training_step", "epoch", "trainer",
    "import", "import_module",
)  # fmt: skip

# How often a pass does the forward pass's arithmetic.
_TIMES = {"forward": 1, "graph": 1, "input_grad": 1, "weight_grad": 1, "backward": 2, "step": 3}


def work_of(case: Case, out: tuple[int, ...]) -> Work:
    """From the shapes of the arguments and of the result; a case's `streams` say how often
    all of its weights are read and written."""
    inputs = float(sum(s.bytes for s in case.inputs))
    weights = float(sum(s.bytes for s in case.weights))
    if case.streams:
        return Work(0.0, case.streams[0] * weights, case.streams[1] * weights, in_place=True)
    if case.fn in _UNCOUNTED:
        return Work(0.0, 0.0, 0.0)
    size = 2.0 if case.inputs and case.inputs[0].dtype == "bfloat16" else 4.0
    result, wanted = size * prod(out), float(sum(s.bytes for s in case.inputs if s.grad and not s.integer))
    if case.fn in ("nn.functional.embedding", "index_select", "getitem"):  # reads only the rows that it takes
        inputs, weights = result + sum(s.bytes for s in case.inputs if s.integer), 0.0
    saved = _saved(case, inputs, result)
    forward = (inputs + weights, result)
    backward = {
        "input_grad": (result + (weights or saved), float(case.inputs[0].bytes) if case.inputs else 0.0),
        "weight_grad": (result + inputs, weights),
        "backward": (result + saved + weights, wanted + weights),
    }
    backward["step"] = (forward[0] + backward["backward"][0], forward[1] + backward["backward"][1])
    read, written = backward.get(case.which, forward)
    flops = FLOPS[case.fn](case, out) if case.fn in FLOPS else 0.0
    return Work(flops * _TIMES[case.which], read, written)
