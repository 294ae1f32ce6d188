"""Activations that are written with other operations."""

from __future__ import annotations

from ..tensor import Tensor
from ._common import tensor_arg
from .elementwise import compares, mul, sub, unary, where
from .shape import reshape

# Functions that are Tensor methods too.
METHODS = "hardshrink prelu"


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0."""
    tensor_arg("hardshrink", input)
    return where(compares["le"](unary["abs"](input), lambd), 0.0, input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 where that would pass it."""
    tensor_arg("softshrink", input)
    if not lambd >= 0:
        raise RuntimeError(f"softshrink: lambd is {lambd}, wants at least 0")
    moved = sub(input, mul(unary["sign"](input), lambd))
    return where(compares["le"](unary["abs"](input), lambd), 0.0, moved)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else a · x, with one a or one for each channel (dimension 1)."""
    if tensor_arg("prelu", weight, "weight").numel != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.ndim > 1 or weight.shape[0] != channels:
            raise ValueError(
                f"prelu: weight has shape {list(weight.shape)}, wants [1] or [{channels}] (the channels of "
                f"input {list(input.shape)})"
            )
    weight = reshape(weight, (-1, *([1] * (input.ndim - 2))) if input.ndim > 1 else (1,) * input.ndim)
    return where(compares["gt"](input, 0), input, mul(input, weight))
