"""The places of a matrix's triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _C
from .._dtypes import as_dtype, int64
from ..tensor import Tensor

__all__ = ["tril_indices", "triu_indices"]


def _at_most(last: int, bound: int) -> int:
    """The sum of min(j, bound) for j = 1 ... last."""
    last = max(last, 0)
    return last * (last + 1) // 2 if last <= bound else bound * (bound + 1) // 2 + (last - bound) * bound


def _triangle_indices(op: str, row: int, col: int, offset: int, upper: bool, dtype: Any) -> Tensor:
    """The places at and below diagonal `offset`, or at and above it."""
    if row < 0 or col < 0:
        raise RuntimeError(f"{op}: row {row} and col {col} must not be negative")
    below = offset - upper
    lower = _at_most(row + below, col) - _at_most(below, col)
    _C.empty([2, row * col - lower if upper else lower], int64)  # raises if that is too much
    # Only rows that have any: the numbers of all might be too many.
    first = 0 if upper else min(row, max(0, -below))
    rows = np.arange(first, min(row, max(0, col - below - 1)) if upper else row)
    ends = np.clip(rows + below + 1, 0, col)
    counts = col - ends if upper else ends
    starts = np.cumsum(counts) - counts
    across = np.arange(counts.sum()) - np.repeat(starts - (ends if upper else 0), counts)
    places = np.stack((np.repeat(rows, counts), across)).astype(np.int64)
    return Tensor(_C.cast(_C.from_numpy(places), int64 if dtype is None else as_dtype(dtype)))


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """[2, n]: the row and column numbers of the lower triangle of a [row, col] matrix, row by row."""
    return _triangle_indices("tril_indices", row, col, offset, False, dtype)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """[2, n]: the row and column numbers of the upper triangle of a [row, col] matrix, row by row."""
    return _triangle_indices("triu_indices", row, col, offset, True, dtype)
