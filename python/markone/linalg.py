"""Norms and products of vectors and matrices, by PyTorch's names in torch.linalg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import ops
from ._left_out import LEFT_OUT
from .ops import front as _front
from .ops import matmul, matrix_power
from .tensor import Tensor

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "vander",
    "vecdot",
    "vector_norm",
]


def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm (Σ |x|^ord)^(1/ord) over dim, all of x where None; ord may be 0 (a count), inf or -inf."""
    return ops.norm(x if dtype is None else x.to(dtype), ord, dim, keepdim)


def matrix_norm(
    A: Tensor, ord: float | str = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of matrices, whose rows and columns are the two of `dim`: 'fro', 1, -1 (of the columns' sums
    the largest, smallest), inf, -inf (of the rows').

    Raises:
        NotImplementedError: 2, -2 and 'nuc', which are of singular values.
    """
    if len(dim) != 2 or A.ndim < 2:
        raise RuntimeError(f"linalg.matrix_norm: wants a matrix and two dims, got {list(A.shape)}, dim {dim}")
    A = A if dtype is None else A.to(dtype)
    row, column = (d % A.ndim if -A.ndim <= d < A.ndim else d for d in dim)
    if row == column:
        raise RuntimeError(f"linalg.matrix_norm: dims must differ, got {dim}")
    if ord == "fro":
        return ops.norm(A, 2, (row, column), keepdim)
    if ord in (2, -2, "nuc"):
        raise NotImplementedError(f"linalg.matrix_norm: ord={ord!r} is of singular values: np.linalg.norm")
    if isinstance(ord, str) or ord not in (1, -1, float("inf"), -float("inf")):
        raise RuntimeError(f"linalg.matrix_norm: ord is {ord!r}, wants 'fro', 1, -1, inf or -inf")
    summed, left = (row, column) if abs(ord) == 1 else (column, row)
    extreme = ops.amax if ord > 0 else ops.amin
    out = extreme(ops.norm(A, 1, summed, True), left, True)
    return out if keepdim else ops.squeeze(out, (row, column))


def norm(
    input: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A vector's norm, or a matrix's where dim has two or, with `ord`, input is one. Without ord and dim: of
    all elements."""
    if isinstance(dim, Sequence) and len(dim) == 1:
        dim = dim[0]
    if ord is None:
        return vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if dim is None and input.ndim > 2:
        raise RuntimeError(f"linalg.norm: with ord and no dim, input must be 1-D or 2-D, got {input.ndim}-D")
    if isinstance(dim, Sequence) or (dim is None and input.ndim == 2):
        return matrix_norm(input, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: ord={ord!r} is of matrices, dim is {dim}")
    return vector_norm(input, ord, dim, keepdim, dtype=dtype)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Σ x y over dim, with broadcasting."""
    return (x * y).sum(dim)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of vectors of three along dim."""
    return ops.cross(input, other, dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of matrices."""
    return ops.diagonal(A, offset, dim1, dim2)


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 0 .. N - 1 of x in the columns of a matrix."""
    return ops.vander(x, N, True)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, multiplied in the order that takes the fewest multiplications (Cormen
    et al., Introduction to Algorithms, 15.2). The first and the last may be vectors.

    Raises:
        RuntimeError: fewer than two, not matrices, or sizes that do not fit.
    """
    if len(tensors) < 2:
        raise RuntimeError(f"linalg.multi_dot: wants at least 2 tensors, got {len(tensors)}")
    items = list(tensors)
    first, last = items[0].ndim == 1, items[-1].ndim == 1
    items[0] = items[0].unsqueeze(0) if first else items[0]
    items[-1] = items[-1].unsqueeze(1) if last else items[-1]
    for i, item in enumerate(items):
        if item.ndim != 2 or (i and item.shape[0] != items[i - 1].shape[1]):
            raise RuntimeError(f"linalg.multi_dot: shapes {[list(t.shape) for t in tensors]} do not fit")
    sizes = [item.shape[0] for item in items] + [items[-1].shape[1]]
    cost = {(i, i): (0, i) for i in range(len(items))}
    for length in range(1, len(items)):
        for i in range(len(items) - length):
            j = i + length
            cost[i, j] = min(
                (cost[i, k][0] + cost[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return items[i]
        k = cost[i, j][1]
        return product(i, k) @ product(k + 1, j)

    out = product(0, len(items) - 1)
    out = out.squeeze(0) if first else out
    return out.squeeze(-1) if last else out


_front.install(
    globals(), ("cross", "matrix_norm", "matrix_power", "multi_dot", "norm", "vecdot", "vector_norm")
)


def __getattr__(name: str) -> Any:
    reason = LEFT_OUT["linalg"].get(name)
    told = f"module 'markone.linalg' has no attribute {name!r}"
    raise AttributeError(f"{told}: left out on purpose, {reason}" if reason else told, name=name)
