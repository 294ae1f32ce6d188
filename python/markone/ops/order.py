"""Order statistics: medians, quantiles and the most frequent value, by one sort each."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..tensor import Tensor
from ._common import as_tensor, tensor_arg, wrap_dim
from .cast import to
from .elementwise import add, clamp, compares, mul, sub, unary, where
from .gather import gather
from .reduce import ValuesIndices, argmax
from .reduce import sum as sum_
from .shape import movedim, ravel, reshape, select, squeeze, unsqueeze
from .sort import searchsorted, sort
from .special import lerp

# Functions that are Tensor methods too.
METHODS = "median mode nanmedian nanquantile quantile"


def _numbers(input: Tensor, dim: int) -> Tensor:
    """How many along dim are not NaN, as int64, with the dimension kept."""
    x = input.detach()
    return sum_(compares["eq"](x, x), dim, True)


def _median(op: str, input: Tensor, dim: Any, keepdim: bool, skip_nan: bool) -> Any:
    x = tensor_arg(op, input)
    if dim is None:
        if x.numel == 0:
            nan = _C.empty((), x.dtype, x.device)
            _C.fill(nan, float("nan") if x.dtype.is_floating_point else 0)
            return Tensor(nan)
        return _median(op, ravel(input), 0, False, skip_nan).values
    d = wrap_dim(op, dim, x.ndim)
    if x.ndim == 0:
        return ValuesIndices(*(squeeze(t, 0) for t in _median(op, unsqueeze(input, 0), 0, True, skip_nan)))
    n = x.shape[d]
    if n == 0:
        raise IndexError(f"{op}: dimension {d} of shape {list(x.shape)} is empty")
    order = sort(input.detach(), d).indices
    count = _numbers(input, d)
    if skip_nan:
        place = Tensor(_C.floor_divide(_C.maximum(_C.sub(count._array, 1), 0), 2))
    else:  # NaN are last: the first of them, or the lower middle
        place = where(compares["lt"](count, n), count, (n - 1) // 2)
    indices = gather(order, d, place)
    values = gather(input, d, indices)
    return (
        ValuesIndices(values, indices) if keepdim else ValuesIndices(squeeze(values, d), squeeze(indices, d))
    )


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle of all elements, the lower of two; with dim (values, indices) along it. NaN wins."""
    return _median("median", input, dim, keepdim, False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """median of the elements that are not NaN; NaN where there are none."""
    return _median("nanmedian", input, dim, keepdim, True)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """(values, indices) of the most frequent value along dim, the smallest of equally frequent ones, and
    where it comes last."""
    x = tensor_arg("mode", input)
    d = wrap_dim("mode", dim, x.ndim)
    if x.ndim == 0:
        return ValuesIndices(*(squeeze(t, 0) for t in mode(unsqueeze(input, 0), 0, True)))
    if x.shape[d] == 0:
        raise IndexError(f"mode: dimension {d} of shape {list(x.shape)} is empty")
    found = sort(movedim(input.detach(), d, -1), stable=True)
    line = found.values.contiguous()
    ends = searchsorted(line, line, right=True)
    longest = argmax(sub(ends, searchsorted(line, line)), -1, True)
    indices = gather(found.indices, -1, sub(gather(ends, -1, longest), 1))
    indices = movedim(indices, -1, d)
    values = gather(input, d, indices)
    return (
        ValuesIndices(values, indices) if keepdim else ValuesIndices(squeeze(values, d), squeeze(indices, d))
    )


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    op: str, input: Tensor, q: Any, dim: Any, keepdim: bool, interpolation: str, skip_nan: bool
) -> Tensor:
    x = tensor_arg(op, input)
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"{op}: wants a floating type, got {x.dtype}")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(f"{op}: interpolation {interpolation!r} is none of {_INTERPOLATIONS}")
    if not isinstance(q, Tensor):
        q = as_tensor(float(q), input)
    if q.ndim > 1 or q.dtype is not x.dtype:
        raise RuntimeError(
            f"{op}: q must be a number or a vector of {x.dtype}, got {q.dtype} {list(q.shape)}"
        )
    parts = ravel(q.detach())
    if not all(0 <= v <= 1 for v in parts.tolist()):
        raise RuntimeError(f"{op}: q must be in [0, 1], got {parts.tolist()}")
    if x.numel == 0:
        raise RuntimeError(f"{op}: the tensor of shape {list(x.shape)} is empty")
    d = 0 if dim is None else wrap_dim(op, dim, x.ndim)
    flat = ravel(input) if dim is None or x.ndim == 0 else input
    line = sort(movedim(flat, d, -1), -1).values
    n = line.shape[-1]
    count = _numbers(line, -1)
    if not skip_nan:  # with a NaN every quantile is the last element
        rank = mul(parts, float(n - 1))
        rank = where(compares["lt"](count, n), float(n - 1), rank)
    else:
        rank = mul(parts, to(clamp(sub(count, 1), 0), x.dtype))
    if interpolation == "nearest":
        rank = unary["round"](rank)
    below, above = unary["floor"](rank), unary["ceil"](rank)
    if interpolation == "lower":
        above = below
    if interpolation == "higher":
        below = above
    low, high = (gather(line, -1, to(place, _C.int64)) for place in (below, above))
    if interpolation == "linear":
        out = lerp(low, high, sub(rank, below))
    elif interpolation == "midpoint":
        out = mul(add(low, high), 0.5)
    else:
        out = low
    out = movedim(out, -1, 0)
    if keepdim:
        shape = (
            [1] * x.ndim
            if dim is None or x.ndim == 0
            else [1 if i == d else k for i, k in enumerate(x.shape)]
        )
        out = reshape(out, (parts.shape[0], *shape))
    elif x.ndim == 0:
        out = reshape(out, (parts.shape[0],))
    return select(out, 0, 0) if q.ndim == 0 else out


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The quantiles q (in [0, 1]) of all elements or along dim; several are the first dimension. NaN wins.

    Between two elements: interpolation "linear", "lower", "higher", "midpoint" or "nearest".
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """quantile of the elements that are not NaN; NaN where there are none."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)
