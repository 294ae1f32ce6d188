"""Pooling that picks elements (maximum, adaptive, fractional, stochastic), and its inverse.

The places of what was picked are the whole gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edge_of, recording
from ..tensor import Tensor
from ._common import tensor_arg
from .elementwise import mul, unary, where
from .gather import scatter, scatter_add
from .pool import avg_pool2d, geometry, named, numbers, pool_input, pooled_shape
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
    shape, spatial = node.ctx
    lead = shape[: len(shape) - spatial]
    zeros = _C.empty((*lead, math.prod(shape[len(lead) :])), g.dtype)
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


def _picked(op: str, input: Tensor, spatial: int, y: Any, indices: Any) -> tuple[Tensor, Tensor]:
    if not recording(input):
        return Tensor(y), Tensor(indices)
    ctx = (input._array.shape, spatial)
    return Tensor(y, True, Node(_PICK[op], (edge_of(input),), (indices,), ctx)), Tensor(indices)


def _max_pool(op: str, spatial: int, input: Tensor, args: Any, ceil_mode: bool, want: bool) -> Any:
    x = pool_input(op, input, spatial)
    kernel, step, padding, dilation = geometry(op, spatial, *args)
    rest = (kernel, step, padding, dilation, bool(ceil_mode))
    if spatial == 1:
        x = x.unsqueeze(x.ndim - 1)
    if spatial < 3 and not want and not recording(input):
        y = named(op, _C.max_pool2d_values, x, *rest)
        return Tensor(y.squeeze(y.ndim - 2) if spatial == 1 else y)
    y, indices = named(op, _C.max_pool3d if spatial == 3 else _C.max_pool2d, x, *rest)
    if spatial == 1:
        y, indices = y.squeeze(y.ndim - 2), indices.squeeze(y.ndim - 2)
    out = _picked(op, input, spatial, y, indices)
    return out if want else out[0]


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of the last dimension (NaN wins), as `max_pool2d`."""
    args = (kernel_size, stride, padding, dilation)
    return _max_pool("max_pool1d", 1, input, args, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window (NaN wins). With return_indices also where it was in its plane
    (int64)."""
    args = (kernel_size, stride, padding, dilation)
    return _max_pool("max_pool2d", 2, input, args, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of [n, c, d, h, w] (NaN wins), as `max_pool2d`."""
    args = (kernel_size, stride, padding, dilation)
    return _max_pool("max_pool3d", 3, input, args, ceil_mode, return_indices)


def _with_indices(spatial: int) -> Any:
    op = f"max_pool{spatial}d"

    def pool(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> tuple[Tensor, Tensor]:
        out = _max_pool(op, spatial, input, (kernel_size, stride, padding, dilation), ceil_mode, True)
        return (out[0], out[1])

    pool.__name__ = pool.__qualname__ = f"{op}_with_indices"
    pool.__doc__ = f"`{op}` and the flat place of each winner in its plane (int64)."
    return pool


max_pool1d_with_indices = _with_indices(1)
max_pool2d_with_indices = _with_indices(2)
max_pool3d_with_indices = _with_indices(3)


def _adaptive_max(op: str, spatial: int, input: Tensor, output_size: Any, want: bool) -> Any:
    x = pool_input(op, input, spatial)
    y, indices = named(op, _C.adaptive_max_pool, x, pooled_shape(op, input, output_size, spatial))
    out = _picked(op, input, spatial, y, indices)
    return out if want else out[0]


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of windows that share the last dimension out among output_size."""
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of windows chosen so that the result has output_size (None keeps a size):
    row i takes ⌊i·h/oh⌋ .. ⌈(i+1)·h/oh⌉."""
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """As `adaptive_max_pool2d`, of [n, c, d, h, w]."""
    return _adaptive_max("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _adaptive_with_indices(spatial: int) -> Any:
    op = f"adaptive_max_pool{spatial}d"

    def pool(input: Tensor, output_size: Any, return_indices: bool = False) -> tuple[Tensor, Tensor]:
        out = _adaptive_max(op, spatial, input, output_size, True)
        return (out[0], out[1])

    pool.__name__ = pool.__qualname__ = f"{op}_with_indices"
    pool.__doc__ = f"`{op}` and the flat place of each winner in its plane (int64)."
    return pool


adaptive_max_pool1d_with_indices = _adaptive_with_indices(1)
adaptive_max_pool2d_with_indices = _adaptive_with_indices(2)
adaptive_max_pool3d_with_indices = _adaptive_with_indices(3)


def _fractional(
    op: str,
    spatial: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    x = pool_input(op, input, spatial)
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{op}: wants either output_size or output_ratio")
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, list | tuple) else (output_ratio,) * spatial
        if len(ratios) != spatial or not all(0 < r < 1 for r in ratios):
            raise ValueError(
                f"{op}: output_ratio is {output_ratio!r}, wants {spatial} numbers between 0 and 1"
            )
        output_size = tuple(int(n * r) for n, r in zip(x.shape[-spatial:], ratios, strict=True))
    size = numbers(op, "output_size", output_size, spatial)
    if samples is None:
        lead = (1, x.shape[0]) if x.ndim == spatial + 1 else x.shape[:2]
        samples = rand(*lead, spatial, dtype=input.dtype)
    kernel = numbers(op, "kernel_size", kernel_size, spatial)
    places = tensor_arg(op, samples, "_random_samples")
    y, indices = named(op, _C.fractional_max_pool, x, kernel, size, places)
    return _picked(op, input, spatial, y, indices)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest elements of overlapping windows whose places are drawn so that the result has output_size,
    or input size · output_ratio (Graham, "Fractional max-pooling", 2014).

    _random_samples [n, c, 2] in [0, 1) takes the place of drawn ones.
    """
    args = (input, kernel_size, output_size, output_ratio, _random_samples)
    out = _fractional("fractional_max_pool2d", 2, *args)
    return out if return_indices else out[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As `fractional_max_pool2d`, of [n, c, d, h, w]; _random_samples [n, c, 3]."""
    args = (input, kernel_size, output_size, output_ratio, _random_samples)
    out = _fractional("fractional_max_pool3d", 3, *args)
    return out if return_indices else out[0]


def _fractional_with_indices(spatial: int) -> Any:
    op = f"fractional_max_pool{spatial}d"

    def pool(
        input: Tensor,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        return _fractional(op, spatial, input, kernel_size, output_size, output_ratio, _random_samples)

    pool.__name__ = pool.__qualname__ = f"{op}_with_indices"
    pool.__doc__ = f"`{op}` and the flat place of each winner in its plane (int64)."
    return pool


fractional_max_pool2d_with_indices = _fractional_with_indices(2)
fractional_max_pool3d_with_indices = _fractional_with_indices(3)


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
    spatial: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Sequence[int] | None,
) -> Tensor:
    op = f"max_unpool{spatial}d"
    x, places = pool_input(op, input, spatial), tensor_arg(op, indices, "indices")
    if places.shape != x.shape:
        raise ValueError(f"{op}: indices of shape {list(places.shape)} for input {list(x.shape)}")
    kernel = numbers(op, "kernel_size", kernel_size, spatial)
    step = kernel if stride is None or stride == [] else numbers(op, "stride", stride, spatial)
    pads = numbers(op, "padding", padding, spatial)
    lead, have = tuple(x.shape[:-spatial]), x.shape[-spatial:]
    least = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(have, step, pads, kernel, strict=True))
    size = least if output_size is None else tuple(output_size)[-spatial:]
    if output_size is not None:
        if len(output_size) not in (spatial, spatial + 2):
            raise ValueError(f"{op}: output_size {list(output_size)} has to have {spatial} numbers")
        if not all(d - s < n < d + s for n, d, s in zip(size, least, step, strict=True)):
            raise ValueError(
                f"{op}: output_size {list(size)} is not within one stride {list(step)} of {list(least)}"
            )
    flat = (*lead, math.prod(have))
    zeros = _C.empty((*lead, math.prod(size)), x.dtype)
    _C.fill(zeros, 0)
    args = (Tensor(zeros), len(lead), reshape(indices, flat), reshape(input, flat))
    return reshape(named(op, scatter, *args), (*lead, *size))


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts each element back where `max_pool1d` found it (indices), zeros elsewhere."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts each element back where `max_pool2d` found it (indices), zeros elsewhere.

    output_size tells apart the sizes that pool to the same one; less than a stride from the default.
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts each element back where `max_pool3d` found it (indices), zeros elsewhere."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
