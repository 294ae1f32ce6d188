"""Reductions over any dimensions."""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

from .. import _C
from .._dtypes import bool_, get_default_dtype, uint8
from ..autograd.graph import OUTPUT, Node, Op, edge_of, recording
from ..tensor import Tensor
from ._common import dims_of, tensor_arg, wrap_dim
from .cast import clone, to
from .elementwise import add, binary, compares, mul, sub, unary, where
from .join import cat
from .shape import expand, narrow, permute, reshape

# Functions that are Tensor methods too.
METHODS = (
    "allclose isclose equal sum mean prod amax amin max min argmax argmin all any count_nonzero var std "
    "norm logsumexp"
)
# For other families, not for users.
HELPERS = "kept_shape unary_isinf"


def kept_shape(shape: Any, dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a reduction with keepdim=True; no dimensions means all."""
    return tuple(1 if not dims or i in dims else n for i, n in enumerate(shape))


def _spread(node: Node, g: Any) -> Any:
    """g of the reduced shape, as a view of the input's shape: native."""
    shape, dims = node.ctx[:2]
    return g.reshape_view(kept_shape(shape, dims)).expand(shape)


def _spread_tensor(node: Node, g: Tensor) -> Tensor:
    shape, dims = node.ctx[:2]
    return expand(reshape(g, kept_shape(shape, dims)), shape)


def _count(shape: Any, dims: tuple[int, ...]) -> int:
    out = 1
    for i, n in enumerate(shape):
        if not dims or i in dims:
            out *= n
    return out


_SUM = Op("sum", lambda node, g: (_spread(node, g),), lambda node, g: (_spread_tensor(node, g),))


def _mean_backward(node: Node, g: Any) -> Any:
    return (
        _C.div(g, float(builtins.max(node.ctx[2], 1)))
        .reshape_view(kept_shape(node.ctx[0], node.ctx[1]))
        .expand(node.ctx[0]),
    )


_MEAN = Op(
    "mean",
    _mean_backward,
    lambda node, g: (_spread_tensor(node, mul(g, 1.0 / builtins.max(node.ctx[2], 1))),),
)


def _typed(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else to(input, dtype)


def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over dim (an int, several, or None for all). Integers and bool give int64."""
    input = _typed(input, dtype)
    x = tensor_arg("sum", input)
    dims = dims_of("sum", dim, x.ndim) if dim is not None else ()
    out = _C.sum(x, dims, keepdim)
    if not recording(input):
        return Tensor(out)
    return Tensor(out, True, Node(_SUM, (edge_of(input),), (), (x.shape, dims)))


def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over dim; RuntimeError for integers (pass dtype)."""
    input = _typed(input, dtype)
    x = tensor_arg("mean", input)
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"mean: wants a floating type, got {x.dtype} (pass dtype)")
    dims = dims_of("mean", dim, x.ndim) if dim is not None else ()
    out = _C.mean(x, dims, keepdim)
    if not recording(input):
        return Tensor(out)
    return Tensor(out, True, Node(_MEAN, (edge_of(input),), (), (x.shape, dims, _count(x.shape, dims))))


def _prod_differentiable(node: Node, g: Tensor) -> Any:
    (x,) = node.tensors()
    shape, dims = node.ctx
    if _C.to_numpy(_C.all(node.saved[0], (), False)).item():  # no zeros: the others are the product over x
        whole = prod(x, dims or None, True)
        return (mul(binary["div"](whole, x), _spread_tensor(node, g)),)
    axes = dims or tuple(range(len(shape)))
    order = [i for i in range(len(shape)) if i not in axes] + list(axes)
    rows = permute(x, order)
    lead = [shape[i] for i in order[: len(shape) - len(axes)]]
    others = _others_product(reshape(rows, (*lead, _count(shape, dims))))
    inverse = sorted(range(len(order)), key=lambda i: order[i])
    return (mul(permute(reshape(others, rows.shape), inverse), _spread_tensor(node, g)),)


def _others_product(x: Tensor) -> Tensor:
    """For each element the product of the others of its row (the last dimension), by halves."""
    n = x.shape[-1]
    if n <= 1:
        ones = _C.empty(x._array.shape, x._array.dtype, x._array.device)
        _C.fill(ones, 1)
        return Tensor(ones)
    left, right = narrow(x, -1, 0, n // 2), narrow(x, -1, n // 2, n - n // 2)
    left_all, right_all = prod(left, -1, True), prod(right, -1, True)
    return cat([mul(_others_product(left), right_all), mul(_others_product(right), left_all)], -1)


_PROD = Op("prod", None, _prod_differentiable, (0,))


def prod(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over dim (None: all). Integers and bool give int64."""
    input = _typed(input, dtype)
    x = tensor_arg("prod", input)
    dims = dims_of("prod", dim, x.ndim) if dim is not None else ()
    out = _C.prod(x, dims, keepdim)
    if not recording(input):
        return Tensor(out)
    return Tensor(out, True, Node(_PROD, (edge_of(input),), (x,), (x.shape, dims)))


def _extreme_differentiable(node: Node, g: Tensor) -> Any:
    x, y = node.tensors()
    # Equal extremes share the gradient. The choice is a constant: no gradient flows through it.
    best = compares["eq"](x, _spread_tensor(node, y.detach()))
    count = sum(best, node.ctx[1] or None, True, dtype=g.dtype)
    share = binary["div"](reshape(g, kept_shape(*node.ctx[:2])), count)
    return (where(best, share, 0),)


_AMAX = Op("amax", None, _extreme_differentiable, (0, OUTPUT))
_AMIN = Op("amin", None, _extreme_differentiable, (0, OUTPUT))


def _extreme(op: Op, native: Any, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    x = tensor_arg(op.name, input)
    dims = dims_of(op.name, dim, x.ndim) if dim is not None and dim != () else ()
    out = native(x, dims, keepdim)
    if not recording(input):
        return Tensor(out)
    return Tensor(out, True, Node(op, (edge_of(input),), (x, out), (x.shape, dims)))


def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The largest element over dim; equal ones share the gradient. NaN wins."""
    return _extreme(_AMAX, _C.amax, input, dim, keepdim)


def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The smallest element over dim; equal ones share the gradient. NaN wins."""
    return _extreme(_AMIN, _C.amin, input, dim, keepdim)


class ValuesIndices(NamedTuple):
    """What max and min along a dimension return."""

    values: Tensor
    indices: Tensor


def _max_or_min(name: str, arg: Any, extreme: Any, pair: str, input: Tensor, dim: Any, keepdim: bool) -> Any:
    if dim is None:
        return extreme(input)
    if isinstance(dim, Tensor):
        return binary[pair](input, dim)
    from .gather import gather

    d = wrap_dim(name, dim, input.ndim)
    indices = Tensor(arg(input._array, d, True))
    values = gather(input, d, indices) if input.ndim else clone(input)
    if not keepdim and input.ndim:
        shape = tuple(n for i, n in enumerate(input.shape) if i != d)
        values, indices = reshape(values, shape), reshape(indices, shape)
    return ValuesIndices(values, indices)


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest of all elements; with dim (values, indices) along it; with a Tensor maximum of both."""
    return _max_or_min("max", _C.argmax, amax, "maximum", input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest of all elements; with dim (values, indices) along it; with a Tensor minimum of both."""
    return _max_or_min("min", _C.argmin, amin, "minimum", input, dim, keepdim)


def _arg(name: str, native: Any, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    x = tensor_arg(name, input)
    if x.dtype is bool_:
        raise RuntimeError(f"{name}: is not defined for bool")
    if dim is None:
        out = native(_C.contiguous(x).reshape_view((x.numel,)), 0, False)
        return Tensor(out.reshape_view((1,) * x.ndim) if keepdim else out)
    return Tensor(native(x, wrap_dim(name, dim, x.ndim), keepdim))


def argmax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The index (int64) of the first largest element along dim, or in all elements in order."""
    return _arg("argmax", _C.argmax, input, dim, keepdim)


def argmin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The index (int64) of the first smallest element along dim, or in all elements in order."""
    return _arg("argmin", _C.argmin, input, dim, keepdim)


def _truth(out: Any, x: Any) -> Tensor:
    """bool, but uint8 of a tensor of uint8, which once was the type of masks."""
    return Tensor(_C.cast(out, x.dtype) if x.dtype is uint8 else out)


def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Every element over dim is true (not zero)."""
    x = tensor_arg("all", input)
    return _truth(_C.all(x, dims_of("all", dim, x.ndim), keepdim), x)


def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Some element over dim is true (not zero)."""
    x = tensor_arg("any", input)
    return _truth(_C.any(x, dims_of("any", dim, x.ndim), keepdim), x)


def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements over dim are not zero."""
    return sum(compares["ne"](input, 0), dim)


def _var_differentiable(node: Node, g: Tensor) -> Any:
    (x,) = node.tensors()
    shape, dims, correction = node.ctx
    freedom = _count(shape, dims) - correction
    centred = sub(x, mean(x, dims or None, True))
    scale = 2.0 / freedom if freedom > 0 else float("nan")
    return (mul(mul(centred, scale), _spread_tensor(node, g)),)


_VAR = Op("var", None, _var_differentiable, (0,))


def _correction(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, Any]:
    if isinstance(dim, builtins.bool):  # var(unbiased)
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return dim, correction


def var(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The variance over dim, divided by the count less `correction` (1)."""
    dim, correction = _correction(dim, unbiased, correction)
    x = tensor_arg("var", input)
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"var: wants a floating type, got {x.dtype}")
    dims = dims_of("var", dim, x.ndim) if dim is not None else ()
    out = _C.var(x, dims, correction, keepdim)
    if not recording(input):
        return Tensor(out)
    return Tensor(out, True, Node(_VAR, (edge_of(input),), (x,), (x.shape, dims, correction)))


def std(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Tensor:
    """The square root of var."""
    return unary["sqrt"](var(input, dim, unbiased, keepdim, correction=correction))


def var_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Tensor, Tensor]:
    """var and mean."""
    dim, correction = _correction(dim, unbiased, correction)
    return var(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


def norm(input: Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The p-norm over dim: p a number, inf, -inf, 0 or "fro"."""
    if not tensor_arg("norm", input).dtype.is_floating_point:
        raise RuntimeError(f"norm: wants a floating type, got {input.dtype}")
    if p is None or p == "fro" or p == 2:
        return _root_of_squares(input, dim, keepdim)
    size = unary["abs"](input)
    if p == float("inf"):
        return amax(size, () if dim is None else dim, keepdim)
    if p == float("-inf"):
        return amin(size, () if dim is None else dim, keepdim)
    if p == 0:
        return sum(to(compares["ne"](input, 0), input.dtype), dim, keepdim)
    if p == 1:
        return sum(size, dim, keepdim)
    power = binary["pow"]
    return power(sum(power(size, p), dim, keepdim), 1.0 / p)


def _norm_differentiable(node: Node, g: Tensor) -> Any:
    x, y = node.tensors()
    # At the origin the norm has no gradient; zero is PyTorch's choice.
    length = _spread_tensor(node, y)
    safe = where(compares["eq"](length, 0), 1, length)
    return (mul(binary["div"](x, safe), _spread_tensor(node, g)),)


_NORM = Op("norm", None, _norm_differentiable, (0, OUTPUT))


def _root_of_squares(input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    x = tensor_arg("norm", input)
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"norm: wants a floating type, got {x.dtype}")
    dims = dims_of("norm", dim, x.ndim) if dim is not None else ()
    out = _C.norm2(x, dims, keepdim)
    if not recording(input):
        return Tensor(out)
    return Tensor(out, True, Node(_NORM, (edge_of(input),), (x, out), (x.shape, dims)))


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over dim, without overflow."""
    if not tensor_arg("logsumexp", input).dtype.is_floating_point:
        input = to(input, get_default_dtype())
    top = amax(input, dim, True).detach()
    top = where(unary_isinf(top), 0, top)
    dims = dims_of("logsumexp", dim, input.ndim)
    total = add(unary["log"](sum(unary["exp"](sub(input, top)), dims, True)), top)
    if keepdim:
        return total
    return reshape(total, tuple(n for i, n in enumerate(input.shape) if i not in dims))


def unary_isinf(input: Tensor) -> Tensor:
    """isinf, by its definition."""
    return Tensor(_C.eq(_C.abs(input._array), float("inf")))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Every |input - other| <= atol + rtol * |other|."""
    return builtins.bool(all(isclose(input, other, rtol, atol, equal_nan)).item())


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """|input - other| <= atol + rtol * |other| for every element, as bool; equal infinities are close."""
    a, b = tensor_arg("isclose", input), tensor_arg("isclose", other, "other")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must not be negative, got {rtol} and {atol}")
    if a.dtype is not b.dtype:
        raise RuntimeError(f"isclose: {a.dtype} and {b.dtype} differ")
    if not a.dtype.is_floating_point:
        a, b = _C.cast(a, _C.float64), _C.cast(b, _C.float64)
    same = _C.eq(a, b)
    bound = _C.add(_C.mul(_C.abs(b), rtol), atol)
    finite = _C.lt(_C.abs(b), float("inf"))
    near = _C.where(finite, _C.le(_C.abs(_C.sub(a, b)), bound), same)
    close = _C.where(same, same, near)
    if equal_nan:
        both = _C.where(_C.ne(a, a), _C.ne(b, b), False)
        close = _C.where(both, both, close)
    return Tensor(close)


def equal(input: Tensor, other: Tensor) -> bool:
    """Same shape and all elements equal."""
    a, b = tensor_arg("equal", input), tensor_arg("equal", other, "other")
    return a.shape == b.shape and builtins.bool(Tensor(_C.all(_C.eq(a, b), (), False)).item())
