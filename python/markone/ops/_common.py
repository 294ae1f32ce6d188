"""What every family uses: operands, gradients of broadcasting, derivatives from text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _C
from ..tensor import Tensor

Number = bool | int | float
_NUMBERS = (float, int, bool)


def operand(op: str, value: Any) -> Any:
    """The Array of a Tensor, or a Python number; TypeError for anything else."""
    if isinstance(value, Tensor):
        return value._array
    if isinstance(value, _NUMBERS):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    raise TypeError(f"{op}: wants a Tensor or a number, got {type(value).__name__}")


def tensor_arg(op: str, value: Any, name: str = "input") -> Any:
    """The Array of a Tensor; TypeError for anything else."""
    if isinstance(value, Tensor):
        return value._array
    raise TypeError(f"{op}: {name} must be a Tensor, got {type(value).__name__}")


def as_tensor(value: Any, like: Tensor) -> Tensor:
    """A Tensor as it is, a number as a 0-d Tensor of `like`'s type."""
    if isinstance(value, Tensor):
        return value
    out = _C.empty((), like._array.dtype)
    _C.fill(out, value)
    return Tensor(out)


def sizes(op: str, size: Any) -> tuple[int, ...]:
    """A shape given as separate integers or as one sequence."""
    if len(size) == 1 and isinstance(size[0], list | tuple):
        size = size[0]
    out = []
    for n in size:
        try:
            out.append(n.__index__())
        except (AttributeError, TypeError):
            raise TypeError(f"{op}: sizes must be integers, got {n!r}") from None
    return tuple(out)


def dims_of(op: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Dimensions as a sorted tuple of non-negative ints; None is an empty tuple (all)."""
    if dim is None:
        return ()
    given = dim if isinstance(dim, list | tuple) else (dim,)
    out = [wrap_dim(op, d, ndim) for d in given]
    if len(set(out)) != len(out):
        raise RuntimeError(f"{op}: a dimension appears twice in {tuple(given)}")
    return tuple(sorted(out))


def wrap_dim(op: str, dim: Any, ndim: int) -> int:
    """A dimension counted from the front; IndexError outside. A 0-d tensor takes 0 and -1."""
    try:
        d: int = dim.__index__()
    except AttributeError:
        raise TypeError(f"{op}: a dimension must be an integer, got {dim!r}") from None
    n = max(ndim, 1)
    if not -n <= d < n:
        raise IndexError(f"{op}: dimension {d} is outside [{-n}, {n - 1}]")
    return d % n


def broadcast_dims(shape: Sequence[int], small: Sequence[int]) -> tuple[int, ...]:
    """The dimensions of `shape` over which an operand of shape `small` was repeated."""
    added = len(shape) - len(small)
    return (*range(added), *(i + added for i, n in enumerate(small) if n == 1 and shape[i + added] != 1))


def shrink(g: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """The gradient of an operand of `shape` and `dtype` from that of the broadcast result: native."""
    if g.shape != shape:
        g = _C.sum(g, broadcast_dims(g.shape, shape), False)
        if g.shape != shape:
            g = g.reshape_view(shape)
    return g if g.dtype is dtype else _C.cast(g, dtype)


def sum_to_shape(g: Tensor, shape: tuple[int, ...], dtype: Any) -> Tensor:
    """`shrink` on Tensors."""
    from .cast import to
    from .reduce import sum as sum_
    from .shape import reshape

    if g._array.shape != shape:
        g = reshape(sum_(g, broadcast_dims(g._array.shape, shape)), shape)
    return g if g._array.dtype is dtype else to(g, dtype)


def used_in(text: str, name: str) -> bool:
    """A variable occurs in a formula."""
    return re.search(rf"\b{name}\b", text) is not None


def formula(text: str) -> Callable[..., Any]:
    """A derivative's text as a function of its variables, on Tensors. Compiled on first use."""
    code: Any = None

    def evaluate(**variables: Any) -> Any:
        nonlocal code
        if code is None:
            code = compile(text, f"<derivative {text}>", "eval")
        from .elementwise import functions, where

        return eval(code, {**functions, "where": where}, variables)

    return evaluate
