"""The gradients of convolutions as operations (names of `torch.nn.grad`), differentiable themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops.conv import conv_input_grad, conv_weight_grad, numbers
from ..tensor import Tensor

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _args(op: str, axes: int, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    return (
        numbers(op, "stride", stride, axes),
        numbers(op, "padding", padding, axes),
        numbers(op, "dilation", dilation, axes),
        groups,
    )


def _check(op: str, axes: int, shape: Any, other: Any) -> None:
    if len(shape) != axes + 2 or other.ndim != axes + 2:
        raise RuntimeError(f"{op}: wants {axes + 2} dimensions, got {list(shape)} and {list(other.shape)}")


def conv1d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv1d's input, of size [n, in, w], from that of its result."""
    op = "conv1d_input"
    _check(op, 1, input_size, weight)
    args = _args(op, 1, stride, padding, dilation, groups)
    return conv_input_grad(grad_output, weight, tuple(input_size), args)


def conv1d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv1d's weight from its input [n, in, w] and the gradient of its result."""
    op = "conv1d_weight"
    _check(op, 1, weight_size, input)
    args = _args(op, 1, stride, padding, dilation, groups)
    return conv_weight_grad(grad_output, input, tuple(weight_size), args)


def conv2d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv2d's input, of size [n, in, h, w], from that of its result."""
    op = "conv2d_input"
    _check(op, 2, input_size, weight)
    args = _args(op, 2, stride, padding, dilation, groups)
    return conv_input_grad(grad_output, weight, tuple(input_size), args)


def conv2d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv2d's weight from its input [n, in, h, w] and the gradient of its result."""
    op = "conv2d_weight"
    _check(op, 2, weight_size, input)
    args = _args(op, 2, stride, padding, dilation, groups)
    return conv_weight_grad(grad_output, input, tuple(weight_size), args)


def conv3d_input(
    input_size: Sequence[int],
    weight: Tensor,
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv3d's input, of size [n, in, d, h, w], from that of its result."""
    op = "conv3d_input"
    _check(op, 3, input_size, weight)
    args = _args(op, 3, stride, padding, dilation, groups)
    return conv_input_grad(grad_output, weight, tuple(input_size), args)


def conv3d_weight(
    input: Tensor,
    weight_size: Sequence[int],
    grad_output: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of conv3d's weight from its input [n, in, d, h, w] and the gradient of its result."""
    op = "conv3d_weight"
    _check(op, 3, weight_size, input)
    args = _args(op, 3, stride, padding, dilation, groups)
    return conv_weight_grad(grad_output, input, tuple(weight_size), args)
