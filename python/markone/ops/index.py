"""Indexing: views by integers, slices, None and Ellipsis; copies by integer tensors and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _C
from .._dtypes import as_dtype, bool_, int64, uint8
from ..autograd.graph import Node, Op, edge_of, edges_of, recording
from ..autograd.inplace import write_recorded
from ..tensor import Tensor
from ._common import dims_of, operand, shrink, sum_to_shape, tensor_arg
from .cast import clone, copy_, fill_
from .elementwise import where
from .shape import CUT, cut_view, expand, ravel, reshape

# Functions that are Tensor methods too.
METHODS = (
    "index_put index_put_ masked_fill masked_fill_ masked_select masked_scatter masked_scatter_ nonzero "
    "argwhere tril triu"
)
# For other families, not for users.
HELPERS = "getitem index setitem"

_FROM_START = -(2**63)


class _Plan:
    """A key taken apart: view steps on an Array, then index arrays by dimension of that view."""

    __slots__ = ("indices", "steps")

    def __init__(self) -> None:
        self.steps: list[tuple[str, tuple[Any, ...]]] = []
        self.indices: dict[int, Any] = {}

    def cut(self, array: Any) -> Any:
        for name, args in self.steps:
            array = getattr(array, name)(*args)
        return array

    def index_list(self) -> list[Any]:
        return [self.indices.get(d) for d in range(max(self.indices) + 1)]


def _as_index(entry: Any) -> Any:
    """An Array for what indexes like one: Tensor, ndarray or a sequence; None for anything else."""
    if isinstance(entry, Tensor):
        return entry._array
    if isinstance(entry, np.ndarray):
        if entry.dtype.kind == "b":
            return _C.from_numpy(entry)
        if entry.dtype.kind in "iu":
            return _C.from_numpy(entry.astype(np.int64))
        raise IndexError(f"index: only integers and bool index, got an ndarray of {entry.dtype}")
    if isinstance(entry, list | tuple | range):
        values = Tensor(list(entry)) if len(entry) else None
        return _C.empty((0,), int64) if values is None else values._array
    return None


def _plan(shape: tuple[int, ...], key: Any) -> _Plan:
    entries = list(key) if isinstance(key, tuple) else [key]
    parsed: list[Any] = []
    used = 0
    for entry in entries:
        if entry is None or entry is Ellipsis or isinstance(entry, slice | bool | np.bool_):
            used += isinstance(entry, slice)
            parsed.append(entry)
            continue
        array = _as_index(entry)
        if array is None:
            try:
                parsed.append(entry.__index__())
            except (AttributeError, TypeError):
                error = IndexError if isinstance(entry, float) else TypeError
                raise error(
                    "index: wants integers, slices, None, Ellipsis, integer or bool tensors, got "
                    f"{type(entry).__name__}"
                ) from None
            used += 1
        elif array.dtype is bool_:
            parsed.append(array)
            used += array.ndim
        elif array.dtype.is_floating_point or array.dtype is uint8:
            raise IndexError(f"index: only int64, int32 and bool tensors index, got {array.dtype}")
        else:
            parsed.append(_C.cast(array, int64))
            used += 1
    if used > len(shape):
        raise IndexError(f"index: {used} indices for a tensor of shape {list(shape)}")
    dots = [i for i, entry in enumerate(parsed) if entry is Ellipsis]
    if len(dots) > 1:
        raise IndexError("index: only one Ellipsis is allowed")
    fill = [slice(None)] * (len(shape) - used)
    if dots:
        parsed[dots[0] : dots[0] + 1] = fill
    out = _Plan()
    at = source = 0  # the dimension of the view so far, and of the tensor
    for entry in parsed:
        if entry is None:
            out.steps.append(("unsqueeze", (at,)))
            at += 1
        elif isinstance(entry, bool | np.bool_):
            out.steps.append(("unsqueeze", (at,)))
            out.indices[at] = _C.from_numpy(np.zeros(int(entry), np.int64))
            at += 1
        elif isinstance(entry, slice):
            if entry.step is not None or entry.start is not None or entry.stop is not None:
                start, stop, step = entry.indices(shape[source])
                out.steps.append(("slice", (at, start, _FROM_START if stop < 0 else stop, step)))
            at += 1
            source += 1
        elif isinstance(entry, int):
            if not -shape[source] <= entry < shape[source]:
                raise IndexError(f"index: {entry} is outside dimension {source} of size {shape[source]}")
            out.steps.append(("select", (at, entry)))
            source += 1
        elif entry.dtype is bool_:
            if entry.shape != tuple(shape[source : source + entry.ndim]):
                raise IndexError(
                    f"index: a mask of shape {list(entry.shape)} does not fit {list(shape)} at dimension "
                    f"{source}"
                )
            if entry.ndim == 0:
                out.steps.append(("unsqueeze", (at,)))
                out.indices[at] = _C.from_numpy(np.zeros(int(_C.to_numpy(entry)), np.int64))
                at += 1
                continue
            where_true = _C.nonzero(entry)
            for i in range(entry.ndim):
                out.indices[at] = _C.contiguous(where_true.select(1, i))
                at += 1
                source += 1
        else:
            out.indices[at] = entry
            at += 1
            source += 1
    return out


def getitem(input: Tensor, key: Any) -> Tensor:
    """`tensor[key]`: a view for integers, slices, None and Ellipsis; a copy for integer tensors and masks.

    IndexError outside a dimension or for too many indices; TypeError for keys of another kind.
    """
    plan = _plan(input._array.shape, key)
    out = cut_view(input, "getitem", plan.cut, _recut, (plan,)) if plan.steps or not plan.indices else input
    return index(out, plan.index_list()) if plan.indices else out


getitem = _C.view_operation(getitem, "getitem", CUT)


def _recut(input: Tensor, plan: _Plan) -> Tensor:
    return cut_view(input, "getitem", plan.cut, _recut, (plan,))


# -- by integer arrays


def _zeros(shape: Any, dtype: Any, device: Any) -> Any:
    out = _C.empty(tuple(shape), dtype, device)
    _C.fill(out, 0)
    return out


def _scattered(g: Any, shape: Any, indices: Any) -> Any:
    out = _zeros(shape, g.dtype, g.device)
    _C.index_put_into(out, indices, g, True)
    return out


def _scatter(g: Tensor, shape: Any, indices: Any) -> Tensor:
    out = _scattered(g._array, shape, indices)
    return (
        Tensor(out, True, Node(_SCATTER, (edge_of(g),), (), (shape, indices)))
        if recording(g)
        else Tensor(out)
    )


_INDEX = Op(
    "index",
    lambda node, g: (_scattered(g, *node.ctx),),
    lambda node, g: (_scatter(g, *node.ctx),),
)
_SCATTER = Op(
    "index_scatter",
    lambda node, g: (_C.index(g, node.ctx[1]),),
    lambda node, g: (index(g, node.ctx[1]),),
)


def index(input: Tensor, indices: Sequence[Any]) -> Tensor:
    """Picks by int64 Arrays (broadcast against each other), one a dimension, None for a whole one."""
    out = _C.index(input._array, list(indices))
    if not recording(input):
        return Tensor(out)
    return Tensor(out, True, Node(_INDEX, (edge_of(input),), (), (input._array.shape, list(indices))))


def _put_backward(node: Node, g: Tensor) -> Any:
    indices, shape, dtype, accumulate = node.ctx
    old = new = None
    if node.edges[0] is not None:
        old = g if accumulate else index_put(g, indices, Tensor(_zeros((), g.dtype, g.device)))
    if node.edges[1] is not None:
        new = sum_to_shape(index(g, indices), shape, dtype)
    return old, new


_PUT = Op("index_put", None, _put_backward)


def index_put(input: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with `values` stored (or added) where `indices` point: Tensors, or int64 Arrays and None."""
    if any(isinstance(entry, Tensor) for entry in indices):
        indices = _plan(input._array.shape, tuple(indices)).index_list()
    out = _C.clone(input._array)
    v = values._array
    _C.index_put_into(out, list(indices), _C.cast(v, out.dtype), accumulate)
    if not recording(input, values):
        return Tensor(out)
    return Tensor(
        out, True, Node(_PUT, edges_of(input, values), (), (list(indices), v.shape, v.dtype, accumulate))
    )


def _as_value(input: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray | list | tuple):
        return Tensor(value)
    number = operand("setitem", value)
    out = _C.empty((), input._array.dtype, input._array.device)
    _C.fill(out, number)
    return Tensor(out)


def _fit(value: Tensor, ndim: int) -> Tensor:
    """Leading dimensions of size 1 beyond the target's are dropped, as in PyTorch."""
    shape = value._array.shape
    extra = len(shape) - ndim
    if extra > 0 and all(n == 1 for n in shape[:extra]):
        return reshape(value, shape[extra:])
    return value


def setitem(input: Tensor, key: Any, value: Any) -> None:
    """`tensor[key] = value`, with broadcasting and a cast; recorded like any in-place operation."""
    single = key if isinstance(key, Tensor) else None
    if single is not None and single.dtype is bool_ and single._array.shape == input._array.shape:
        if not isinstance(value, Tensor | np.ndarray | list | tuple) or getattr(value, "shape", None) == ():
            masked_fill_(input, single, value)
            return
    plan = _plan(input._array.shape, key)
    value = _as_value(input, value)
    if not recording(input, value):
        target = plan.cut(input._array)
        if plan.indices:
            _C.index_put_into(target, plan.index_list(), _C.cast(value._array, target.dtype), False)
        else:
            _C.copy_into(target, _fit(value, target.ndim)._array)
        return
    window = _recut(input, plan) if plan.steps else input
    if plan.indices:
        write_recorded(window, "setitem", lambda old, new: index_put(old, plan.index_list(), new), value)
    else:
        copy_(window, _fit(value, window.ndim))


def index_put_(input: Tensor, indices: Sequence[Tensor], values: Any, accumulate: bool = False) -> Tensor:
    """Stores (or adds) values where the index tensors point, in place."""
    plan = _plan(input._array.shape, tuple(indices))
    values = _as_value(input, values)
    if recording(input, values):
        places = plan.index_list()
        return write_recorded(
            input, "index_put_", lambda old, new: index_put(old, places, new, accumulate), values
        )
    _C.index_put_into(input._array, plan.index_list(), _C.cast(values._array, input.dtype), accumulate)
    return input


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """A copy with `value` where the mask (bool, broadcast) holds; the type stays."""
    m = tensor_arg("masked_fill", mask, "mask")
    if m.dtype is not bool_:
        raise _C.DTypeError(f"masked_fill: the mask must be bool, got {m.dtype}")
    whole = not input.dtype.is_floating_point and input.dtype is not bool_
    if whole and isinstance(value, float) and not -(2.0**63) <= value < 2.0**63:
        raise RuntimeError(f"masked_fill: {value} is no {input.dtype}")
    filled = _as_value(input, value)
    if filled.ndim:
        raise RuntimeError(
            f"masked_fill: value must be a number or a 0-d tensor, got shape {list(filled.shape)}"
        )
    from .cast import to

    return where(mask, to(filled, input.dtype), input)


def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """masked_fill in place."""
    if recording(input, value):
        return write_recorded(input, "masked_fill_", masked_fill, mask, value)
    _C.copy_into(tensor_arg("masked_fill_", input), masked_fill(input, mask, value)._array)
    return input


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in order, 1-d."""
    shape = _C.broadcast_shapes(input._array.shape, tensor_arg("masked_select", mask, "mask").shape)
    return getitem(expand(input, shape), expand(mask, shape))


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy with the elements of source, in order, where the mask (bool, broadcast with it) holds."""
    m, src = tensor_arg("masked_scatter", mask, "mask"), tensor_arg("masked_scatter", source, "source")
    if m.dtype is not bool_:
        raise _C.DTypeError(f"masked_scatter: the mask must be bool, got {m.dtype}")
    if src.dtype is not tensor_arg("masked_scatter", input).dtype:
        raise RuntimeError(f"masked_scatter: source is {src.dtype}, the tensor {input.dtype}")
    shape = _C.broadcast_shapes(input._array.shape, m.shape)
    places = _C.nonzero(_C.contiguous(m.expand(shape)).reshape_view((-1,))).select(1, 0)
    if places.numel > src.numel:
        raise RuntimeError(
            f"masked_scatter: the mask holds {places.numel} times, source has {src.numel} elements"
        )
    from .shape import narrow

    flat = index_put(ravel(expand(input, shape)), [places], narrow(ravel(source), 0, 0, places.numel))
    return reshape(flat, shape)


def masked_scatter_(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """masked_scatter in place."""
    if recording(input, source):
        return write_recorded(
            input, "masked_scatter_", lambda old, new: masked_scatter(old, mask, new), source
        )
    out = masked_scatter(input, mask, source)._array
    if out.shape != input._array.shape:
        raise RuntimeError(f"masked_scatter_: the mask does not broadcast to {list(input.shape)}")
    _C.copy_into(input._array, out)
    return input


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of elements that are not zero: int64 [count, ndim], or a tuple of 1-d tensors."""
    out = _C.nonzero(tensor_arg("nonzero", input))
    if not as_tuple:
        return Tensor(out)
    return tuple(Tensor(_C.contiguous(out.select(1, i))) for i in range(out.shape[1]))


def argwhere(input: Tensor) -> Tensor:
    """nonzero."""
    return nonzero(input)


def _triangle(op: str, input: Tensor, diagonal: int, lower: bool) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(f"{op}: wants at least 2 dimensions, got shape {list(input.shape)}")
    rows, columns = input.shape[-2:]
    keep = np.tri(rows, columns, diagonal if lower else diagonal - 1, dtype=bool)
    zero = False if input.dtype is bool_ else 0
    return where(Tensor(_C.from_numpy(keep if lower else ~keep)), input, zero)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, zero elsewhere."""
    return _triangle("tril", input, diagonal, True)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, zero elsewhere."""
    return _triangle("triu", input, diagonal, False)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """int64 vectors with a one at each class."""
    from .creation import fits
    from .gather import index_array

    classes = index_array("one_hot", input)
    if num_classes < 0:
        if classes.numel == 0:
            raise RuntimeError("one_hot: an empty tensor does not tell num_classes")
        num_classes = int(_C.to_numpy(_C.amax(classes, (), False))) + 1
    values = _C.to_numpy(classes)
    if values.size and (values.min() < 0 or values.max() >= num_classes):
        raise RuntimeError(
            f"one_hot: classes must be in [0, {num_classes}), got {values.min()}..{values.max()}"
        )
    line = _C.arange(0, 1, fits("one_hot", num_classes, int64), int64)
    return Tensor(_C.cast(_C.eq(classes.unsqueeze(classes.ndim), line), int64))


__all__ = ["as_dtype", "clone", "dims_of", "fill_", "getitem", "setitem", "shrink"]
