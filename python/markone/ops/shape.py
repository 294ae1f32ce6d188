"""Views and rearrangements. Views share memory; what cannot be a view is copied."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .. import _C
from ..autograd.graph import Node, Op, edge_of, outputs_of, recording
from ..autograd.inplace import as_view
from ..autograd.modes import modes
from ..tensor import Tensor
from ._common import broadcast_dims, dims_of, sizes, spread, tensor_arg, wrap_dim

F = TypeVar("F", bound=Callable[..., Any])

# Functions that are Tensor methods too.
METHODS = (
    "reshape view view_as reshape_as flatten ravel unflatten squeeze unsqueeze permute transpose swapaxes t "
    "expand expand_as broadcast_to narrow select diagonal split movedim chunk unbind"
)
# For other families, not for users.
HELPERS = "pad_constant reversed_dims matrix_transpose cut_view iterate window_zeroed"


def _view(op: Op, array: Any, source: Tensor, function: Any, args: tuple[Any, ...], ctx: Any) -> Tensor:
    """A view of `source`, recorded where needed."""
    out = Tensor(array)
    if modes.grad:
        edge = edge_of(source)
        if edge is not None:
            out._requires_grad = True
            out._grad_fn = Node(op, (edge,), (), ctx)
    return as_view(out, source, function, args)


def _native(op: Op) -> Callable[[F], F]:
    """The function as an operation whose plain calls run natively; it gets the others."""
    return lambda function: _C.view_operation(function, function.__name__, op)


# -- reshape and permute


def _again(node: Node, g: Tensor) -> Any:
    return (reshape(g, node.ctx),)


def _permuted(node: Node, g: Tensor) -> Any:
    return (permute(g, node.ctx),)


def _transposed(node: Node, g: Tensor) -> Any:
    return (transpose(g, *node.ctx),)


_RESHAPE = Op("reshape", lambda node, g: (_reshaped(g, node.ctx),), _again)
_PERMUTE = Op("permute", lambda node, g: (g.permute(node.ctx),), _permuted)
_TRANSPOSE = Op("transpose", lambda node, g: (g.transpose(*node.ctx),), _transposed)


def _reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    out = x.try_reshape(shape)
    return _C.clone(x).reshape_view(shape) if out is None else out


@_native(_RESHAPE)
def reshape(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The same elements in another shape, one size may be -1. A view where the strides allow it, else a
    copy."""
    if named:
        shape = spread("reshape", "shape", shape, named)
    x = tensor_arg("reshape", input)
    wanted = sizes("reshape", shape)
    if x.try_reshape(wanted) is not None:
        return reshape(input, wanted)
    copied = _C.clone(x).reshape_view(wanted)
    if not recording(input):
        return Tensor(copied)
    return Tensor(copied, True, Node(_RESHAPE, (edge_of(input),), (), x.shape))


@_native(_RESHAPE)
def view(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """reshape that never copies: ValueError where the strides do not allow it. view(dtype) reads the same
    bytes."""
    if named:
        shape = spread("view", "size", shape, named)
    x = tensor_arg("view", input)
    if len(shape) == 1 and isinstance(shape[0], _C.dtype):
        if recording(input) and shape[0] is not x.dtype:
            raise RuntimeError(
                "view: the bytes of a tensor that requires a gradient cannot be read as another type"
            )
        return Tensor(x.bit_cast(shape[0]))
    wanted = sizes("view", shape)
    x.reshape_view(wanted)  # the error where it needs a copy
    return reshape(input, wanted)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """view in the shape of another tensor."""
    return view(input, other._array.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """reshape to the shape of another tensor."""
    return reshape(input, other._array.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim..end_dim become one."""
    shape = tensor_arg("flatten", input).shape
    first, last = wrap_dim("flatten", start_dim, len(shape)), wrap_dim("flatten", end_dim, len(shape))
    if first > last:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    if not shape:
        return reshape(input, 1)
    if first == last:
        return input
    count = 1
    for n in shape[first : last + 1]:
        count *= n
    return reshape(input, (*shape[:first], count, *shape[last + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension."""
    return reshape(input, (-1,)) if input.numel() else reshape(input, (0,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension becomes several."""
    shape = tensor_arg("unflatten", input).shape
    d = wrap_dim("unflatten", dim, len(shape))
    return reshape(input, (*shape[:d], *sizes, *shape[d + 1 :]))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Drops dimensions of size 1: all, or those given."""
    x = tensor_arg("squeeze", input)
    drop = dims_of("squeeze", dim, x.ndim) if dim is not None else tuple(range(x.ndim))
    kept = tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in drop)
    out = x
    for d in reversed(drop):
        out = out.squeeze(d)
    return _view(_RESHAPE, out, input, reshape, (kept,), x.shape)


@_native(_RESHAPE)
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dimension of size 1 at `dim`."""
    x = tensor_arg("unsqueeze", input)
    return reshape(input, x.unsqueeze(dim).shape)


@_native(_PERMUTE)
def permute(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """The dimensions in another order."""
    if named:
        dims = spread("permute", "dims", dims, named)
    x = tensor_arg("permute", input)
    return permute(input, tuple(wrap_dim("permute", d, x.ndim) for d in sizes("permute", dims)))


@_native(_TRANSPOSE)
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions change places."""
    x = tensor_arg("transpose", input)
    if x.ndim == 0:
        wrap_dim("transpose", dim0, 0), wrap_dim("transpose", dim1, 0)
        return _view(_RESHAPE, x, input, reshape, ((),), ())
    return transpose(input, wrap_dim("transpose", dim0, x.ndim), wrap_dim("transpose", dim1, x.ndim))


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and scalars stay as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t: wants at most 2 dimensions, got shape {list(input.shape)}")
    return transpose(input, 0, 1) if input.ndim == 2 else input


def reversed_dims(input: Tensor) -> Tensor:
    """`tensor.T`: the dimensions in reverse order."""
    if input._array.ndim == 2:
        return transpose(input, 0, 1)
    return permute(input, tuple(range(input.ndim - 1, -1, -1)))


def matrix_transpose(input: Tensor) -> Tensor:
    """`tensor.mT`: the last two dimensions change places."""
    if input.ndim < 2:
        raise RuntimeError(f"mT: wants at least 2 dimensions, got shape {list(input.shape)}")
    return transpose(input, -2, -1)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions move to other places, the rest keep their order."""
    n = input.ndim
    src = [wrap_dim("movedim", d, n) for d in (source if isinstance(source, list | tuple) else [source])]
    dst = [
        wrap_dim("movedim", d, n)
        for d in (destination if isinstance(destination, list | tuple) else [destination])
    ]
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise RuntimeError(f"movedim: cannot move {source} to {destination}")
    order: list[int] = [-1] * n
    for s, d in zip(src, dst, strict=True):
        order[d] = s
    rest = iter([i for i in range(n) if i not in src])
    return permute(input, [next(rest) if o < 0 else o for o in order])


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """transpose."""
    return transpose(input, axis0, axis1)


# -- expand


_EXPAND = Op(
    "expand",
    lambda node, g: (_summed(g, node.ctx),),
    lambda node, g: (_summed_tensor(g, node.ctx),),
)


def _summed(g: Any, shape: tuple[int, ...]) -> Any:
    dims = broadcast_dims(g.shape, shape)
    return (_C.sum(g, dims, False) if dims else g).reshape_view(shape)


def _summed_tensor(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    from .reduce import sum as sum_

    dims = broadcast_dims(g._array.shape, shape)
    return reshape(sum_(g, dims) if dims else g, shape)


def expand(input: Tensor, *size: Any, **named: Any) -> Tensor:
    """Dimensions of size 1 repeated without a copy; -1 keeps a size."""
    if named:
        size = spread("expand", "size", size, named)
    x = tensor_arg("expand", input)
    wanted = sizes("expand", size)
    return _view(_EXPAND, x.expand(wanted), input, expand, (wanted,), x.shape)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """expand to the shape of another tensor."""
    return expand(input, other._array.shape)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """expand to a shape."""
    return expand(input, size)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    shape: tuple[int, ...] = ()
    for tensor in tensors:
        shape = _C.broadcast_shapes(shape, tensor_arg("broadcast_tensors", tensor).shape)
    return tuple(expand(tensor, shape) for tensor in tensors)


# -- slices along one dimension


def _embedded(g: Any, ctx: Any) -> Any:
    """Zeros of the source's shape with g in the window."""
    shape, cut = ctx
    out = _C.empty(shape, g.dtype, g.device)
    _C.fill(out, 0)
    _C.copy_into(cut(out), g)
    return out


def _embed(g: Tensor, ctx: Any) -> Tensor:
    out = _embedded(g._array, ctx)
    return Tensor(out, True, Node(_EMBED, (edge_of(g),), (), ctx)) if recording(g) else Tensor(out)


def _cut(g: Tensor, cut: Any) -> Tensor:
    out = cut(g._array)
    return (
        Tensor(out, True, Node(CUT, (edge_of(g),), (), (g._array.shape, cut)))
        if recording(g)
        else Tensor(out)
    )


_EMBED = Op("embed", lambda node, g: (node.ctx[1](g),), lambda node, g: (_cut(g, node.ctx[1]),))
CUT = Op("slice", lambda node, g: (_embedded(g, node.ctx),), lambda node, g: (_embed(g, node.ctx),))


def cut_view(input: Tensor, name: str, cut: Any, function: Any, args: tuple[Any, ...]) -> Tensor:
    """A view made by `cut` (Array -> Array), whose gradient lies in a window of zeros."""
    x = input._array
    return _view(CUT, cut(x), input, function, args, (x.shape, cut))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` slices along dim from `start` on, as a view."""
    x = tensor_arg("narrow", input)
    d = wrap_dim("narrow", dim, x.ndim)
    size = x.shape[d] if x.ndim else 0
    if start < 0:
        start += size
    if not 0 <= start <= size or length < 0 or start + length > size:
        raise _C.OutOfRangeError(
            f"narrow: start {start} with length {length} leaves dimension {d} of size {size}"
        )
    return cut_view(
        input, "narrow", lambda a: a.slice(d, start, start + length, 1), narrow, (d, start, length)
    )


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at `index` along dim, which goes away; a view."""
    tensor_arg("select", input)
    return cut_view(input, "select", lambda a: a.select(dim, index), select, (dim, index))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of the matrices in two dimensions, as the last dimension of a view."""
    tensor_arg("diagonal", input)
    return cut_view(
        input, "diagonal", lambda a: a.diagonal(offset, dim1, dim2), diagonal, (offset, dim1, dim2)
    )


# -- all the slices along one dimension: one node, whose gradient is written once


def _joined(node: Node, gradients: Sequence[Any], join: Any, blank: Any) -> Any:
    """The slices' gradients one after another; written once for Arrays and Tensors. A slice that nothing
    depends on has None."""
    shapes, dim, dtype, dropped = node.ctx
    parts = [blank(s, dtype) if g is None else g for g, s in zip(gradients, shapes, strict=True)]
    return (join([g.unsqueeze(dim) for g in parts] if dropped else parts, dim),)


def _blank(shape: tuple[int, ...], dtype: Any) -> Any:
    zero = _C.empty((1,) * len(shape), dtype)
    _C.fill(zero, 0)
    return zero.expand(shape)


def _joined_differentiable(node: Node, g: Any) -> Any:
    from .join import cat

    return _joined(node, g, cat, lambda shape, dtype: Tensor(_blank(shape, dtype)))


_SLICES = Op("slices", lambda node, g: _joined(node, g, _C.cat, _blank), _joined_differentiable)


def _slices(
    input: Tensor, dim: int, function: Any, calls: Sequence[tuple[Any, ...]], arrays: Sequence[Any]
) -> tuple[Tensor, ...]:
    """Views that cover the tensor along dim; function(input, *call) makes each by itself."""
    heads: Any = None
    if arrays and recording(input):
        dropped = arrays[0].ndim < input.ndim
        ctx = ([a.shape for a in arrays], dim, input.dtype, dropped)
        heads = outputs_of(Node(_SLICES, (edge_of(input),), (), ctx), len(arrays))
    out = []
    for i, (array, call) in enumerate(zip(arrays, calls, strict=True)):
        part = Tensor(array) if heads is None else Tensor(array, True, heads[i])
        out.append(as_view(part, input, function, call))
    return tuple(out)


def split(input: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of equal length along dim (the last may be shorter), or of the lengths given."""
    d = wrap_dim("split", dim, input.ndim)
    if input.ndim == 0:
        raise RuntimeError("split: a 0-d tensor has no dimension to take apart")
    size = input.shape[d]
    if isinstance(split_size_or_sections, list | tuple):
        lengths = list(split_size_or_sections)
        if sum(lengths) != size or any(n < 0 for n in lengths):
            raise RuntimeError(f"split: sections {lengths} do not add up to dimension {d} of size {size}")
    else:
        step = split_size_or_sections
        if step <= 0 and not (step == 0 and size == 0):
            raise RuntimeError(f"split: the size must be positive, got {step}")
        lengths = [min(step, size - at) for at in range(0, size, step)] if size else [0]
    starts = [0, *itertools.accumulate(lengths)][:-1]
    x = input._array
    arrays = [x.slice(d, at, at + n, 1) for at, n in zip(starts, lengths, strict=True)]
    return _slices(input, d, narrow, [(d, at, n) for at, n in zip(starts, lengths, strict=True)], arrays)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal length along dim."""
    if chunks <= 0:
        raise RuntimeError(f"chunk: wants at least one chunk, got {chunks}")
    d = wrap_dim("chunk", dim, input.ndim)
    if input.ndim == 0:
        raise RuntimeError("chunk: a 0-d tensor has no dimension to take apart")
    size = input.shape[d]
    if size == 0:
        if chunks > 1 << 20:
            raise RuntimeError(f"chunk: wants at most {1 << 20} chunks of an empty dimension, got {chunks}")
        return split(input, [0] * chunks, dim)
    return split(input, -(-size // chunks), dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """A view for each index of dim, without that dimension."""
    d = wrap_dim("unbind", dim, input.ndim)
    if input.ndim == 0:
        raise IndexError("unbind: a 0-d tensor has no dimension to take apart")
    count, x = input.shape[d], input._array
    return _slices(input, d, select, [(d, i) for i in range(count)], [x.select(d, i) for i in range(count)])


def iterate(input: Tensor) -> Any:
    """`iter(tensor)`: over the first dimension."""
    if input.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind(input))


def window_zeroed(g: Tensor, replay: Any) -> Tensor:
    """A copy of g with zeros in the window that `replay` cuts."""
    with_zeros = Tensor(_C.clone(g._array))
    before, modes.grad = modes.grad, False
    window = with_zeros
    try:
        for function, args in replay:
            window = function(window, *args)
    finally:
        modes.grad = before
    _C.fill(window._array, 0)
    out = with_zeros._array
    return Tensor(out, True, Node(_ZEROED, (edge_of(g),), (), replay)) if recording(g) else Tensor(out)


_ZEROED = Op("window_zeroed", None, lambda node, g: (window_zeroed(g, node.ctx),))


def pad_constant(input: Tensor, pad: Sequence[int], value: float = 0.0) -> Tensor:
    """Constant borders: pad holds (before, after) pairs from the last dimension back; negative sizes cut."""
    shape = list(tensor_arg("pad", input).shape)
    if len(pad) % 2 or len(pad) // 2 > len(shape):
        raise RuntimeError(f"pad: {list(pad)} does not hold pairs for at most {len(shape)} dimensions")
    inner = input
    wide = list(shape)
    starts = [0] * len(shape)
    for i in range(len(pad) // 2):
        d = len(shape) - 1 - i
        before, after = pad[2 * i], pad[2 * i + 1]
        wide[d] = shape[d] + before + after
        if wide[d] < 0:
            raise RuntimeError(f"pad: {list(pad)} leaves a negative size in dimension {d} of shape {shape}")
        cut0, cut1 = max(-before, 0), max(-after, 0)
        if cut0 or cut1:
            inner = narrow(inner, d, min(cut0, shape[d]), max(shape[d] - cut0 - cut1, 0))
        starts[d] = max(before, 0)
    lengths = list(inner.shape)

    def cut(a: Any) -> Any:
        for d, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            a = a.slice(d, start, start + length, 1)
        return a

    if 0 < len(pad) <= 6:
        out = _C.pad(inner._array, "constant", tuple(max(n, 0) for n in pad), value)
    else:
        out = _C.empty(tuple(wide), input.dtype, input.device)
        _C.fill(out, value)
        _C.copy_into(cut(out), inner._array)
    if not recording(inner):
        return Tensor(out)
    return Tensor(out, True, Node(_EMBED, (edge_of(inner),), (), (tuple(wide), cut)))
