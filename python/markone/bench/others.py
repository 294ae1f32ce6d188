"""Which cases NumPy, JAX and onnxruntime know, and how each calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markone.bench.case import Case

__all__ = ["NUMPY", "ONNX", "known", "node_of"]


def _along(name: str) -> Callable[..., Any]:
    def call(np: Any, x: Any, dim: Any = None) -> Any:
        return getattr(np, name)(x, axis=tuple(dim) if isinstance(dim, list) else dim)

    return call


def _plain(name: str) -> Callable[..., Any]:
    return lambda np, *xs: getattr(np, name)(*xs)


def _softmax(np: Any, x: Any, dim: int) -> Any:
    e = np.exp(x - np.max(x, axis=dim, keepdims=True))
    return e / np.sum(e, axis=dim, keepdims=True)


def _layer_norm(np: Any, x: Any, normalized_shape: Any, weight: Any, bias: Any) -> Any:
    mean = np.mean(x, axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(np.var(x, axis=-1, keepdims=True) + 1e-5) * weight + bias


# By fn: a function of (numpy or jax.numpy, the arguments). JAX compiles the same expression.
NUMPY: dict[str, Callable[..., Any]] = {
    **{
        name: _plain(name)
        for name in (
            "matmul", "exp", "tanh", "log", "sqrt", "abs", "sin", "maximum", "where", "dot", "outer",
            "argsort", "tril", "unique",
        )
    },
    "neg": _plain("negative"),
    "mul": _plain("multiply"),
    "div": _plain("divide"),
    "pow": _plain("power"),
    "add": lambda np, x, y=None, other=0.0: np.add(x, other if y is None else y),
    "sigmoid": lambda np, x: 1 / (1 + np.exp(-x)),
    "relu": lambda np, x: np.maximum(x, 0),
    "clamp": lambda np, x, min, max: np.clip(x, min, max),
    **{name: _along(name) for name in ("sum", "mean", "var", "prod", "argmax", "cumsum", "max")},
    "amax": _along("max"),
    "flip": lambda np, x, dims: np.flip(x, dims),
    "sort": lambda np, x: np.sort(x, axis=-1),
    "gather": lambda np, x, index, dim: np.take_along_axis(x, index, dim),
    "index_select": lambda np, x, index, dim: np.take(x, index, dim),
    "getitem": lambda np, x, index: x[index],
    "reshape": lambda np, x, shape: np.reshape(x, shape),
    "contiguous": lambda np, x, dims: np.ascontiguousarray(np.transpose(x, dims)),
    "nn.functional.linear": lambda np, x, w, b: x @ w.T + b,
    "nn.functional.softmax": _softmax,
    "nn.functional.layer_norm": _layer_norm,
    "nn.functional.embedding": lambda np, index, table: table[index],
}  # fmt: skip
# A view or a compiled no-op is no peer of a copy.
_NOT_IN_JAX = ("contiguous", "unique", "reshape")
_IN_JAX_ONLY = ("inference", "training_step")

Node = tuple[str, dict[str, Any]]


def _many(case: Case, name: str, axes: int, default: int) -> list[int]:
    value = case.args.get(name, default)
    return list(value) if isinstance(value, (list, tuple)) else [value] * axes


def _conv(op: str) -> Callable[[Case], Node]:
    def node(case: Case) -> Node:
        n = len(case.inputs[0].shape) - 2
        attributes = {
            "pads": _many(case, "padding", n, 0) * 2,
            "strides": _many(case, "stride", n, 1),
            "dilations": _many(case, "dilation", n, 1),
            "group": case.args.get("groups", 1),
        }
        return op, attributes

    return node


def _pool(op: str) -> Callable[[Case], Node]:
    def node(case: Case) -> Node:
        n = len(case.inputs[0].shape) - 2
        window = _many(case, "kernel_size", n, 2)
        stride = _many(case, "stride", n, 0) if "stride" in case.args else window
        attributes = {"kernel_shape": window, "strides": stride, "pads": _many(case, "padding", n, 0) * 2}
        return op, attributes | ({"count_include_pad": 1} if op == "AveragePool" else {})

    return node


def _reduce(op: str) -> Callable[[Case], Node]:
    def node(case: Case) -> Node:
        dim = case.args.get("dim")
        axes = dim if isinstance(dim, list) or dim is None else [dim]
        return op, {"keepdims": 0} | ({} if axes is None else {"axes": axes})

    return node


def _named(op: str) -> Callable[[Case], Node]:
    return lambda case: (op, {})


def _axis(op: str) -> Callable[[Case], Node]:
    return lambda case: (op, {"axis": case.args["dim"]})


# By fn: its ONNX node; inputs and weights are the node's, in their order.
ONNX: dict[str, Callable[[Case], Node]] = {
    **{f"nn.functional.conv{n}d": _conv("Conv") for n in (1, 2, 3)},
    **{f"nn.functional.conv_transpose{n}d": _conv("ConvTranspose") for n in (1, 2, 3)},
    **{f"nn.functional.max_pool{n}d": _pool("MaxPool") for n in (1, 2, 3)},
    **{f"nn.functional.avg_pool{n}d": _pool("AveragePool") for n in (1, 2, 3)},
    "matmul": _named("MatMul"),
    "nn.functional.linear": lambda case: ("Gemm", {"transB": 1}),
    **{
        name: _named(name.capitalize())
        for name in (
            "exp", "tanh", "sigmoid", "log", "sqrt", "relu", "erf", "sin", "neg", "abs", "mul", "div", "pow",
        )
    },
    "add": _named("Add"),
    "maximum": _named("Max"),
    "where": _named("Where"),
    "nn.functional.softmax": _axis("Softmax"),
    "nn.functional.log_softmax": _axis("LogSoftmax"),
    "nn.functional.layer_norm": lambda case: ("LayerNormalization", {"axis": -1}),
    "sum": _reduce("ReduceSum"),
    "mean": _reduce("ReduceMean"),
    "amax": _reduce("ReduceMax"),
    "logsumexp": _reduce("ReduceLogSumExp"),
    "argmax": lambda case: ("ArgMax", {"axis": case.args["dim"], "keepdims": 0}),
    "gather": lambda case: ("GatherElements", {"axis": case.args["dim"]}),
    "lstm": lambda case: ("LSTM", {"hidden_size": case.args["hidden"]}),
    "gru": lambda case: ("GRU", {"hidden_size": case.args["hidden"], "linear_before_reset": 1}),
}  # fmt: skip


def node_of(case: Case) -> Node:
    """The node of a case that onnxruntime knows."""
    return ONNX[case.fn](case)


def known(library: str, case: Case) -> bool:
    """Whether the library has this case in this pass."""
    if case.fn == "import":
        return library in ("numpy", "jax", "onnxruntime")
    if library == "numpy":
        return case.which == "forward" and case.fn in NUMPY
    if library == "onnxruntime":
        if case.fn == "inference":
            return True
        one_way = not case.args.get("bidirectional") and case.args.get("num_layers", 1) == 1
        plain = "other" not in case.args  # a number is no input of a node
        return case.which == "forward" and case.fn in ONNX and one_way and plain
    if case.fn in _IN_JAX_ONLY:
        return True
    if case.which == "graph" or case.group == "overhead":
        return False
    from markone.bench.peer_jax import JAX_NAMES

    return case.fn in JAX_NAMES or (case.fn in NUMPY and case.fn not in _NOT_IN_JAX)
