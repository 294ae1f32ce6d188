"""Average pooling over one, two or three dimensions of [n, c, ...] or [c, ...], and what all pooling shares.

It is linear: the operation and its transpose are each other's gradient.
"""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from ..tensor import Tensor
from ._common import Linear, numbers, over_axes, tensor_arg
from .elementwise import mul, unary

# For functional and the other families; PyTorch has these not at the top either.
HELPERS = "adaptive_avg_pool3d avg_pool3d geometry lp_pool1d lp_pool2d lp_pool3d pool_input pooled_shape"


def pool_input(op: str, input: Tensor, axes: int) -> Any:
    x = tensor_arg(op, input)
    if x.ndim not in (axes + 1, axes + 2):
        places = ["[n, c, l]", "[n, c, h, w]", "[n, c, d, h, w]"][axes - 1]
        raise RuntimeError(
            f"{op}: wants {places} or {places.replace('n, ', '')}, got shape {list(input.shape)}"
        )
    return x


def geometry(
    op: str, axes: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> list[tuple[int, ...]]:
    """Kernel, stride, padding and dilation; for one dimension with that of the height 1 in front."""
    kernel = numbers(op, "kernel_size", kernel_size, axes)
    step = kernel if stride is None or stride == [] else numbers(op, "stride", stride, axes)
    out = [kernel, step, numbers(op, "padding", padding, axes), numbers(op, "dilation", dilation, axes)]
    return [(n, *v) for n, v in zip((1, 1, 0, 1), out, strict=True)] if axes == 1 else out


def pooled_shape(op: str, input: Tensor, output_size: Any, axes: int) -> tuple[int, ...]:
    """output_size with None (keeps a size) filled in."""
    given = output_size if isinstance(output_size, list | tuple) else (output_size,) * axes
    have = tensor_arg(op, input).shape[-axes:]
    if len(given) == 1 and axes > 1:
        given = (*given,) * axes
    if len(given) != axes:
        raise _C.ArgumentError(f"{op}: output_size is {output_size!r}, wants {axes} numbers")
    return numbers(
        op, "output_size", tuple(h if n is None else n for n, h in zip(given, have, strict=True)), axes
    )


def _high(x: Any, native: Any, *args: Any) -> Any:
    """A native call on x as images of height 1."""
    y = native(x.unsqueeze(x.ndim - 1), *args)
    return y.squeeze(y.ndim - 2)


_AVERAGE = {
    1: Linear(
        "avg_pool1d",
        lambda x, shape, *args: _high(x, _C.avg_pool2d, *args),
        lambda g, shape, *args: _high(g, _C.avg_pool2d_grad, (*shape[:-1], 1, shape[-1]), *args),
    ),
    2: Linear(
        "avg_pool2d",
        lambda x, shape, *args: _C.avg_pool2d(x, *args),
        lambda g, shape, *args: _C.avg_pool2d_grad(g, shape, *args),
    ),
    3: Linear(
        "avg_pool3d",
        lambda x, shape, *args: _C.avg_pool3d(x, *args),
        lambda g, shape, *args: _C.avg_pool3d_grad(g, shape, *args),
    ),
}
_ADAPTIVE = {
    axes: Linear(
        f"adaptive_avg_pool{axes}d",
        lambda x, shape, size: _C.adaptive_avg_pool(x, size),
        lambda g, shape, size: _C.adaptive_avg_pool_grad(g, shape, len(size)),
    )
    for axes in (1, 2, 3)
}


def _average(
    axes: int, input: Tensor, args: Any, ceil_mode: bool, include: bool, override: int | None = None
) -> Tensor:
    x = pool_input(f"avg_pool{axes}d", input, axes)
    kernel, step, padding, _ = geometry(f"avg_pool{axes}d", axes, *args)
    ctx = (x.shape, kernel, step, padding, bool(ceil_mode), bool(include), override)
    return _AVERAGE[axes](input, ctx)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of the last dimension, as `avg_pool2d`."""
    return _average(1, input, (kernel_size, stride, padding), ceil_mode, count_include_pad)


def _avg_pool(
    axes: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of [n, c, {sizes}]; padding counts unless count_include_pad=False."""
    args = (kernel_size, stride, padding)
    return _average(axes, input, args, ceil_mode, count_include_pad, divisor_override)


avg_pool2d, avg_pool3d = over_axes("avg_pool{}d", _avg_pool)[1:]


def _adaptive_average(axes: int, input: Tensor, output_size: Any) -> Tensor:
    """The mean of windows of [n, c, {sizes}] chosen so that the result has output_size (None keeps a
    size)."""
    op = f"adaptive_avg_pool{axes}d"
    x = pool_input(op, input, axes)
    size = pooled_shape(op, input, output_size, axes)
    planes = x.shape[-axes:]
    equal = all(n > 0 and h % n == 0 and h > 0 for h, n in zip(planes, size, strict=True))
    if axes == 2 and equal and max(size) > 1:
        # Equal windows: an ordinary average.
        kernel = (planes[0] // size[0], planes[1] // size[1])
        return _AVERAGE[2](input, (x.shape, kernel, kernel, (0, 0), False, True, None))
    return _ADAPTIVE[axes](input, (x.shape, size))


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = over_axes(
    "adaptive_avg_pool{}d", _adaptive_average
)


# -- Lp


def _lp_pool(
    axes: int,
    input: Tensor,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window of [n, c, {sizes}], p = norm_type: 1 is the sum, the limit of large ones
    the maximum."""
    op = f"lp_pool{axes}d"
    pool_input(op, input, axes)
    kernel = numbers(op, "kernel_size", kernel_size, axes)
    mean = _average(axes, input**norm_type, (kernel, stride, 0), ceil_mode, True)
    total = mul(unary["sign"](mean), unary["relu"](unary["abs"](mean)))
    return mul(total, float(math.prod(kernel))) ** (1.0 / norm_type)


lp_pool1d, lp_pool2d, lp_pool3d = over_axes("lp_pool{}d", _lp_pool)
