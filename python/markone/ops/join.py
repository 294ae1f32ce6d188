"""Copies that join, repeat or rearrange tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _C
from ..autograd.graph import Node, Op, edge_of, recording
from ..tensor import Tensor
from ._common import sizes, spread, tensor_arg, wrap_dim
from .cast import clone, to
from .shape import expand, narrow, ravel, reshape, split, unbind, unsqueeze

# Functions that are Tensor methods too.
METHODS = "repeat tile repeat_interleave flip roll"


def repeat(input: Tensor, *sizes_: Any, **named: Any) -> Tensor:
    """The tensor laid out again and again along each dimension (a copy)."""
    if named:
        sizes_ = spread("repeat", "repeats", sizes_, named)
    counts = sizes("repeat", sizes_)
    shape = input._array.shape
    if len(counts) < len(shape):
        raise RuntimeError(f"repeat: got {len(counts)} counts for shape {list(shape)}")
    if any(c < 0 for c in counts):
        raise RuntimeError(f"repeat: counts must not be negative, got {list(counts)}")
    shape = (1,) * (len(counts) - len(shape)) + tuple(shape)
    # [c0, n0, c1, n1, ...] with the counts as dimensions of stride zero, then merged: pairs of size 1 are
    # left out
    # so that the number of dimensions stays small.
    inner: list[int] = []
    outer: list[int] = []
    for c, n in zip(counts, shape, strict=True):
        if c != 1:
            inner.append(1)
            outer.append(c)
        inner.append(n)
        outer.append(n)
    expanded = expand(reshape(input, inner), outer)
    return clone(reshape(expanded, tuple(c * n for c, n in zip(counts, shape, strict=True))))


def tile(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """repeat, with missing counts in front taken as 1."""
    if named:
        dims = spread("tile", "dims", dims, named)
    counts = sizes("tile", dims)
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


def repeat_interleave(
    input: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Every element (or slice along dim) `repeats` times in a row: a number, or an integer tensor.

    output_size, where given, must be the size along dim of the result.
    """
    if dim is None:
        input, dim = ravel(input), 0
    d = wrap_dim("repeat_interleave", dim, input.ndim)
    if isinstance(repeats, Tensor):
        if repeats.dtype.is_floating_point or repeats.ndim > 1:
            raise RuntimeError(
                f"repeat_interleave: repeats must be integers, 0-d or 1-d, got {repeats.dtype} "
                f"{list(repeats.shape)}"
            )
        counts = (
            np.broadcast_to(repeats.numpy(), (input.shape[d],)) if repeats.numel() == 1 else repeats.numpy()
        )
        if len(counts) != input.shape[d]:
            raise RuntimeError(
                f"repeat_interleave: {len(counts)} repeats for {input.shape[d]} slices along dimension {d}"
            )
        if (counts < 0).any():
            raise RuntimeError("repeat_interleave: repeats cannot be negative")
        _check_output_size(int(counts.sum()), output_size)
        from .gather import index_select

        return index_select(input, d, Tensor(np.repeat(np.arange(len(counts)), counts)))
    if repeats < 0:
        raise RuntimeError(f"repeat_interleave: repeats cannot be negative, got {repeats}")
    _check_output_size(input.shape[d] * repeats, output_size)
    shape = input._array.shape
    wide = expand(unsqueeze(input, d + 1), (*shape[: d + 1], repeats, *shape[d + 1 :]))
    return reshape(wide, (*shape[:d], shape[d] * repeats, *shape[d + 1 :]))


def _check_output_size(size: int, output_size: int | None) -> None:
    if output_size is not None and output_size != size:
        raise RuntimeError(f"repeat_interleave: output_size is {output_size}, the result has {size}")


def _cat_backward(node: Node, g: Any) -> Any:
    dim, lengths, dtypes = node.ctx
    out, at = [], 0
    for edge, n, dtype in zip(node.edges, lengths, dtypes, strict=True):
        out.append(None if edge is None else _C.cast(g.slice(dim, at, at + n, 1), dtype))
        at += n
    return out


def _cat_differentiable(node: Node, g: Tensor) -> Any:
    dim, lengths, dtypes = node.ctx
    parts = split(g, lengths, dim)
    return [None if e is None else to(p, t) for e, p, t in zip(node.edges, parts, dtypes, strict=True)]


_CAT = Op("cat", _cat_backward, _cat_differentiable)


def _check_parts(op: str, tensors: Any) -> None:
    if not isinstance(tensors, list | tuple):
        raise TypeError(f"{op}: wants a list or tuple of Tensors, got {type(tensors).__name__}")
    if not tensors:
        raise _C.ArgumentError(f"{op}: wants at least one Tensor, got an empty {type(tensors).__name__}")


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after another along dim; the other sizes must agree."""
    _check_parts("cat", tensors)
    arrays = [tensor_arg("cat", tensor, "every entry") for tensor in tensors]
    if any(a.ndim == 0 for a in arrays):
        raise RuntimeError("cat: 0-d tensors cannot be joined, use stack")
    # PyTorch lets an empty 1-d tensor stand among others.
    if any(a.shape != (0,) for a in arrays):
        kept = [
            (x, a)
            for x, a in zip(tensors, arrays, strict=True)
            if a.shape != (0,) or a.ndim == arrays[0].ndim
        ]
        tensors, arrays = [x for x, _ in kept], [a for _, a in kept]
    d = wrap_dim("cat", dim, max(a.ndim for a in arrays))
    if any(a.ndim != arrays[0].ndim for a in arrays):
        _C.cat(arrays, d)  # the error
    return cat(list(tensors), d)


cat = _C.join_operation(cat, False, _CAT)
concat = concatenate = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape along a new dimension."""
    _check_parts("stack", tensors)
    first = tensor_arg("stack", tensors[0], "every entry").shape
    for tensor in tensors:
        if tensor_arg("stack", tensor, "every entry").shape != first:
            raise RuntimeError(f"stack: shapes {list(first)} and {list(tensor.shape)} differ")
    return stack(list(tensors), wrap_dim("stack", dim, len(first) + 1))


def _stack_backward(node: Node, g: Any) -> Any:
    dim, dtypes = node.ctx
    return [
        None if edge is None else _C.cast(g.select(dim, i), dtype)
        for i, (edge, dtype) in enumerate(zip(node.edges, dtypes, strict=True))
    ]


def _stack_differentiable(node: Node, g: Tensor) -> Any:
    dim, dtypes = node.ctx
    parts = unbind(g, dim)
    return [None if e is None else to(p, t) for e, p, t in zip(node.edges, parts, dtypes, strict=True)]


stack = _C.join_operation(stack, True, Op("stack", _stack_backward, _stack_differentiable))


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the second dimension (the first for vectors)."""
    parts = [reshape(x, 1) if x.ndim == 0 else x for x in tensors]
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the first dimension; vectors become rows."""
    return cat([reshape(x, (1, -1)) if x.ndim < 2 else x for x in tensors], 0)


_FLIP = Op("flip", lambda node, g: (_C.clone(g.flip(node.ctx)),), lambda node, g: (flip(g, node.ctx),))


def flip(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """A copy with the order of the elements reversed along the given dimensions."""
    if named:
        dims = spread("flip", "dims", dims, named)
    x = tensor_arg("flip", input)
    axes = tuple(wrap_dim("flip", d, x.ndim) for d in sizes("flip", dims))
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"flip: a dimension appears twice in {axes}")
    out = _C.clone(x.flip(axes))
    return Tensor(out, True, Node(_FLIP, (edge_of(input),), (), axes)) if recording(input) else Tensor(out)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements move along dims and come back at the other end; without dims, over all elements in order."""
    if dims is None:
        return reshape(roll(ravel(input), shifts, 0), input.shape)
    moves = shifts if isinstance(shifts, list | tuple) else (shifts,)
    axes = dims if isinstance(dims, list | tuple) else (dims,)
    if len(moves) != len(axes):
        raise RuntimeError(f"roll: got {len(moves)} shifts for {len(axes)} dimensions")
    out = input
    for shift, dim in zip(moves, axes, strict=True):
        d = wrap_dim("roll", dim, input.ndim)
        size = input.shape[d]
        if size:
            at = size - shift % size
            out = cat([narrow(out, d, at % size, size - at % size), narrow(out, d, 0, at % size)], d)
    return clone(out) if out is input else out
