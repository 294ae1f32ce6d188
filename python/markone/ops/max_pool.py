"""Pooling that picks elements (maximum, adaptive, fractional, stochastic), and its inverse.

The places of what was picked are the whole gradient.
"""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edge_of, recording
from ..tensor import Tensor
from ._common import named, numbers, over_axes, tensor_arg
from .elementwise import mul, unary, where
from .gather import scatter, scatter_add
from .pool import avg_pool2d, geometry, pool_input, pooled_shape
from .random import rand
from .shape import reshape

# For functional; PyTorch has these not at the top either.
HELPERS = (
    "adaptive_max_pool2d adaptive_max_pool2d_with_indices adaptive_max_pool3d "
    "adaptive_max_pool3d_with_indices adaptive_max_pool1d_with_indices fractional_max_pool2d "
    "fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices "
    "max_pool2d_with_indices max_pool3d_with_indices max_unpool1d max_unpool2d max_unpool3d stochastic_pool2d"
)


def _pick_differentiable(node: Node, g: Tensor) -> Any:
    (indices,) = node.tensors()
    shape, axes = node.ctx
    lead = shape[: len(shape) - axes]
    zeros = _C.empty((*lead, math.prod(shape[len(lead) :])), g.dtype, g.device)
    _C.fill(zeros, 0)
    flat = (*lead, math.prod(g.shape[len(lead) :]))
    added = scatter_add(Tensor(zeros), len(lead), reshape(indices, flat), reshape(g, flat))
    return (reshape(added, shape),)


_PICK = {
    name: Op(
        name,
        lambda node, g: (_C.max_pool_grad(g, node.saved[0], *node.ctx),),
        _pick_differentiable,
        (None,),
    )
    for name in (
        *(f"{kind}{d}d" for kind in ("max_pool", "adaptive_max_pool") for d in (1, 2, 3)),
        "fractional_max_pool2d",
        "fractional_max_pool3d",
        "stochastic_pool2d",
    )
}


def _picked(op: str, input: Tensor, axes: int, y: Any, indices: Any) -> tuple[Tensor, Tensor]:
    if not recording(input):
        return Tensor(y), Tensor(indices)
    ctx = (input._array.shape, axes)
    return Tensor(y, True, Node(_PICK[op], (edge_of(input),), (indices,), ctx)), Tensor(indices)


def _max_pool_of(axes: int, input: Tensor, args: Any, ceil_mode: bool, want: bool) -> Any:
    op = f"max_pool{axes}d"
    x = pool_input(op, input, axes)
    kernel, step, padding, dilation = geometry(op, axes, *args)
    rest = (kernel, step, padding, dilation, bool(ceil_mode))
    if axes == 1:
        x = x.unsqueeze(x.ndim - 1)
    if axes < 3 and not want and not recording(input):
        y = named(op, _C.max_pool2d_values, x, *rest)
        return Tensor(y.squeeze(y.ndim - 2) if axes == 1 else y)
    y, indices = named(op, _C.max_pool3d if axes == 3 else _C.max_pool2d, x, *rest)
    if axes == 1:
        y, indices = y.squeeze(y.ndim - 2), indices.squeeze(y.ndim - 2)
    out = _picked(op, input, axes, y, indices)
    return out if want else out[0]


def _max_pool(
    axes: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of [n, c, {sizes}] (NaN wins). With return_indices also where it was
    in its plane (int64)."""
    return _max_pool_of(axes, input, (kernel_size, stride, padding, dilation), ceil_mode, return_indices)


def _max_pool_with_indices(
    axes: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool{n}d` and the flat place of each winner in its plane (int64)."""
    out = _max_pool_of(axes, input, (kernel_size, stride, padding, dilation), ceil_mode, True)
    return (out[0], out[1])


max_pool1d, max_pool2d, max_pool3d = over_axes("max_pool{}d", _max_pool)
max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = over_axes(
    "max_pool{}d_with_indices", _max_pool_with_indices
)


def _adaptive_with_indices(
    axes: int, input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool{n}d` and the flat place of each winner in its plane (int64)."""
    op = f"adaptive_max_pool{axes}d"
    x = pool_input(op, input, axes)
    y, indices = named(op, _C.adaptive_max_pool, x, pooled_shape(op, input, output_size, axes))
    return _picked(op, input, axes, y, indices)


def _adaptive(axes: int, input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of windows of [n, c, {sizes}] chosen so that the result has output_size (None
    keeps a size): along an axis place i takes ⌊i·size/out⌋ .. ⌈(i+1)·size/out⌉."""
    out = _adaptive_with_indices(axes, input, output_size)
    return out if return_indices else out[0]


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = over_axes("adaptive_max_pool{}d", _adaptive)
adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices, adaptive_max_pool3d_with_indices = (
    over_axes("adaptive_max_pool{}d_with_indices", _adaptive_with_indices)
)


def _fractional_with_indices(
    axes: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool{n}d` and the flat place of each winner in its plane (int64)."""
    op, samples = f"fractional_max_pool{axes}d", _random_samples
    x = pool_input(op, input, axes)
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{op}: wants either output_size or output_ratio")
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, list | tuple) else (output_ratio,) * axes
        if len(ratios) != axes or not all(0 < r < 1 for r in ratios):
            raise ValueError(f"{op}: output_ratio is {output_ratio!r}, wants {axes} numbers between 0 and 1")
        output_size = tuple(int(n * r) for n, r in zip(x.shape[-axes:], ratios, strict=True))
    size = numbers(op, "output_size", output_size, axes)
    if samples is None:
        lead = (1, x.shape[0]) if x.ndim == axes + 1 else x.shape[:2]
        samples = rand(*lead, axes, dtype=input.dtype)
    kernel = numbers(op, "kernel_size", kernel_size, axes)
    places = tensor_arg(op, samples, "_random_samples")
    y, indices = named(op, _C.fractional_max_pool, x, kernel, size, places)
    return _picked(op, input, axes, y, indices)


def _fractional(
    axes: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest elements of overlapping windows of [n, c, {sizes}] whose places are drawn so that the
    result has output_size, or input size · output_ratio (Graham, "Fractional max-pooling", 2014).

    _random_samples [n, c, {n}] in [0, 1) takes the place of drawn ones.
    """
    rest = (kernel_size, output_size, output_ratio, return_indices, _random_samples)
    out = _fractional_with_indices(axes, input, *rest)
    return out if return_indices else out[0]


fractional_max_pool2d, fractional_max_pool3d = over_axes("fractional_max_pool{}d", _fractional)[1:]
fractional_max_pool2d_with_indices, fractional_max_pool3d_with_indices = over_axes(
    "fractional_max_pool{}d_with_indices", _fractional_with_indices
)[1:]


def stochastic_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    training: bool = True,
    _random_samples: Tensor | None = None,
) -> Tensor:
    """Stochastic pooling (Zeiler & Fergus, "Stochastic pooling for regularization", 2013): an element of each
    window with probability max(a, 0) / Σ max(a, 0); without training the mean with these weights.

    Where no element of a window is above 0 all have the same probability. _random_samples of the result's
    shape, in [0, 1), take the place of drawn ones.
    """
    op = "stochastic_pool2d"
    x = pool_input(op, input, 2)
    kernel, step, pads, _ = geometry(op, 2, kernel_size, stride, padding)
    if training:
        if _random_samples is None:
            shape = named(op, _C.max_pool2d_values, x, kernel, step, pads, (1, 1), ceil_mode).shape
            _random_samples = rand(*shape, dtype=input.dtype)
        places = tensor_arg(op, _random_samples, "_random_samples")
        y, indices = named(op, _C.stochastic_pool2d, x, places, kernel, step, pads, ceil_mode)
        return _picked(op, input, 2, y, indices)[0]
    weights = unary["relu"](input)
    total = avg_pool2d(weights, kernel, step, pads, ceil_mode, divisor_override=1)
    weighted = avg_pool2d(mul(weights, input), kernel, step, pads, ceil_mode, divisor_override=1)
    mean = avg_pool2d(input, kernel, step, pads, ceil_mode, count_include_pad=False)
    some = total > 0
    return where(some, weighted / where(some, total, 1.0), mean)


# -- back


def _unpool(
    axes: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts each element back where `max_pool{n}d` found it (indices), zeros elsewhere.

    output_size tells apart the sizes that pool to the same one; less than a stride from the default.
    """
    op = f"max_unpool{axes}d"
    x, places = pool_input(op, input, axes), tensor_arg(op, indices, "indices")
    if places.shape != x.shape:
        raise ValueError(f"{op}: indices of shape {list(places.shape)} for input {list(x.shape)}")
    kernel = numbers(op, "kernel_size", kernel_size, axes)
    step = kernel if stride is None or stride == [] else numbers(op, "stride", stride, axes)
    pads = numbers(op, "padding", padding, axes)
    lead, have = tuple(x.shape[:-axes]), x.shape[-axes:]
    least = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(have, step, pads, kernel, strict=True))
    size = least if output_size is None else tuple(output_size)[-axes:]
    if output_size is not None:
        if len(output_size) not in (axes, axes + 2):
            raise ValueError(f"{op}: output_size {list(output_size)} has to have {axes} numbers")
        if not all(d - s < n < d + s for n, d, s in zip(size, least, step, strict=True)):
            raise ValueError(
                f"{op}: output_size {list(size)} is not within one stride {list(step)} of {list(least)}"
            )
    flat = (*lead, math.prod(have))
    zeros = _C.empty((*lead, math.prod(size)), x.dtype, x.device)
    _C.fill(zeros, 0)
    args = (Tensor(zeros), len(lead), reshape(indices, flat), reshape(input, flat))
    return reshape(named(op, scatter, *args), (*lead, *size))


max_unpool1d, max_unpool2d, max_unpool3d = over_axes("max_unpool{}d", _unpool)
