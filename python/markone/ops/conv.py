"""Convolution over one, two or three axes, and its transpose. Their gradients are operations of their own, so
gradients of any order exist."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edges_of, recording
from ..tensor import Tensor
from ._common import numbers, over_axes, tensor_arg
from .reduce import sum as sum_
from .shape import pad_constant, reshape, unsqueeze

# For other families, not for users.
HELPERS = "same_padding conv_input_grad conv_weight_grad"

Numbers = tuple[int, ...]
# Stride, padding, dilation; groups.
Args = tuple[Numbers, Numbers, Numbers, int]


def _sum_channels(g: Tensor) -> Tensor:
    return sum_(g, (0, *range(2, g.ndim)))


# The convolution, its input gradient and its weight gradient are bilinear, and the gradients of each are the
# other two. A bias is added after the sum.


def _conv_native(node: Node, g: Any) -> Any:
    x, w = node.saved
    x_shape, w_shape, args = node.ctx
    edges = node.edges
    return (
        None if edges[0] is None else _C.conv_input_grad(g, w, x_shape, *args),
        None if edges[1] is None else _C.conv_weight_grad(g, x, w_shape, *args),
        None if edges[2] is None else _C.sum(g, (0, *range(2, g.ndim)), False),
    )


def _conv_differentiable(node: Node, g: Tensor) -> Any:
    x, w = node.tensors()
    x_shape, w_shape, args = node.ctx
    edges = node.edges
    return (
        None if edges[0] is None else conv_input_grad(g, w, x_shape, args),
        None if edges[1] is None else conv_weight_grad(g, x, w_shape, args),
        None if edges[2] is None else _sum_channels(g),
    )


def _input_grad_differentiable(node: Node, gg: Tensor) -> Any:
    g, w = node.tensors()
    w_shape, args = node.ctx
    edges = node.edges
    return (
        None if edges[0] is None else _conv(gg, w, None, args),
        None if edges[1] is None else conv_weight_grad(g, gg, w_shape, args),
        None if edges[2] is None else _sum_channels(gg),
    )


def _weight_grad_differentiable(node: Node, gg: Tensor) -> Any:
    g, x = node.tensors()
    x_shape, args = node.ctx
    return (
        None if node.edges[0] is None else _conv(x, gg, None, args),
        None if node.edges[1] is None else conv_input_grad(g, gg, x_shape, args),
    )


# By the number of axes.
_CONV = {n: Op(f"conv{n}d", _conv_native, _conv_differentiable, (0, 1)) for n in (1, 2, 3)}
_TRANSPOSE = {n: Op(f"conv_transpose{n}d", None, _input_grad_differentiable, (0, 1)) for n in (1, 2, 3)}
_INPUT_GRAD = {n: Op(f"conv{n}d_input_grad", None, _input_grad_differentiable, (0, 1)) for n in (1, 2, 3)}
_WEIGHT_GRAD = {n: Op(f"conv{n}d_weight_grad", None, _weight_grad_differentiable, (0, 1)) for n in (1, 2, 3)}


def _conv(input: Tensor, weight: Tensor, bias: Tensor | None, args: Args) -> Tensor:
    x, w = input._array, weight._array
    y = _C.conv(x, w, None if bias is None else bias._array, *args)
    if not recording(input, weight, bias):
        return Tensor(y)
    edges = edges_of(input, weight, bias)
    saved = (None if edges[1] is None else x, None if edges[0] is None else w)
    return Tensor(y, True, Node(_CONV[x.ndim - 2], edges, saved, (x.shape, w.shape, args)))


def conv_input_grad(g: Tensor, weight: Tensor, input_shape: Any, args: Args) -> Tensor:
    """The gradient of a convolution's input from that of its result g [n, out, ..]."""
    ga, w = g._array, weight._array
    x = _C.conv_input_grad(ga, w, input_shape, *args)
    if not recording(g, weight):
        return Tensor(x)
    return Tensor(x, True, Node(_INPUT_GRAD[x.ndim - 2], edges_of(g, weight, None), (ga, w), (w.shape, args)))


def conv_weight_grad(g: Tensor, input: Tensor, weight_shape: Any, args: Args) -> Tensor:
    """The gradient of a convolution's weight from that of its result g [n, out, ..]."""
    ga, x = g._array, input._array
    w = _C.conv_weight_grad(ga, x, weight_shape, *args)
    if not recording(g, input):
        return Tensor(w)
    return Tensor(w, True, Node(_WEIGHT_GRAD[x.ndim - 2], edges_of(g, input), (ga, x), (x.shape, args)))


def _batched(op: str, axes: int, input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, bool]:
    """The input with a batch dimension, and whether it had none."""
    x, w = tensor_arg(op, input), tensor_arg(op, weight, "weight")
    if bias is not None:
        tensor_arg(op, bias, "bias")
    if w.ndim != axes + 2 or x.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"{op}: wants input [n, c, {axes} sizes] or [c, {axes} sizes] and a weight of {axes + 2} "
            f"dimensions, got shapes {list(x.shape)} and {list(w.shape)}"
        )
    return (unsqueeze(input, 0), True) if x.ndim == axes + 1 else (input, False)


def same_padding(dilation: Numbers, kernel: Any) -> list[tuple[int, int]]:
    """(before, after) of each axis that keep its size at stride 1; an odd one goes to the end."""
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def _forward(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlates input [n, in, {sizes}] (or [in, {sizes}]) with weight [out, in / groups, {kernel}], plus
    bias [out].

    padding may be "valid" (none) or "same" (the size stays; stride 1, an odd one goes to the end).
    """
    op = f"conv{axes}d"
    x, single = _batched(op, axes, input, weight, bias)
    strides, dilations = numbers(op, "stride", stride, axes), numbers(op, "dilation", dilation, axes)
    if not isinstance(padding, str):
        paddings = numbers(op, "padding", padding, axes)
    elif padding == "valid":
        paddings = (0,) * axes
    elif padding != "same":
        raise ValueError(f"{op}: padding {padding!r}, wants integers, 'valid' or 'same'")
    elif any(s != 1 for s in strides):
        raise RuntimeError(f"{op}: padding 'same' wants stride 1, got {strides}")
    else:
        sides = same_padding(dilations, weight.shape[2:])
        paddings = tuple(before for before, _ in sides)
        if any(after > before for before, after in sides):
            x = pad_constant(x, [n for before, after in reversed(sides) for n in (0, after - before)])
    out = _conv(x, weight, bias, (strides, paddings, dilations, groups))
    return reshape(out, out.shape[1:]) if single else out


conv1d, conv2d, conv3d = over_axes("conv{}d", _forward)


def _transposed(
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The gradient of conv{n}d's input as an operation: input [n, in, {sizes}] (or [in, {sizes}]), weight
    [in, out / groups, {kernel}], bias [out] → [n, out, ..], each size (size - 1)·stride - 2·padding +
    dilation·(kernel - 1) + output_padding + 1."""
    op = f"conv_transpose{axes}d"
    x, single = _batched(op, axes, input, weight, bias)
    strides, dilations = numbers(op, "stride", stride, axes), numbers(op, "dilation", dilation, axes)
    extra = numbers(op, "output_padding", output_padding, axes)
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise RuntimeError(
            f"{op}: output_padding must be below the stride or the dilation, got {extra}, stride {strides}, "
            f"dilation {dilations}"
        )
    beyond = [e // max(s, 1) for e, s in zip(extra, strides, strict=True)]
    if any(beyond):  # whole strides more: as if zeros followed the input
        x = pad_constant(x, [n for count in reversed(beyond) for n in (0, count)])
        extra = tuple(e % max(s, 1) for e, s in zip(extra, strides, strict=True))
    args = (strides, numbers(op, "padding", padding, axes), dilations, groups)
    xa, w = x._array, weight._array
    y = _C.conv_transpose(xa, w, None if bias is None else bias._array, *args, extra)
    if recording(x, weight, bias):
        out = Tensor(y, True, Node(_TRANSPOSE[axes], edges_of(x, weight, bias), (xa, w), (w.shape, args)))
    else:
        out = Tensor(y)
    return reshape(out, out.shape[1:]) if single else out


conv_transpose1d, conv_transpose2d, conv_transpose3d = over_axes("conv_transpose{}d", _transposed)
