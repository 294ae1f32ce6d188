"""Activations and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import ops
from ..._dtypes import float32, float64
from ...autograd.graph import recording
from ...autograd.inplace import write_recorded
from ...ops._common import wrap_dim
from ...ops.activation import hardshrink, prelu, softshrink
from ...ops.index import one_hot
from ...ops.softmax import softmax as softmax_op
from ...tensor import Tensor

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "one_hot",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]


def _apply(name: str, input: Tensor, function: Callable[[Tensor], Tensor], inplace: bool) -> Tensor:
    """function(input), written over the input where that was asked for."""
    if not inplace:
        return function(input)
    if recording(input):
        return write_recorded(input, f"{name}_", function)
    return ops.copy_(input, function(input))


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """tanh(x)."""
    return ops.tanh(input)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); NaN stays NaN."""
    return ops.relu_(input) if inplace else ops.relu(input)


def relu_(input: Tensor) -> Tensor:
    """`relu` in place."""
    return ops.relu_(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x."""
    return _apply("leaky_relu", input, lambda x: ops.leaky_relu(x, negative_slope), inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha · (exp(x) - 1)."""
    return _apply("elu", input, lambda x: ops.elu(x, alpha), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(0, x) + min(0, alpha · (exp(x / alpha) - 1))."""
    if alpha == 0:
        raise ValueError("celu: alpha is 0, wants another number")
    return _apply("celu", input, lambda x: ops.elu(x / alpha, 1.0) * alpha, inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507... · elu(x, 1.6733...) (Klambauer et al. 2017)."""
    return _apply("selu", input, lambda x: ops.elu(x, 1.6732632423543772) * 1.0507009873554805, inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x); with approximate='tanh' x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is '{approximate}', wants 'none' or 'tanh'")
    return ops.gelu_tanh(input) if approximate == "tanh" else ops.gelu(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x · sigmoid(x)."""
    return _apply("silu", input, ops.silu, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x · tanh(softplus(x))."""
    return _apply("mish", input, lambda x: x * ops.tanh(ops.softplus(x)), inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta · x)) / beta; x itself where beta · x > threshold."""
    # Up from 20 a float32's softplus is the number itself.
    if beta == 1 and threshold >= 20 and input.dtype is not float64:
        return ops.softplus(input)
    scaled = input if beta == 1 else input * beta
    smooth = ops.softplus(scaled)
    if beta != 1:
        smooth = smooth / beta
    return ops.where(scaled > threshold, input, smooth)


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + exp(-x)))."""
    return ops.logsigmoid(input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (ops.abs(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - ops.tanh(input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x kept between min_val and max_val; no gradient at and beyond them."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is above max_val {max_val}")

    def limited(x: Tensor) -> Tensor:
        above = ops.where(x <= min_val, min_val, x)
        return ops.where(above >= max_val, max_val, above)

    return _apply("hardtanh", input, limited, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return _apply("hardsigmoid", input, lambda x: hardtanh(x + 3, 0.0, 6.0) / 6, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x · min(max(x + 3, 0), 6) / 6."""
    return _apply("hardswish", input, lambda x: x * hardtanh(x + 3, 0.0, 6.0) / 6, inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value."""
    return _apply("threshold", input, lambda x: ops.where(x <= threshold, value, x), inplace)


_threshold = threshold  # threshold_ has an argument of this name


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · sigmoid(b), a and b the halves of the input along `dim` (Dauphin et al. 2017)."""
    if input.ndim == 0:
        raise RuntimeError("glu: wants at least one dimension, got a 0-d tensor")
    d = wrap_dim("glu", dim, input.ndim)
    if input.shape[d] % 2:
        raise RuntimeError(f"glu: dimension {dim} of {list(input.shape)} must be even")
    half = input.shape[d] // 2
    return ops.narrow(input, d, 0, half) * ops.sigmoid(ops.narrow(input, d, half, half))


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x > 0, else a · x: in training a is uniform in [lower, upper) for each element, otherwise their
    mean (Xu et al. 2015)."""
    if not lower <= upper:
        raise ValueError(f"rrelu: lower is {lower}, wants at most upper ({upper})")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = ops.rand(input.shape, dtype=input.dtype) * (upper - lower) + lower
    return _apply("rrelu", input, lambda x: ops.where(x > 0, x, x * slope), inplace)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((logits + Gumbel noise) / tau) along `dim`: a draw of a class that has a gradient (Jang et al.
    2017). hard: one-hot values with the soft gradient. eps is not used, as in PyTorch."""
    if not logits.is_floating_point():
        raise RuntimeError(f"gumbel_softmax: wants a floating type, got {logits.dtype}")
    # Uniform numbers have 24 bits; the limit keeps a zero from becoming an infinity.
    uniform = ops.clamp(ops.rand(logits.shape, dtype=float32), min=2.0**-25)
    noise = -ops.log(-ops.log(uniform))
    soft = softmax((logits + noise.to(logits.dtype)) / tau, dim)
    if not hard:
        return soft
    places = one_hot(ops.argmax(soft, dim), soft.shape[dim]).movedim(-1, dim).to(soft.dtype)
    return places - soft.detach() + soft


def _dim(input: Tensor, dim: int | None) -> int:
    """PyTorch's old rule where no dimension is given."""
    if dim is not None:
        return dim
    return 0 if input.ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """exp(x_i) / Σ_j exp(x_j) along `dim`."""
    if dtype is not None:
        input = input.to(dtype)
    return softmax_op(input, _dim(input, dim))


def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Softmax of -x."""
    return softmax(-input, dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """x_i - log Σ_j exp(x_j) along `dim`."""
    if dtype is not None:
        input = input.to(dtype)
    return ops.log_softmax(input, _dim(input, dim))


# -- in place


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` in place."""
    return leaky_relu(input, negative_slope, True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` in place."""
    return elu(input, alpha, True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` in place."""
    return celu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """`selu` in place."""
    return selu(input, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` in place."""
    return hardtanh(input, min_val, max_val, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` in place."""
    return _threshold(input, threshold, value, True)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """`rrelu` in place."""
    return rrelu(input, lower, upper, training, True)
