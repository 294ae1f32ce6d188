"""The gradients of convolutions as operations (names of `torch.nn.grad`), differentiable themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops._common import numbers, over_axes
from ..ops.conv import conv_input_grad, conv_weight_grad
from ..tensor import Tensor

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _args(op: str, axes: int, shape: Any, other: Tensor, stride: Any, padding: Any, dilation: Any) -> Any:
    if len(shape) != axes + 2 or other.ndim != axes + 2:
        raise RuntimeError(f"{op}: wants {axes + 2} dimensions, got {list(shape)} and {list(other.shape)}")
    given = (("stride", stride), ("padding", padding), ("dilation", dilation))
    return tuple(numbers(op, name, value, axes) for name, value in given)


def _input(
    axes: int,
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv{n}d's input, of size [n, in, {sizes}], from that of its result."""
    args = _args(f"conv{axes}d_input", axes, input_size, weight, stride, padding, dilation)
    return conv_input_grad(grad_output, weight, tuple(input_size), (*args, groups))


def _weight(
    axes: int,
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv{n}d's weight from its input [n, in, {sizes}] and the gradient of its result."""
    args = _args(f"conv{axes}d_weight", axes, weight_size, input, stride, padding, dilation)
    return conv_weight_grad(grad_output, input, tuple(weight_size), (*args, groups))


conv1d_input, conv2d_input, conv3d_input = over_axes("conv{}d_input", _input)
conv1d_weight, conv2d_weight, conv3d_weight = over_axes("conv{}d_weight", _weight)
