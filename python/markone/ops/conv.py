"""Convolution. Its two gradients are operations of their own, so gradients of any order exist."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edge_of, edges_of, recording
from ..tensor import Tensor
from ._common import tensor_arg
from .reduce import sum as sum_
from .shape import reshape, unsqueeze

# For other families, not for users.
HELPERS = "pair conv2d_input_grad conv2d_weight_grad"

Pair = tuple[int, int]


def pair(op: str, name: str, value: Any) -> Pair:
    """One int for both dimensions, or a sequence of one or two."""
    given = value if isinstance(value, list | tuple) else (value,)
    try:
        out = tuple(v.__index__() for v in given)
    except (AttributeError, TypeError):
        raise TypeError(f"{op}: {name} must be integers, got {value!r}") from None
    if len(out) not in (1, 2):
        raise RuntimeError(f"{op}: {name} {value!r} has {len(out)} entries, wants 1 or 2")
    return (out[0], out[-1])


def _sum_out(g: Any) -> Any:
    return _C.sum(g, (0, 2, 3), False)


# Each of the three is bilinear; its gradients are the other two.


def _conv_native(node: Node, g: Any) -> Any:
    x, w = node.saved
    x_shape, w_shape, args = node.ctx
    edges = node.edges
    return (
        None if edges[0] is None else _C.conv2d_input_grad(g, w, x_shape, *args),
        None if edges[1] is None else _C.conv2d_weight_grad(g, x, w_shape, *args),
        None if edges[2] is None else _sum_out(g),
    )


def _conv_differentiable(node: Node, g: Tensor) -> Any:
    x, w = node.tensors()
    x_shape, w_shape, args = node.ctx
    edges = node.edges
    return (
        None if edges[0] is None else conv2d_input_grad(g, w, x_shape, *args),
        None if edges[1] is None else conv2d_weight_grad(g, x, w_shape, *args),
        None if edges[2] is None else sum_(g, (0, 2, 3)),
    )


def _input_grad_differentiable(node: Node, gg: Tensor) -> Any:
    g, w = node.tensors()
    _, w_shape, args = node.ctx
    return (
        None if node.edges[0] is None else _conv(gg, w, None, args),
        None if node.edges[1] is None else conv2d_weight_grad(g, gg, w_shape, *args),
    )


def _weight_grad_differentiable(node: Node, gg: Tensor) -> Any:
    g, x = node.tensors()
    x_shape, _, args = node.ctx
    return (
        None if node.edges[0] is None else _conv(x, gg, None, args),
        None if node.edges[1] is None else conv2d_input_grad(g, gg, x_shape, *args),
    )


_CONV = Op("conv2d", _conv_native, _conv_differentiable, (0, 1))
_INPUT_GRAD = Op("conv2d_input_grad", None, _input_grad_differentiable, (0, 1))
_WEIGHT_GRAD = Op("conv2d_weight_grad", None, _weight_grad_differentiable, (0, 1))


def _conv(input: Tensor, weight: Tensor, bias: Tensor | None, args: Any) -> Tensor:
    x, w = tensor_arg("conv2d", input), tensor_arg("conv2d", weight, "weight")
    y = _C.conv2d(x, w, None if bias is None else tensor_arg("conv2d", bias, "bias"), *args)
    if not recording(input, weight, bias):
        return Tensor(y)
    edges = edges_of(input, weight, bias)
    saved = (None if edges[1] is None else x, None if edges[0] is None else w)
    return Tensor(y, True, Node(_CONV, edges, saved, (x.shape, w.shape, args)))


def conv2d_input_grad(
    g: Tensor, weight: Tensor, input_shape: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    """The gradient of conv2d's input from that of its result g [n, out, h, w]."""
    ga, w = g._array, weight._array
    out = _C.conv2d_input_grad(ga, w, tuple(input_shape), stride, padding, dilation, groups)
    if not recording(g, weight):
        return Tensor(out)
    ctx = (tuple(input_shape), w.shape, (stride, padding, dilation, groups))
    return Tensor(out, True, Node(_INPUT_GRAD, edges_of(g, weight), (ga, w), ctx))


def conv2d_weight_grad(
    g: Tensor, input: Tensor, weight_shape: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    """The gradient of conv2d's weight from that of its result g [n, out, h, w]."""
    ga, x = g._array, input._array
    out = _C.conv2d_weight_grad(ga, x, tuple(weight_shape), stride, padding, dilation, groups)
    if not recording(g, input):
        return Tensor(out)
    ctx = (x.shape, tuple(weight_shape), (stride, padding, dilation, groups))
    return Tensor(out, True, Node(_WEIGHT_GRAD, edges_of(g, input), (ga, x), ctx))


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlates input [n, in, h, w] (or [in, h, w]) with weight [out, in / groups, kh, kw], plus bias [out].

    padding may be "valid" or "same" (stride 1, the extra row and column go at the end).
    """
    x, w = tensor_arg("conv2d", input), tensor_arg("conv2d", weight, "weight")
    if w.ndim != 4 or x.ndim not in (3, 4):
        raise RuntimeError(
            f"conv2d: wants input [n, c, h, w] or [c, h, w] and a weight of 4 dimensions, got shapes "
            f"{list(x.shape)} "
            f"and {list(w.shape)}"
        )
    strides, dilations = pair("conv2d", "stride", stride), pair("conv2d", "dilation", dilation)
    if isinstance(padding, str):
        input, paddings = _padded(input, padding, w.shape, strides, dilations)
    else:
        paddings = pair("conv2d", "padding", padding)
    args = (strides, paddings, dilations, groups)
    if x.ndim == 3:
        out = _conv(unsqueeze(input, 0), weight, bias, args)
        return reshape(out, out.shape[1:])
    return _conv(input, weight, bias, args)


def _padded(input: Tensor, padding: str, w_shape: Any, stride: Pair, dilation: Pair) -> tuple[Tensor, Pair]:
    if padding == "valid":
        return input, (0, 0)
    if padding != "same":
        raise ValueError(f"conv2d: padding {padding!r}, wants integers, 'valid' or 'same'")
    if stride != (1, 1):
        raise ValueError(f"conv2d: padding 'same' wants stride 1, got {stride}")
    total = [dilation[i] * (w_shape[2 + i] - 1) for i in (0, 1)]
    if total[0] % 2 or total[1] % 2:
        from .shape import pad_constant

        input = pad_constant(input, (0, total[1] % 2, 0, total[0] % 2))
    return input, (total[0] // 2, total[1] // 2)


__all__ = ["conv2d", "edge_of"]
