"""Diagonals, windows, splits and other rearrangements beyond those of shape.py and join.py."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _C
from ..autograd.graph import Node, Op, edge_of, recording
from ..tensor import Tensor
from ._common import sizes, sum_to_shape, tensor_arg, wrap_dim
from .cast import clone, copy_, fill_, to
from .elementwise import binary, sub
from .join import cat, flip, stack
from .reduce import sum as sum_
from .shape import (
    _embed,
    _view,
    chunk,
    diagonal,
    expand,
    narrow,
    ravel,
    reshape,
    select,
    split,
    transpose,
    unsqueeze,
)

# Functions that are Tensor methods too.
METHODS = (
    "adjoint as_strided diag diag_embed diagflat diagonal_scatter diff dsplit fill_diagonal_ fliplr flipud "
    "hsplit narrow_copy rot90 select_scatter slice_scatter split_with_sizes sum_to_size tensor_split trace "
    "unfold unsafe_chunk unsafe_split unsafe_split_with_sizes vsplit"
)
# For other families, not for users.
HELPERS = "matrix_h"


# -- diagonals


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Zeros with the last dimension of input on the diagonal of two new dimensions."""
    x = tensor_arg("diag_embed", input)
    if x.ndim == 0:
        raise RuntimeError("diag_embed: wants at least one dimension")
    first, second = wrap_dim("diag_embed", dim1, x.ndim + 1), wrap_dim("diag_embed", dim2, x.ndim + 1)
    if first == second:
        raise RuntimeError(f"diag_embed: dim1 {dim1} and dim2 {dim2} are the same")
    side = x.shape[-1] + abs(offset)
    shape = list(x.shape[:-1])
    for d in sorted((first, second)):
        shape.insert(d, side)
    return _embed(input, (tuple(shape), lambda a: a.diagonal(offset, first, second)))


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector becomes the diagonal of a matrix of zeros; a matrix gives a copy of its diagonal."""
    if tensor_arg("diag", input).ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag: wants a vector or a matrix, got shape {list(input.shape)}")
    return clone(_diagonal(input, diagonal))


_diagonal = diagonal


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements as the diagonal of a matrix of zeros."""
    return diag_embed(ravel(input), offset)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if tensor_arg("trace", input).ndim != 2:
        raise RuntimeError(f"trace: wants a matrix, got shape {list(input.shape)}")
    return sum_(diagonal(input))


def _window_written(op: str, input: Tensor, src: Tensor, cut: Any) -> Tensor:
    out = clone(input)
    window = cut(out)
    if tuple(window.shape) != tuple(tensor_arg(op, src, "src").shape):
        raise RuntimeError(f"{op}: src has shape {list(src.shape)}, its place {list(window.shape)}")
    copy_(window, src)
    return out


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of input with src in the place of diagonal(input, offset, dim1, dim2)."""
    return _window_written("diagonal_scatter", input, src, lambda x: diagonal(x, offset, dim1, dim2))


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of input with src in the place of select(input, dim, index)."""
    return _window_written("select_scatter", input, src, lambda x: select(x, dim, index))


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of input with src in the place of the slice start:end:step along dim."""
    d = wrap_dim("slice_scatter", dim, input.ndim)
    if step < 1:
        raise ValueError(f"slice_scatter: step must be positive, got {step}")
    key = (slice(None),) * d + (slice(start, end, step),)
    return _window_written("slice_scatter", input, src, lambda x: x[key])


def fill_diagonal_(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Writes a number on the main diagonal; with wrap a tall matrix has further ones below, a row apart."""
    shape = tensor_arg("fill_diagonal_", input).shape
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise RuntimeError(f"fill_diagonal_: wants a matrix or equal sizes, got shape {list(shape)}")
    if len(shape) > 2:
        step = sum(input.stride())
        start = input.storage_offset()
        fill_(as_strided(input, (shape[0],), (step,), start), fill_value)
        return input
    fill_(diagonal(input), fill_value)
    if wrap:
        for at in range(shape[1] + 1, shape[0], shape[1] + 1):
            fill_(diagonal(narrow(input, 0, at, shape[0] - at)), fill_value)
    return input


# -- windows


def _unfold_cut(a: Any, dim: int, size: int, step: int) -> Any:
    shape, strides = list(a.shape), list(a.strides)
    n = (shape[dim] - size) // step + 1
    return a.as_strided(
        [*shape[:dim], n, *shape[dim + 1 :], size],
        [*strides[:dim], strides[dim] * step, *strides[dim + 1 :], strides[dim]],
        a.offset,
    )


def _folded(g: Tensor, ctx: Any) -> Tensor:
    """The sum of the windows, each in its place."""
    shape, dim, size, step = ctx
    out = _C.empty(shape, g.dtype, g.device)
    _C.fill(out, 0)
    n = g._array.shape[dim]
    for k in range(size):
        line = out.slice(dim, k, k + (n - 1) * step + 1, step)
        _C.add_into(line, line, g._array.select(g.ndim - 1, k))
    return Tensor(out, True, Node(_FOLDED, (edge_of(g),), (), ctx)) if recording(g) else Tensor(out)


_FOLDED = Op("fold", None, lambda node, g: (unfold(g, *node.ctx[1:]),))
_UNFOLD = Op("unfold", None, lambda node, g: (_folded(g, node.ctx),))


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of `size` along a dimension, every `step`; they lie in a new last dimension."""
    x = tensor_arg("unfold", input)
    d = wrap_dim("unfold", dimension, x.ndim)
    if x.ndim == 0:
        input, x = reshape(input, 1), x.reshape_view((1,))
        if size not in (0, 1) or step < 1:
            raise RuntimeError(f"unfold: size {size} and step {step} of a 0-d tensor")
        return reshape(input, 1) if size else reshape(narrow(input, 0, 0, 0), 0)
    if not 0 <= size <= x.shape[d] or step < 1:
        raise RuntimeError(f"unfold: size {size} and step {step} along a dimension of size {x.shape[d]}")
    out = _unfold_cut(x, d, size, step)
    return _view(_UNFOLD, out, input, unfold, (d, size, step), (x.shape, d, size, step))


def _strided_places(shape: Any, ctx: Any) -> Any:
    size, stride, offset = ctx
    count = int(np.prod(shape, dtype=np.int64))
    return _C.from_numpy(np.arange(count, dtype=np.int64)).as_strided(size, stride, offset)


def _as_strided_differentiable(node: Node, g: Tensor) -> Any:
    from .index import index_put

    shape, ctx = node.ctx
    zeros = _C.empty((int(np.prod(shape, dtype=np.int64)),), g.dtype, g.device)
    _C.fill(zeros, 0)
    return (reshape(index_put(Tensor(zeros), [_strided_places(shape, ctx)], g, True), shape),)


_AS_STRIDED = Op("as_strided", None, _as_strided_differentiable)


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the tensor's memory with any sizes and strides (in elements, not negative); RuntimeError
    outside it. A gradient needs a contiguous input that begins its memory."""
    x = tensor_arg("as_strided", input)
    shape, strides = sizes("as_strided", (size,)), sizes("as_strided", (stride,))
    offset = x.offset if storage_offset is None else storage_offset
    if any(s < 0 for s in strides) or offset < 0 or any(n < 0 for n in shape):
        raise RuntimeError(
            f"as_strided: sizes {shape}, strides {strides} and offset {offset}: one is negative"
        )
    out = x.as_strided(shape, strides, offset)
    if recording(input) and (x.offset or not x.is_contiguous()):
        raise RuntimeError("as_strided: a gradient needs a contiguous tensor that begins its memory")
    if recording(input):
        _strided_places(x.shape, (shape, strides, offset))  # inside the tensor, not only its memory
    return _view(
        _AS_STRIDED, out, input, as_strided, (shape, strides, offset), (x.shape, (shape, strides, offset))
    )


# -- turned and mirrored


def fliplr(input: Tensor) -> Tensor:
    """The second dimension reversed."""
    if tensor_arg("fliplr", input).ndim < 2:
        raise RuntimeError(f"fliplr: wants at least 2 dimensions, got shape {list(input.shape)}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """The first dimension reversed."""
    if tensor_arg("flipud", input).ndim < 1:
        raise RuntimeError("flipud: wants at least 1 dimension, got a 0-d tensor")
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A copy turned k times by 90 degrees from the first towards the second dimension."""
    if len(dims) != 2 or tensor_arg("rot90", input).ndim < 2:
        raise RuntimeError(f"rot90: wants 2 of at least 2 dimensions, got {list(dims)} of {input.ndim}")
    a, b = (wrap_dim("rot90", d, input.ndim) for d in dims)
    if a == b:
        raise RuntimeError(f"rot90: dimension {dims[0]} twice")
    turns = k % 4
    if turns == 0:
        return clone(input)
    if turns == 2:
        return flip(input, a, b)
    return clone(transpose(flip(input, b), a, b)) if turns == 1 else flip(transpose(input, a, b), b)


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions change places: real matrices are their own conjugates."""
    if tensor_arg("adjoint", input).ndim < 2:
        raise RuntimeError(f"adjoint: wants at least 2 dimensions, got shape {list(input.shape)}")
    return transpose(input, -2, -1)


def matrix_h(input: Tensor) -> Tensor:
    """`tensor.H`: the transpose of a real matrix."""
    if input.ndim not in (0, 2):
        raise RuntimeError(f"H: wants a matrix, got shape {list(input.shape)}")
    return transpose(input, 0, 1) if input.ndim == 2 else input


# -- parts


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the lengths given along dim."""
    return split(input, list(split_sizes), dim)


def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """split."""
    return split(input, split_size, dim)


def unsafe_split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """split_with_sizes."""
    return split(input, list(split_sizes), dim)


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """chunk."""
    return chunk(input, chunks, dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views along dim: so many of nearly equal length (longer ones first), or cut before each index."""
    tensor_arg("tensor_split", input)
    d = wrap_dim("tensor_split", dim, input.ndim)
    if input.ndim == 0:
        raise RuntimeError("tensor_split: wants at least one dimension, got a 0-d tensor")
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    size = input.shape[d]
    if isinstance(indices_or_sections, int):
        n = indices_or_sections
        if not 0 < n <= 1 << 20:
            raise RuntimeError(f"tensor_split: wants 1 to {1 << 20} sections, got {n}")
        ends = [i * (size // n) + min(i, size % n) for i in range(n + 1)]
        return tuple(narrow(input, d, a, b - a) for a, b in itertools.pairwise(ends))
    cuts = [slice(None, i).indices(size)[1] for i in indices_or_sections]
    return tuple(narrow(input, d, a, max(b - a, 0)) for a, b in zip([0, *cuts], [*cuts, size], strict=True))


def _split_along(op: str, input: Tensor, parts: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if tensor_arg(op, input).ndim < least:
        raise RuntimeError(f"{op}: wants at least {least} dimensions, got shape {list(input.shape)}")
    if isinstance(parts, int) and (parts < 1 or input.shape[dim] % parts):
        raise RuntimeError(f"{op}: dimension {dim} of size {input.shape[dim]} is not {parts} equal parts")
    return tensor_split(input, parts, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """tensor_split along the second dimension (the first of a vector); equal parts only."""
    return _split_along("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """tensor_split along the first dimension; equal parts only."""
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """tensor_split along the third dimension; equal parts only."""
    return _split_along("dsplit", input, indices_or_sections, 2, 3)


def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of narrow."""
    return clone(narrow(input, dim, start, length))


# -- joined and grown


def _many(op: str, tensors: Any) -> list[Tensor]:
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tensors[0]
    for t in tensors:
        tensor_arg(op, t, "every entry")
    return list(tensors)


def _at_least(input: Tensor, ndim: int) -> Tensor:
    n = tensor_arg(f"atleast_{ndim}d", input).ndim
    if n >= ndim:
        return input
    if ndim == 3 and n == 2:
        return unsqueeze(input, -1)
    if ndim == 3 and n == 1:
        return unsqueeze(unsqueeze(input, 0), -1)
    return reshape(input, (1,) * (ndim - n) + tuple(input.shape))


def _each_at_least(tensors: Any, ndim: int) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return _at_least(tensors[0], ndim)
    return tuple(_at_least(t, ndim) for t in _many(f"atleast_{ndim}d", tensors))


def atleast_1d(*tensors: Any) -> Any:
    """0-d tensors get one dimension. One tensor, or a tuple for several."""
    return _each_at_least(tensors, 1)


def atleast_2d(*tensors: Any) -> Any:
    """Tensors of fewer dimensions become rows. One tensor, or a tuple for several."""
    return _each_at_least(tensors, 2)


def atleast_3d(*tensors: Any) -> Any:
    """A vector becomes [1, n, 1], a matrix [n, m, 1]. One tensor, or a tuple for several."""
    return _each_at_least(tensors, 3)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the third dimension."""
    return cat([_at_least(t, 3) for t in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the second dimension; vectors become columns."""
    return cat([reshape(t, (t.numel(), 1)) if t.ndim < 2 else t for t in tensors], 1)


def block_diag(*tensors: Any) -> Tensor:
    """A matrix of zeros with the matrices along its diagonal; vectors are rows."""
    parts = [_at_least(t, 2) for t in _many("block_diag", tensors)]
    if any(p.ndim > 2 for p in parts):
        raise RuntimeError(f"block_diag: wants matrices, got shapes {[list(p.shape) for p in parts]}")
    if not parts:
        from .creation import zeros

        return zeros(1, 0)
    wide, at, rows = sum(p.shape[1] for p in parts), 0, []
    from .shape import pad_constant

    for part in parts:
        rows.append(pad_constant(part, (at, wide - at - part.shape[1])))
        at += part.shape[1]
    return cat(rows, 0)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All tuples of elements of the vectors, as rows; one vector stays as it is."""
    from .creation import meshgrid

    given = _many("cartesian_prod", tensors)
    if any(t.ndim != 1 for t in given) or not given:
        raise RuntimeError(f"cartesian_prod: wants vectors, got {[list(t.shape) for t in given]}")
    if len(given) == 1:
        return given[0]
    return stack([ravel(grid) for grid in meshgrid(*given)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, as rows in order."""
    from .index import index

    if tensor_arg("combinations", input).ndim != 1:
        raise RuntimeError(f"combinations: wants a vector, got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"combinations: r must not be negative, got {r}")
    if r == 0:
        return reshape(narrow(input, 0, 0, 0), 0)
    n = input.shape[0]
    rows_wanted = math.comb(n + r - 1, r) if with_replacement and n else math.comb(n, r)
    if rows_wanted * r >= 2**31 or (rows_wanted == 0 and r >= 2**31):
        raise RuntimeError(f"combinations: {r} of {n} elements are too many choices to list")
    if rows_wanted == 0:
        return index(input, [_C.empty((0, r), _C.int64)])
    choose: Any = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return index(input, [_C.from_numpy(rows)])


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """n times the differences of neighbours along dim (xor for bool), after prepend and before append."""
    if tensor_arg("diff", input).ndim == 0:
        raise RuntimeError("diff: wants at least one dimension, got a 0-d tensor")
    if n < 0:
        raise RuntimeError(f"diff: n must not be negative, got {n}")
    d = wrap_dim("diff", dim, input.ndim)
    parts = [t for t in (prepend, input, append) if t is not None]
    out = cat(parts, d) if len(parts) > 1 else input
    minus = binary["bitwise_xor"] if input.dtype is _C.bool_ else sub
    if n >= out.shape[d]:
        return narrow(out, d, 0, 0)
    for _ in range(n):
        size = out.shape[d]
        out = minus(narrow(out, d, 1, size - 1), narrow(out, d, 0, size - 1))
    return out


def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Sums over the dimensions that expand would have added or grown from `size`."""
    x = tensor_arg("sum_to_size", input)
    wanted = sizes("sum_to_size", size)
    added = x.ndim - len(wanted)
    if added < 0 or any(n not in (1, x.shape[added + i]) for i, n in enumerate(wanted)):
        raise RuntimeError(f"sum_to_size: shape {list(x.shape)} does not come from expanding {list(wanted)}")
    return input if tuple(x.shape) == wanted else to(sum_to_shape(input, wanted, x.dtype), x.dtype)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers 0 ... N - 1 of a vector's elements, one a column, from the highest (or the lowest)."""
    if tensor_arg("vander", x).ndim != 1:
        raise RuntimeError(f"vander: wants a vector, got shape {list(x.shape)}")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError(f"vander: N must be non-negative, got {n}")
    powers = np.arange(n, dtype=np.int64)
    exponents = Tensor(_C.cast(_C.from_numpy(powers if increasing else powers[::-1]), x.dtype))
    return binary["pow"](expand(unsqueeze(x, 1), (x.shape[0], n)), exponents)
