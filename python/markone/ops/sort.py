"""Sorting, selecting by rank, and searching in what is sorted."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._dtypes import int32
from ..autograd.graph import recording
from ..tensor import Tensor
from ._common import as_tensor, tensor_arg, wrap_dim
from .cast import to
from .gather import gather
from .reduce import ValuesIndices
from .shape import reshape

# Functions that are Tensor methods too.
METHODS = "sort argsort topk kthvalue msort"


def _ranked(input: Tensor, dim: int, values: Any, indices: Any) -> ValuesIndices:
    """The values from the graph where a gradient is wanted: it goes back by the indices."""
    places = Tensor(indices)
    if not recording(input):
        return ValuesIndices(Tensor(values), places)
    return ValuesIndices(gather(input, dim, places), places)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesIndices:
    """(values, int64 indices) in order along dim. Always stable; NaN counts as the largest."""
    d = wrap_dim("sort", dim, tensor_arg("sort", input).ndim)
    return _ranked(input, d, *_C.sort(input._array, d, bool(descending)))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices of sort."""
    d = wrap_dim("argsort", dim, tensor_arg("argsort", input).ndim)
    return Tensor(_C.sort(input._array, d, bool(descending))[1])


def msort(input: Tensor) -> Tensor:
    """The values sorted along the first dimension."""
    return sort(input, 0).values


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """(values, int64 indices) of the k largest (or smallest) along dim, in order whatever `sorted` says; of
    equal ones the first."""
    x = tensor_arg("topk", input)
    d = wrap_dim("topk", dim, x.ndim)
    n = x.shape[d] if x.ndim else 1
    if not 0 <= k <= n:
        raise RuntimeError(f"topk: k is {k}, wants 0 to {n}, the size of dimension {dim}")
    return _ranked(input, d, *_C.topk(x, k, d, bool(largest)))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesIndices:
    """(values, int64 indices) of the k-th smallest (k from 1) along dim; of equal ones in their order."""
    x = tensor_arg("kthvalue", input)
    d = wrap_dim("kthvalue", dim, x.ndim)
    n = x.shape[d] if x.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue: k is {k}, wants 1 to {n}, the size of dimension {dim}")
    out = _ranked(input, d, *_C.kthvalue(x, k, d))
    if keepdim or not x.ndim:
        return out
    shape = tuple(m for i, m in enumerate(x.shape) if i != d)
    return ValuesIndices(reshape(out.values, shape), reshape(out.indices, shape))


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value of input would stand in the sorted last dimension of sorted_sequence: before those
    equal to it, with right=True or side="right" behind them.

    sorted_sequence is 1-d, or agrees with input but for the last dimension; sorter (int64, of its shape) is
    the order in which it is sorted.
    """
    seq = tensor_arg("searchsorted", sorted_sequence, "sorted_sequence")
    if side not in (None, "left", "right"):
        raise RuntimeError(f"searchsorted: side is {side!r}, wants 'left' or 'right'")
    if side == "left" and right:
        raise RuntimeError("searchsorted: side='left' and right=True contradict each other")
    values = tensor_arg("searchsorted", as_tensor(input, sorted_sequence))
    order = None if sorter is None else tensor_arg("searchsorted", sorter, "sorter")
    out = Tensor(_C.searchsorted(seq, values, order, bool(right) or side == "right"))
    return to(out, int32) if out_int32 else out


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The number of the interval between the sorted 1-d boundaries in which each value lies."""
    if tensor_arg("bucketize", boundaries, "boundaries").ndim != 1:
        raise RuntimeError(f"bucketize: boundaries must be 1-d, got shape {list(boundaries.shape)}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
