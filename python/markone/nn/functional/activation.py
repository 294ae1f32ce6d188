"""Activations, softmax, dropout, normalised vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import ops
from ...autograd.graph import recording
from ...autograd.inplace import write_recorded
from ...ops.index import one_hot
from ...ops.softmax import softmax as softmax_op
from ...tensor import Tensor

__all__ = [
    "celu",
    "cosine_similarity",
    "dropout",
    "dropout2d",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "normalize",
    "one_hot",
    "pairwise_distance",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
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


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else a · x, with one a or one for each channel (dimension 1)."""
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.ndim > 1 or weight.numel() != channels:
            raise ValueError(
                f"prelu: weight has shape {list(weight.shape)}, wants [1] or [{channels}] (the channels "
                f"of input "
                f"{list(input.shape)})"
            )
        weight = weight.reshape(-1, *([1] * (input.ndim - 2)))
    return ops.where(input > 0, input, input * weight)


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


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zero with probability p, else x / (1 - p)."""
    return _apply("dropout", input, lambda x: ops.dropout(x, p, training), inplace and training)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeroes whole planes of [N, C, H, W] or [C, H, W] with probability p, scales the others."""
    if input.ndim not in (3, 4):
        raise ValueError(f"dropout2d: wants [N, C, H, W] or [C, H, W], got shape {list(input.shape)}")
    planes = ops.dropout(ops.ones(*input.shape[:-2], 1, 1, dtype=input.dtype), p, training)
    return _apply("dropout2d", input, lambda x: x * planes, inplace) if training else input


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖_p, eps) along `dim`."""
    if p == 2:
        size = (input * input).sum(dim, keepdim=True).sqrt()
    else:
        size = (ops.abs(input) ** p).sum(dim, keepdim=True) ** (1.0 / p)
    return input / ops.clamp(size, min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (max(‖x1‖, eps) · max(‖x2‖, eps)) along `dim`."""
    n1 = ops.clamp((x1 * x1).sum(dim, keepdim=True).sqrt(), min=eps)
    n2 = ops.clamp((x2 * x2).sum(dim, keepdim=True).sqrt(), min=eps)
    return ((x1 / n1) * (x2 / n2)).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """‖x1 - x2 + eps‖_p along the last dimension."""
    difference = ops.abs(x1 - x2 + eps)
    return (difference**p).sum(-1, keepdim=keepdim) ** (1.0 / p)
