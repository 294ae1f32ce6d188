"""Running sums, products, extremes and log-sums along a dimension."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..autograd.graph import OUTPUT, Node, Op, edge_of, recording
from ..autograd.inplace import write_recorded
from ..tensor import Tensor
from ._common import tensor_arg, wrap_dim
from .cast import to
from .elementwise import add, binary, compares, mul, sub, unary, where
from .gather import gather
from .join import cat, stack
from .reduce import ValuesIndices
from .reduce import sum as sum_
from .shape import narrow, reshape, unsqueeze

# Functions that are Tensor methods too.
METHODS = "cumsum cumsum_ cumprod cumprod_ cummax cummin logcumsumexp"


def _cumsum(x: Tensor, dim: int, reverse: bool) -> Tensor:
    out = _C.cumsum(x._array, dim, reverse)
    return (
        Tensor(out, True, Node(_CUMSUM, (edge_of(x),), (), (dim, reverse))) if recording(x) else Tensor(out)
    )


_CUMSUM = Op(
    "cumsum",
    lambda node, g: (_C.cumsum(g, node.ctx[0], not node.ctx[1]),),
    lambda node, g: (_cumsum(g, node.ctx[0], not node.ctx[1]),),
)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The running sum along dim. Integers and bool give int64; floats are added in double, rounded once."""
    d = wrap_dim("cumsum", dim, tensor_arg("cumsum", input).ndim)
    return _cumsum(input if dtype is None else to(input, dtype), d, False)


def _cumprod_backward(node: Node, g: Tensor) -> Any:
    x, y = node.tensors()
    dim = node.ctx
    zero = compares["eq"](x, 0)
    if not _C.to_numpy(_C.any(zero._array, (), False)).item():
        return (binary["div"](_cumsum(mul(g, y), dim, True), x),)
    if recording(x, g):
        return (_others(x, g, dim),)
    # Before the first zero as without one; at it with 1 in its place; behind it every product has it.
    seen = _cumsum(zero, dim, False)
    ahead, first = compares["eq"](seen, 0), zero & compares["eq"](seen, 1)
    front = binary["div"](_cumsum(mul(g, y), dim, True), where(ahead, x, 1))
    at_first = _cumsum(mul(g, Tensor(_C.cumprod(where(first, 1, x)._array, dim))), dim, True)
    return (where(ahead, front, where(first, at_first, 0)),)


def _others(x: Tensor, g: Tensor, dim: int) -> Tensor:
    """The gradient without a division, n products of n elements: for gradients of it where x has zeros."""
    if not x.ndim:
        return mul(g, 1.0)
    n = x.shape[dim]
    parts = []
    for k in range(n):
        before = unary["exp"](mul(narrow(x, dim, 0, 1), 0.0)) if k == 0 else None
        if before is None:
            before = narrow(cumprod(narrow(x, dim, 0, k), dim), dim, k - 1, 1)
        rest = [before]
        if k + 1 < n:
            rest.append(mul(before, cumprod(narrow(x, dim, k + 1, n - k - 1), dim)))
        parts.append(sum_(mul(narrow(g, dim, k, n - k), cat(rest, dim)), dim))
    return stack(parts, dim)


_CUMPROD = Op("cumprod", None, _cumprod_backward, (0, OUTPUT))


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The running product along dim. Integers and bool give int64."""
    d = wrap_dim("cumprod", dim, tensor_arg("cumprod", input).ndim)
    x = input if dtype is None else to(input, dtype)
    out = _C.cumprod(x._array, d)
    if not recording(x):
        return Tensor(out)
    return Tensor(out, True, Node(_CUMPROD, (edge_of(x),), (x._array, out), d))


def _in_place(op: str, function: Any, input: Tensor, dim: int, dtype: Any) -> Tensor:
    if dtype is not None and dtype is not input.dtype:
        raise RuntimeError(f"{op}: dtype {dtype} cannot be stored in place in {input.dtype}")
    if recording(input):
        return write_recorded(input, op, lambda old: function(old, dim))
    _C.copy_into(input._array, function(input, dim)._array)
    return input


def cumsum_(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """cumsum in place."""
    return _in_place("cumsum_", cumsum, input, dim, dtype)


def cumprod_(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """cumprod in place."""
    return _in_place("cumprod_", cumprod, input, dim, dtype)


def _extreme(op: str, native: Any, input: Tensor, dim: int) -> ValuesIndices:
    d = wrap_dim(op, dim, tensor_arg(op, input).ndim)
    values, indices = native(input._array, d)
    places = Tensor(indices)
    return ValuesIndices(gather(input, d, places) if recording(input) else Tensor(values), places)


def cummax(input: Tensor, dim: int) -> ValuesIndices:
    """(values, indices): the largest so far along dim and the last place where it stands. NaN wins."""
    return _extreme("cummax", _C.cummax, input, dim)


def cummin(input: Tensor, dim: int) -> ValuesIndices:
    """(values, indices): the smallest so far along dim and the last place where it stands. NaN wins."""
    return _extreme("cummin", _C.cummin, input, dim)


def _logcumsumexp_backward(node: Node, g: Tensor) -> Any:
    x, y = node.tensors()
    if not recording(x, g):
        return (Tensor(_C.logcumsumexp_grad(g._array, x._array, y._array, node.ctx)),)
    if not x.ndim:
        return (mul(g, 1.0),)
    # dx[i] = sum over j >= i of g[j] exp(x[i] - y[j]), as a matrix: only for gradients of it.
    d, n = node.ctx, x.shape[node.ctx]
    line = Tensor(_C.arange(0, 1, n, _C.int64))
    keep = compares["ge"](unsqueeze(line, 0), unsqueeze(line, 1))
    for _ in range(x.ndim - 1 - d):
        keep = unsqueeze(keep, -1)
    power = binary["sub"](unsqueeze(x, d + 1), unsqueeze(y, d))
    terms = mul(unary["exp"](where(keep, power, -float("inf"))), unsqueeze(g, d))
    return (sum_(terms, d + 1),)


_LOGCUMSUMEXP = Op("logcumsumexp", None, _logcumsumexp_backward, (0, OUTPUT))


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log(cumsum(exp(input))) along dim, without overflow."""
    x = tensor_arg("logcumsumexp", input)
    d = wrap_dim("logcumsumexp", dim, x.ndim)
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"logcumsumexp: wants a floating type, got {x.dtype}")
    out = _C.logcumsumexp(x, d)
    if not recording(input):
        return Tensor(out)
    return Tensor(out, True, Node(_LOGCUMSUMEXP, (edge_of(input),), (x, out), d))


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of y over dim by the trapezoidal rule: at the points x (a vector, or of a shape that fits
    y's), or dx (1) apart."""
    if x is not None and dx is not None:
        raise RuntimeError("trapezoid: takes x or dx, not both")
    dim = wrap_dim("trapezoid", dim, y.ndim) if y.ndim else y.shape[dim]
    count = y.shape[dim]
    if x is not None and x.ndim == 1:
        if x.shape[0] != count:
            raise RuntimeError(f"trapezoid: x has {x.shape[0]} points, y {count}")
        x = reshape(x, [-1 if d == dim else 1 for d in range(y.ndim)])

    def neighbours(values: Tensor) -> tuple[Tensor, Tensor]:
        place, steps = values.ndim - y.ndim + dim, max(count - 1, 0)
        return narrow(values, place, min(count, 1), steps), narrow(values, place, 0, steps)

    left, right = neighbours(y)
    if x is None:
        return mul(sum_(add(left, right), dim), (1 if dx is None else dx) / 2)
    after, before = neighbours(x)
    return mul(sum_(mul(add(left, right), sub(after, before)), dim), 0.5)
