"""Average pooling over one, two or three dimensions of [n, c, ...] or [c, ...], and what all pooling shares.

It is linear: the operation and its transpose are each other's gradient.
"""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edge_of, recording
from ..tensor import Tensor
from ._common import tensor_arg
from .elementwise import mul, unary

# For functional and the other families; PyTorch has these not at the top either.
HELPERS = (
    "Linear adaptive_avg_pool3d avg_pool3d geometry lp_pool1d lp_pool2d lp_pool3d named numbers pool_input "
    "pooled_shape"
)


def numbers(op: str, name: str, value: Any, count: int) -> tuple[int, ...]:
    """One integer for each of `count` dimensions; a single one stands for all."""
    given = value if isinstance(value, list | tuple) else (value,)
    try:
        out = tuple(v.__index__() for v in given)
    except (AttributeError, TypeError):
        raise TypeError(f"{op}: {name} must be integers, got {value!r}") from None
    if len(out) not in (1, count):
        raise RuntimeError(
            f"{op}: {name} {value!r} has {len(out)} entries, wants 1" + (f" or {count}" if count > 1 else "")
        )
    return out * count if len(out) == 1 else out


def named(op: str, native: Any, *args: Any) -> Any:
    """A native call whose errors start with the name that the user called."""
    try:
        return native(*args)
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        text = str(error)
        if text.startswith(f"{op}:"):
            raise
        raise type(error)(f"{op}: {text.split(': ', 1)[-1]}") from None


def pool_input(op: str, input: Tensor, spatial: int) -> Any:
    x = tensor_arg(op, input)
    if x.ndim not in (spatial + 1, spatial + 2):
        places = ["[n, c, l]", "[n, c, h, w]", "[n, c, d, h, w]"][spatial - 1]
        raise RuntimeError(
            f"{op}: wants {places} or {places.replace('n, ', '')}, got shape {list(input.shape)}"
        )
    return x


def geometry(
    op: str, spatial: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> list[tuple[int, ...]]:
    """Kernel, stride, padding and dilation; for one dimension with that of the height 1 in front."""
    kernel = numbers(op, "kernel_size", kernel_size, spatial)
    step = kernel if stride is None or stride == [] else numbers(op, "stride", stride, spatial)
    out = [kernel, step, numbers(op, "padding", padding, spatial), numbers(op, "dilation", dilation, spatial)]
    return [(n, *v) for n, v in zip((1, 1, 0, 1), out, strict=True)] if spatial == 1 else out


def pooled_shape(op: str, input: Tensor, output_size: Any, spatial: int) -> tuple[int, ...]:
    """output_size with None (keeps a size) filled in."""
    given = output_size if isinstance(output_size, list | tuple) else (output_size,) * spatial
    have = tensor_arg(op, input).shape[-spatial:]
    if len(given) == 1 and spatial > 1:
        given = (*given,) * spatial
    if len(given) != spatial:
        raise ValueError(f"{op}: output_size is {output_size!r}, wants {spatial} numbers")
    return numbers(
        op, "output_size", tuple(h if n is None else n for n, h in zip(given, have, strict=True)), spatial
    )


# -- what is linear


class Linear:
    """A linear operation and its transpose, each the other's gradient."""

    def __init__(self, name: str, forward: Any, backward: Any) -> None:
        self.forward, self.backward = forward, backward
        self.op = Op(
            name,
            lambda node, g: (backward(g, *node.ctx),),
            lambda node, g: (self.transposed(g, node.ctx),),
        )
        self.transposed_op = Op(
            f"{name}_grad",
            lambda node, g: (forward(g, *node.ctx),),
            lambda node, g: (self(g, node.ctx),),
        )

    def __call__(self, input: Tensor, ctx: Any) -> Tensor:
        y = named(self.op.name, self.forward, input._array, *ctx)
        return Tensor(y, True, Node(self.op, (edge_of(input),), (), ctx)) if recording(input) else Tensor(y)

    def transposed(self, g: Tensor, ctx: Any) -> Tensor:
        """The gradient of the input from that of the result."""
        y = self.backward(g._array, *ctx)
        return (
            Tensor(y, True, Node(self.transposed_op, (edge_of(g),), (), ctx)) if recording(g) else Tensor(y)
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
    spatial: Linear(
        f"adaptive_avg_pool{spatial}d",
        lambda x, shape, size: _C.adaptive_avg_pool(x, size),
        lambda g, shape, size: _C.adaptive_avg_pool_grad(g, shape, len(size)),
    )
    for spatial in (1, 2, 3)
}


def _average(
    spatial: int, input: Tensor, args: Any, ceil_mode: bool, include: bool, override: int | None = None
) -> Tensor:
    x = pool_input(f"avg_pool{spatial}d", input, spatial)
    kernel, step, padding, _ = geometry(f"avg_pool{spatial}d", spatial, *args)
    ctx = (x.shape, kernel, step, padding, bool(ceil_mode), bool(include), override)
    return _AVERAGE[spatial](input, ctx)


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


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; padding counts unless count_include_pad=False."""
    args = (kernel_size, stride, padding)
    return _average(2, input, args, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of [n, c, d, h, w], as `avg_pool2d`."""
    args = (kernel_size, stride, padding)
    return _average(3, input, args, ceil_mode, count_include_pad, divisor_override)


def _adaptive_average(spatial: int, input: Tensor, output_size: Any) -> Tensor:
    op = f"adaptive_avg_pool{spatial}d"
    x = pool_input(op, input, spatial)
    size = pooled_shape(op, input, output_size, spatial)
    planes = x.shape[-spatial:]
    if spatial == 2 and all(n > 0 and h % n == 0 and h > 0 for h, n in zip(planes, size, strict=True)):
        # Equal windows: an ordinary average.
        kernel = (planes[0] // size[0], planes[1] // size[1])
        return _AVERAGE[2](input, (x.shape, kernel, kernel, (0, 0), False, True, None))
    return _ADAPTIVE[spatial](input, (x.shape, size))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of windows that share the last dimension out among output_size."""
    return _adaptive_average(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of windows chosen so that the result has output_size (None keeps a size)."""
    return _adaptive_average(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """As `adaptive_avg_pool2d`, of [n, c, d, h, w]."""
    return _adaptive_average(3, input, output_size)


# -- Lp


def _lp_pool(
    spatial: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    op = f"lp_pool{spatial}d"
    pool_input(op, input, spatial)
    kernel = numbers(op, "kernel_size", kernel_size, spatial)
    mean = _average(spatial, input**norm_type, (kernel, stride, 0), ceil_mode, True)
    total = mul(unary["sign"](mean), unary["relu"](unary["abs"](mean)))
    return mul(total, float(math.prod(kernel))) ** (1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window of the last dimension, p = norm_type."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window, p = norm_type: 1 is the sum, the limit of large ones the maximum."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window of [n, c, d, h, w], p = norm_type."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
