"""Reading and writing along a dimension by an integer tensor of places: gather, scatter and their like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._dtypes import CPU, bool_, int64
from ..autograd.graph import OUTPUT, Node, Op, edge_of, edges_of, recording
from ..autograd.inplace import write_recorded
from ..tensor import Tensor
from ._common import operand, tensor_arg, wrap_dim
from .cast import to
from .elementwise import binary, compares, mul, where
from .index import index as read_at
from .index import index_put
from .shape import narrow, ravel, reshape

# Functions that are Tensor methods too.
METHODS = (
    "gather take_along_dim scatter scatter_ scatter_add scatter_add_ scatter_reduce scatter_reduce_ "
    "index_select index_add index_add_ index_copy index_copy_ index_fill index_fill_ index_reduce "
    "index_reduce_ take put put_"
)
# For other families, not for users.
HELPERS = "filled index_array"


def index_array(op: str, value: Any) -> Any:
    """The int64 Array of an integer Tensor."""
    array = tensor_arg(op, value, "index")
    if array.dtype.is_floating_point or array.dtype is bool_:
        raise _C.DTypeError(f"{op}: index must be int64, got {array.dtype}")
    return _C.cast(array, int64)


def filled(shape: Any, dtype: Any, value: Any, device: Any = CPU) -> Any:
    """A fresh Array of one value."""
    out = _C.empty(tuple(shape), dtype, device)
    _C.fill(out, value)
    return out


# -- places: along a dimension by an array of the source's shape, or whole slices by a 1-d array


class _Along:
    """gather's places: x[.., index[.., j, ..], ..]. A 0-d tensor counts as one of one element."""

    def __init__(self, op: str, input: Tensor, dim: int, index: Any, wraps: bool = False) -> None:
        self.index, self.wraps = index_array(op, index), wraps
        self.dim = wrap_dim(op, dim, input.ndim)
        if max(self.index.ndim, 1) != max(input.ndim, 1):
            raise RuntimeError(f"{op}: index has {self.index.ndim} dimensions, the tensor {input.ndim}")
        for i, n in enumerate(self.index.shape):
            if i != self.dim and n > input.shape[i]:
                raise RuntimeError(
                    f"{op}: index of shape {list(self.index.shape)} is larger than {list(input.shape)} in "
                    f"dimension {i}"
                )
        self.shape = tuple(self.index.shape)
        self.flat = self.index if self.index.ndim else self.index.reshape_view((1,))

    def read_native(self, x: Any) -> Any:
        x = x if x.ndim else x.reshape_view((1,))
        return _C.gather(x, self.dim, self.flat, self.wraps).reshape_view(self.shape)

    def write_native(self, x: Any, src: Any, how: str) -> None:
        src = _C.contiguous(src).reshape_view((1,)) if not src.ndim else src
        x = x if x.ndim else x.reshape_view((1,))
        _C.scatter_reduce_into(x, self.dim, self.flat, src, how, self.wraps)

    def fit(self, op: str, src: Tensor) -> Tensor:
        """The part of src that the index covers."""
        for d, (have, want) in enumerate(zip(src.shape, self.shape, strict=False)):
            if have < want or src.ndim != len(self.shape):
                raise RuntimeError(
                    f"{op}: src of shape {list(src.shape)} is smaller than the index {list(self.shape)}"
                )
            if have > want:
                src = narrow(src, d, 0, want)
        return src if src.ndim == len(self.shape) else reshape(src, self.shape)


class _Slices:
    """index_select's places: whole slices along a dimension."""

    def __init__(self, op: str, input: Tensor, dim: int, index: Any, wraps: bool = False) -> None:
        places = index_array(op, index)
        if places.ndim > 1:
            raise IndexError(f"{op}: index must be 1-d, got shape {list(places.shape)}")
        self.dim = wrap_dim(op, dim, input.ndim)
        self.places = places if places.ndim else places.reshape_view((1,))
        self.indices, self.wraps = [None] * self.dim + [self.places], wraps
        shape = list(input.shape) or [1]
        shape[self.dim] = self.places.numel
        self.shape = tuple(shape)

    def read_native(self, x: Any) -> Any:
        return _C.index(x if x.ndim else x.reshape_view((1,)), self.indices, self.wraps)

    def write_native(self, x: Any, src: Any, how: str) -> None:
        _C.index_reduce_into(x if x.ndim else x.reshape_view((1,)), self.indices, src, how, self.wraps)

    def fit(self, op: str, src: Tensor) -> Tensor:
        if src.shape == self.shape or (src.ndim == 0 and self.shape == (1,)):
            return reshape(src, self.shape)
        raise RuntimeError(
            f"{op}: source has shape {list(src.shape)}, wants {list(self.shape)}: the tensor's with as many "
            f"slices as the index has places"
        )


def _read(places: Any, x: Tensor) -> Tensor:
    out = places.read_native(x._array)
    if not recording(x):
        return Tensor(out)
    return Tensor(out, True, Node(_READ, (edge_of(x),), (), (places, x._array.shape)))


def _read_native(node: Node, g: Any) -> Any:
    places, shape = node.ctx
    out = filled(shape, g.dtype, 0, g.device)
    places.write_native(out, g, "sum")
    return (out,)


_READ = Op(
    "gather",
    _read_native,
    lambda node, g: (_write(node.ctx[0], Tensor(filled(node.ctx[1], g.dtype, 0, g.device)), g, "sum"),),
)


def _write_backward(node: Node, g: Tensor) -> Any:
    places, how = node.ctx
    old = new = None
    if node.edges[0] is not None:
        old = g if how == "sum" else _cleared(places, g)
    if node.edges[1] is not None:
        new = _read(places, g)
    return old, new


_PUT = Op("scatter", None, _write_backward)
_ADD = Op("scatter_add", None, _write_backward)


def _write(places: Any, x: Tensor, src: Tensor, how: str) -> Tensor:
    """A copy of x with src put or summed where the places are. src has places.shape."""
    out = _C.clone(x._array)
    places.write_native(out, src._array, how)
    if not recording(x, src):
        return Tensor(out)
    return Tensor(out, True, Node(_ADD if how == "sum" else _PUT, edges_of(x, src), (), (places, how)))


def _cleared(places: Any, x: Tensor, value: float = 0) -> Tensor:
    """x with a number at the places."""
    return _write(places, x, Tensor(filled(places.shape, x.dtype, value, x.device)), "put")


# -- reductions


def _neutral(how: str, dtype: Any) -> Any:
    if how in ("sum", "mean"):
        return 0
    if how == "prod":
        return 1
    if dtype.is_floating_point:
        return float("-inf" if how == "amax" else "inf")
    if dtype is bool_:
        return how == "amin"
    bits = 8 * dtype.itemsize
    low, high = (0, 255) if bits == 8 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return low if how == "amax" else high


def _counts(places: Any, shape: Any, dtype: Any, include_self: bool) -> Any:
    """How many values met at each place, at least 1."""
    out = filled(shape, dtype, 1)
    ones = filled(places.shape, dtype, 1)
    if not include_self:
        places.write_native(out, filled(places.shape, dtype, 0), "put")
    places.write_native(out, ones, "sum")
    return out


def _reduce_backward(node: Node, g: Tensor) -> Any:
    op, places, how, include_self = node.ctx
    x, s, y = node.tensors()
    div = binary["div"]
    if how in ("sum", "mean"):
        if how == "mean":
            g = div(g, Tensor(_counts(places, x.shape, g.dtype, include_self)))
        old, new = g, _read(places, g)
    elif how == "prod":
        old, new = _prod_gradients(op, places, x if include_self else _cleared(places, x, 1), s, y, g)
    else:
        # Equal extremes share the gradient. The choice is a constant.
        own = to(compares["eq"](x, y), g.dtype).detach()
        if not include_self:
            own = _cleared(places, own)
        theirs = to(compares["eq"](s, _read(places, y)), g.dtype).detach()
        count = _write(places, own, theirs, "sum")
        share = div(g, where(compares["gt"](count, 0), count, 1))
        old, new = mul(own, share), mul(theirs, _read(places, share))
    return old if include_self else _cleared(places, old), new


def _prod_gradients(op: str, places: Any, x: Tensor, s: Tensor, y: Tensor, g: Tensor) -> Any:
    div, eq = binary["div"], compares["eq"]
    x_zero, s_zero = eq(x, 0), eq(s, 0)
    zeros = _C.to_numpy(_C.any(x_zero._array, (), False)) or _C.to_numpy(_C.any(s_zero._array, (), False))
    if not zeros:
        whole = mul(g, y)
        return div(whole, x), div(_read(places, whole), s)
    if recording(x, s, g):
        raise RuntimeError(f"{op}: a product with zeros among its factors has no second derivative here")
    # One zero at a place takes the product of the others; beside a zero, or with two, the gradient is zero.
    x_safe, s_safe = where(x_zero, 1, x), where(s_zero, 1, s)
    others = _C.clone(x_safe._array)
    places.write_native(others, s_safe._array, "prod")
    count = _write(places, to(x_zero, int64), to(s_zero, int64), "sum")
    whole = mul(g, Tensor(others))

    def part(zero: Tensor, safe: Tensor, met: Tensor, value: Tensor) -> Tensor:
        return where(eq(met, to(zero, int64)), div(value, safe), 0)

    return part(x_zero, x_safe, count, whole), part(
        s_zero, s_safe, _read(places, count), _read(places, whole)
    )


_REDUCE = Op("scatter_reduce", None, _reduce_backward, (0, 1, OUTPUT))
_KINDS = ("sum", "prod", "mean", "amax", "amin")


def _reduced(op: str, places: Any, x: Tensor, src: Tensor, how: str, include_self: bool) -> Tensor:
    src = places.fit(op, _same_type(op, x, src))
    out = _C.clone(x._array)
    if not include_self:
        places.write_native(out, filled(places.shape, x.dtype, _neutral(how, x.dtype), x.device), "put")
    places.write_native(out, src._array, "sum" if how == "mean" else how)
    if how == "mean":
        divide = _C.div if x.dtype.is_floating_point else _C.floor_divide
        out = divide(out, _counts(places, x.shape, x.dtype, include_self))
    if not recording(x, src):
        return Tensor(out)
    saved = (x._array, src._array, out)
    return Tensor(out, True, Node(_REDUCE, edges_of(x, src), saved, (op, places, how, include_self)))


def _same_type(op: str, input: Tensor, src: Any) -> Tensor:
    if tensor_arg(op, src, "src").dtype is not input.dtype:
        raise RuntimeError(f"{op}: src is {src.dtype}, the tensor {input.dtype}")
    return src


def _in_place(op: str, input: Tensor, function: Callable[..., Tensor], *sources: Any) -> Tensor:
    """function(input, *sources) stored in input."""
    tensor_arg(op, input)
    if recording(input, *sources):
        return write_recorded(input, op, function, *sources)
    _C.copy_into(input._array, function(input, *sources)._array)
    return input


# -- along a dimension


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j] = input[i][index[i][j]] (dim=1): picks along dim; the result has the index's shape.

    IndexError for a place outside, a negative one too. sparse_grad changes nothing: gradients are dense.
    """
    tensor_arg("gather", input)
    return _read(_Along("gather", input, dim, index), input)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """gather with the sizes beside dim broadcast; without dim over all elements in order."""
    from .shape import expand

    if dim is None:
        input = ravel(input)
        return _read(_Along("take_along_dim", input, 0, ravel(indices), wraps=True), input)
    d = wrap_dim("take_along_dim", dim, tensor_arg("take_along_dim", input).ndim)
    places = tensor_arg("take_along_dim", indices, "indices")
    if places.ndim != input.ndim:
        raise RuntimeError(
            f"take_along_dim: indices have {places.ndim} dimensions, the tensor {input.ndim}, wants the same"
        )
    a = tuple(1 if i == d else n for i, n in enumerate(input.shape))
    b = tuple(1 if i == d else n for i, n in enumerate(places.shape))
    both = _C.broadcast_shapes(a, b)
    wide = [tuple(t[d] if i == d else n for i, n in enumerate(both)) for t in (input.shape, places.shape)]
    input = expand(input, wide[0])
    return _read(_Along("take_along_dim", input, d, expand(indices, wide[1]), wraps=True), input)


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """A copy with src (a tensor, or a number) stored along dim at the places of index, or with reduce="add"
    or "multiply" combined with what is there. Of equal places the last one counts."""
    places = _Along("scatter", input, dim, index)
    if (src is None) == (value is None):
        raise TypeError("scatter: wants either src or value")
    src = value if src is None else src
    if not isinstance(src, Tensor):
        src = Tensor(filled(places.shape, input.dtype, operand("scatter", src), input.device))
    src = places.fit("scatter", _same_type("scatter", input, src))
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: reduce is {reduce!r}, wants 'add' or 'multiply'")
    if reduce == "multiply":
        return _reduced("scatter", places, input, src, "prod", True)
    return _write(places, input, src, "sum" if reduce else "put")


def scatter_(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """scatter in place."""
    return _in_place(
        "scatter_",
        input,
        lambda old, new: scatter(old, dim, index, new, value=value, reduce=reduce),
        src,
    )


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with src added along dim at the places of index."""
    places = _Along("scatter_add", input, dim, index)
    return _write(places, input, places.fit("scatter_add", _same_type("scatter_add", input, src)), "sum")


def scatter_add_(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """scatter_add in place."""
    if not recording(input, src):
        places = _Along("scatter_add_", input, dim, index)
        src = places.fit("scatter_add_", _same_type("scatter_add_", input, src))
        places.write_native(input._array, src._array, "sum")
        return input
    return write_recorded(input, "scatter_add_", lambda old, new: scatter_add(old, dim, index, new), src)


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy where src met the places of index along dim by reduce: sum, prod, mean, amax or amin. Without
    include_self what stood at those places does not count."""
    if reduce not in _KINDS:
        raise RuntimeError(f"scatter_reduce: reduce is {reduce!r}, wants one of {', '.join(_KINDS)}")
    places = _Along("scatter_reduce", input, dim, index)
    return _reduced("scatter_reduce", places, input, src, reduce, include_self)


def scatter_reduce_(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """scatter_reduce in place."""
    return _in_place(
        "scatter_reduce_",
        input,
        lambda old, new: scatter_reduce(old, dim, index, new, reduce, include_self=include_self),
        src,
    )


# -- whole slices


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices along dim at the places in a 1-d int64 tensor."""
    tensor_arg("index_select", input)
    out = _read(_Slices("index_select", input, dim, index), input)
    return out if input.ndim else reshape(out, ())


def _put_slices(op: str, input: Tensor, dim: int, index: Any, source: Any, add: bool) -> Tensor:
    places = _Slices(op, input, dim, index)
    src = places.fit(op, _same_type(op, input, source))
    return _write(places, input, src, "sum" if add else "put")


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy with alpha * source added to the slices along dim that index names, in its order."""
    tensor_arg("index_add", source, "source")
    return _put_slices("index_add", input, dim, index, source if alpha == 1 else mul(source, alpha), True)


def index_add_(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """index_add in place."""
    if not recording(input, source):
        places = _Slices("index_add_", input, dim, index)
        src = places.fit("index_add_", _same_type("index_add_", input, source))
        places.write_native(input._array, (src if alpha == 1 else mul(src, alpha))._array, "sum")
        return input
    return write_recorded(
        input, "index_add_", lambda old, new: index_add(old, dim, index, new, alpha=alpha), source
    )


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices along dim that index names replaced by those of source."""
    return _put_slices("index_copy", input, dim, index, source, False)


def index_copy_(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """index_copy in place."""
    return _in_place("index_copy_", input, lambda old, new: index_copy(old, dim, index, new), source)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with a number (or 0-d tensor) in the slices along dim that index names."""
    places = _Slices("index_fill", input, dim, index, wraps=True)
    if not isinstance(value, Tensor):
        value = Tensor(filled((), input.dtype, operand("index_fill", value), input.device))
    if value.ndim:
        raise RuntimeError(f"index_fill: value must be a number or 0-d, got shape {list(value.shape)}")
    if not input.ndim:
        return reshape(index_put(reshape(input, (1,)), places.indices, to(value, input.dtype)), ())
    return index_put(input, places.indices, to(value, input.dtype))


def index_fill_(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """index_fill in place."""
    return _in_place("index_fill_", input, lambda old, new: index_fill(old, dim, index, new), value)


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy where the slices of source met those along dim that index names by reduce: prod, mean, amax or
    amin."""
    if reduce not in _KINDS[1:]:
        raise RuntimeError(f"index_reduce: reduce is {reduce!r}, wants one of {', '.join(_KINDS[1:])}")
    places = _Slices("index_reduce", input, dim, index)
    return _reduced("index_reduce", places, input, source, reduce, include_self)


def index_reduce_(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """index_reduce in place."""
    return _in_place(
        "index_reduce_",
        input,
        lambda old, new: index_reduce(old, dim, index, new, reduce, include_self=include_self),
        source,
    )


# -- by the place in the flat order


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their place in the flat order; the result has the index's shape."""
    tensor_arg("take", input)
    return read_at(ravel(input), [index_array("take", index)])


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with source stored (or added) by place in the flat order."""
    places = index_array("put", index)
    src = _same_type("put", input, source)
    if src.numel() != places.numel:
        raise RuntimeError(f"put: source has {src.numel()} elements, the index {places.numel}")
    flat = index_put(ravel(input), [places], reshape(src, places.shape), accumulate)
    return reshape(flat, input.shape)


def put_(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """put in place."""
    return _in_place("put_", input, lambda old, new: put(old, index, new, accumulate), source)
