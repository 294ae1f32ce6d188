"""What occurs and how often: unique elements, membership, counts by value and by interval. No gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import _C
from .._dtypes import bool_, float32, float64, int64
from ..tensor import Tensor
from ._common import as_tensor, tensor_arg, wrap_dim
from .cast import to
from .creation import arange, linspace
from .elementwise import binary, compares, where
from .gather import filled
from .join import cat
from .reduce import any as any_
from .shape import movedim, ravel, reshape

# Functions that are Tensor methods too.
METHODS = "unique unique_consecutive bincount histc histogram"


def _pick(x: Tensor, places: Tensor) -> Tensor:
    return Tensor(_C.index(x._array, [places._array]))


def _lexicographic(rows: Tensor) -> Tensor:
    """The order of the rows of a matrix: stable sorts by its columns, the last one first."""
    order = arange(rows.shape[0])
    for j in range(rows.shape[1] - 1, -1, -1):
        column = _pick(Tensor(rows._array.select(1, j)), order)
        order = _pick(order, Tensor(_C.sort(column._array, 0, False)[1]))
    return order


def _groups(rows: Tensor, order: Tensor | None, inverse: bool, counts: bool) -> tuple[Tensor, Any, Any]:
    """(the first of each run of equal rows, the run of each element, the lengths of the runs). `order` says
    where the rows stood before they were sorted."""
    n = rows.shape[0]
    step = compares["ne"](
        Tensor(rows._array.slice(0, 1, n, 1)), Tensor(rows._array.slice(0, 0, max(n - 1, 0), 1))
    )
    if step.ndim > 1:
        step = any_(step, 1)
    first = cat([Tensor(filled((min(n, 1),), bool_, True)), step])
    starts = reshape(Tensor(_C.nonzero(first._array)), (-1,))
    run = lengths = None
    if inverse:
        run = binary["sub"](Tensor(_C.cumsum(first._array, 0, False)), 1)
        if order is not None:
            back = _C.empty((n,), int64)
            _C.index_put_into(back, [order._array], run._array, False)
            run = Tensor(back)
    if counts:
        ends = cat(
            [Tensor(starts._array.slice(0, 1, starts.numel(), 1)), Tensor(filled((min(n, 1),), int64, n))]
        )
        lengths = binary["sub"](ends, starts)
    return _pick(rows, starts), run, lengths


def _unique(op: str, input: Tensor, dim: Any, sort: bool, inverse: bool, counts: bool) -> Any:
    tensor_arg(op, input)
    input = input.detach()
    if dim is None:
        rows = ravel(input)
        order = None
        if sort:
            rows, order = (Tensor(a) for a in _C.sort(rows._array, 0, False))
        values, run, lengths = _groups(rows, order, inverse, counts)
        run = None if run is None else reshape(run, input.shape)
    else:
        d = wrap_dim(op, dim, input.ndim)
        moved = movedim(input, d, 0) if input.ndim else reshape(input, (1,))
        width = 1
        for m in moved.shape[1:]:
            width *= m
        if width == 0 and moved.shape[0]:
            raise RuntimeError(f"{op}: shape {list(input.shape)} has slices without elements along dim {dim}")
        rows = reshape(moved, (moved.shape[0], width))
        order = _lexicographic(rows) if sort else None
        values, run, lengths = _groups(
            _pick(rows, order) if order is not None else rows, order, inverse, counts
        )
        values = reshape(values, (values.shape[0], *moved.shape[1:]))
        values = movedim(values, 0, d) if input.ndim else values
    if not inverse and not counts:
        return values
    return tuple(x for x in (values, run, lengths) if x is not None)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices along dim) in ascending order, whatever `sorted` says; with the place
    of each input element among them, and how often each occurs. Every NaN is different."""
    return _unique("unique", input, dim, True, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of each run of equal elements (or slices along dim), with the run of each element and the
    lengths of the runs."""
    return _unique("unique_consecutive", input, dim, False, return_inverse, return_counts)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element (of a tensor, or a number) is among test_elements."""
    if not isinstance(elements, Tensor):
        if not isinstance(test_elements, Tensor):
            raise TypeError("isin: wants a Tensor as elements or test_elements")
        elements = as_tensor(elements, test_elements)
    if isinstance(test_elements, float):
        test_elements = Tensor(filled((), float32, test_elements))
    tests = ravel(as_tensor(test_elements, elements).detach())
    tests = Tensor(_C.index(tests._array, [_C.nonzero(compares["eq"](tests, tests)._array).select(1, 0)]))
    if not tests.numel():
        return Tensor(filled(elements.shape, bool_, invert))
    common = _C.promote_types(elements.dtype, tests.dtype)
    elements, tests = to(elements, common), to(tests, common)
    ordered = Tensor(_C.sort(tests._array, 0, False)[0])
    at = _C.searchsorted(ordered._array, elements._array, None, False)
    near = Tensor(_C.index(ordered._array, [_C.minimum(at, tests.numel() - 1)]))
    return compares["ne" if invert else "eq"](elements.detach(), near)


# -- counting


def _counted(size: int, places: Tensor, weights: Any, dtype: Any) -> Tensor:
    out = filled((size,), dtype, 0)
    values = filled((), dtype, 1) if weights is None else weights
    _C.index_put_into(out, [places._array], values, True)
    return Tensor(out)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often (or with which sum of weights) each value 0, 1, ... occurs in a 1-d tensor of non-negative
    integers; at least minlength numbers."""
    x = tensor_arg("bincount", input)
    if x.ndim != 1 or x.dtype.is_floating_point or x.dtype is bool_:
        raise RuntimeError(f"bincount: wants 1-d non-negative integers, got {x.dtype} {list(x.shape)}")
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength is {minlength}, wants at least 0")
    size, w = minlength, None
    if x.numel:
        low, high = (int(_C.to_numpy(f(x, (), False))) for f in (_C.amin, _C.amax))
        if low < 0:
            raise RuntimeError(f"bincount: wants non-negative integers, got {low}")
        size = max(size, high + 1)
    if weights is not None:
        w = tensor_arg("bincount", weights, "weights")
        if w.shape != x.shape:
            raise RuntimeError(f"bincount: weights have shape {list(w.shape)}, the input {list(x.shape)}")
        w = w if w.dtype is float32 else _C.cast(w, float64)
    return _counted(size, Tensor(_C.cast(x, int64)), w, int64 if w is None else w.dtype)


def _range(op: str, x: Tensor, low: Any, high: Any) -> tuple[float, float]:
    """The interval that the bins cover: given, or that of the elements; never empty."""
    if low == high and x.numel():
        low, high = (float(_C.to_numpy(f(x._array, (), False))) for f in (_C.amin, _C.amax))
    if low == high:
        low, high = low - 1, high + 1
    if not (low < high and high - low < float("inf")):
        raise RuntimeError(f"{op}: wants a finite range with min < max, got [{low}, {high}]")
    return low, high


def _inside(x: Tensor, low: float, high: float) -> Tensor:
    inside = compares["ge"](x, low) & compares["le"](x, high)
    return reshape(Tensor(_C.nonzero(inside._array)), (-1,))


def histc(input: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
    """Counts in `bins` equal intervals from min to max (equal ones: the range of the elements); what is
    outside is left out."""
    if not tensor_arg("histc", input).dtype.is_floating_point:
        raise RuntimeError(f"histc: wants a floating type, got {input.dtype}")
    if bins < 1:
        raise RuntimeError(f"histc: bins is {bins}, wants at least 1")
    x = ravel(input.detach())
    low, high = _range("histc", x, min, max)
    x = _pick(x, _inside(x, low, high))
    place = binary["div"](binary["mul"](binary["sub"](x, low), float(bins)), high - low)
    places = to(place, int64)
    return _counted(bins, where(compares["ge"](places, bins), bins - 1, places), None, input.dtype)


class Histogram(NamedTuple):
    """What histogram returns."""

    hist: Tensor
    bin_edges: Tensor


def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(hist, bin_edges): counts (or sums of weight, of the input's shape) in `bins` equal intervals over the
    range, or between the ascending edges of a 1-d tensor. The last interval is closed. density divides by the
    total and the widths."""
    if not tensor_arg("histogram", input).dtype.is_floating_point:
        raise RuntimeError(f"histogram: wants a floating type, got {input.dtype}")
    if weight is not None and tensor_arg("histogram", weight, "weight").shape != input.shape:
        raise RuntimeError(f"histogram: weight has shape {list(weight.shape)}, the input {list(input.shape)}")
    x = ravel(input.detach())
    if isinstance(bins, Tensor):
        if bins.ndim != 1 or bins.numel() < 1 or range is not None:
            raise RuntimeError("histogram: edges must be 1-d, without a range")
        edges = to(bins.detach(), input.dtype)
        low, high = (float(_C.to_numpy(edges._array.select(0, i))) for i in (0, -1))
    else:
        if bins < 1:
            raise RuntimeError(f"histogram: bins is {bins}, wants at least 1")
        low, high = _range("histogram", x, *((0, 0) if range is None else range))
        edges = linspace(low, high, bins + 1, dtype=input.dtype)
    kept = _inside(x, low, high)
    count = edges.numel() - 1
    at = Tensor(_C.searchsorted(edges._array, _pick(x, kept)._array, None, True))
    places = binary["sub"](where(compares["gt"](at, count), count, at), 1)
    w = None if weight is None else _C.cast(_pick(ravel(weight.detach()), kept)._array, input.dtype)
    hist = _counted(count, places, w, input.dtype)
    if density:
        widths = binary["sub"](
            Tensor(edges._array.slice(0, 1, count + 1, 1)), Tensor(edges._array.slice(0, 0, count, 1))
        )
        hist = binary["div"](binary["div"](hist, Tensor(_C.sum(hist._array, (), False))), widths)
    return Histogram(hist, edges)
