"""Statistics over dimensions: those that skip NaN, extremes together, covariance, distances."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import _C
from ..tensor import Tensor
from ._common import tensor_arg, wrap_dim
from .cast import to
from .elementwise import binary, clamp, compares, mul, sub, tests, unary, where
from .matmul import matmul
from .reduce import _correction, amax, amin, mean, norm, std
from .reduce import sum as sum_
from .shape import diagonal, reshape, transpose, unsqueeze

# Functions that are Tensor methods too.
METHODS = "aminmax corrcoef cov dist nanmean nansum renorm"


def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """sum with NaN taken as zero."""
    x = tensor_arg("nansum", input)
    counted = where(tests["isnan"](input), 0, input) if x.dtype.is_floating_point else input
    return sum_(counted, dim, keepdim, dtype=dtype)


def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of the elements that are not NaN; NaN where there are none."""
    x = tensor_arg("nanmean", input)
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"nanmean: wants a floating type, got {x.dtype}")
    total = nansum(input, dim, keepdim, dtype=dtype)
    count = sum_(Tensor(_C.cast(_C.eq(x, x), total.dtype)), dim, keepdim)
    return binary["div"](total, count)


class MinMax(NamedTuple):
    """What aminmax returns."""

    min: Tensor
    max: Tensor


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """amin and amax along one dimension or of all elements."""
    tensor_arg("aminmax", input)
    where_ = () if dim is None else wrap_dim("aminmax", dim, input.ndim)
    return MinMax(amin(input, where_, keepdim), amax(input, where_, keepdim))


def std_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Tensor, Tensor]:
    """std and mean."""
    dim, correction = _correction(dim, unbiased, correction)
    return std(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other."""
    return norm(sub(input, other), p)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Every slice along dim whose p-norm is above maxnorm is scaled down to it."""
    d = wrap_dim("renorm", dim, tensor_arg("renorm", input).ndim)
    if input.ndim < 2:
        raise RuntimeError(f"renorm: wants at least 2 dimensions, got shape {list(input.shape)}")
    if p <= 0 or maxnorm < 0:
        raise RuntimeError(f"renorm: wants p > 0 and maxnorm >= 0, got {p} and {maxnorm}")
    size = norm(input, p, [i for i in range(input.ndim) if i != d], True)
    # The small number is PyTorch's, against a norm that rounding left above.
    scale = binary["div"](maxnorm, binary["add"](size, 1e-7))
    return mul(input, where(compares["gt"](size, maxnorm), scale, 1.0))


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariance matrix of variables (rows) over observations (columns).

    fweights counts how often each observation was made (integers), aweights says how much it counts.
    """
    x = tensor_arg("cov", input)
    if x.ndim > 2 or x.dtype is _C.bool_:
        raise RuntimeError(f"cov: wants a vector or matrix of numbers, got {x.dtype} {list(x.shape)}")
    rows = reshape(input, (1, -1) if x.numel else (1, 0)) if x.ndim < 2 else input
    if not x.dtype.is_floating_point:
        rows = to(rows, _C.float32)
    n = rows.shape[1]
    weight: Tensor | None = None
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if tensor_arg("cov", w, name).shape != (n,):
            raise RuntimeError(f"cov: {name} has shape {list(w.shape)}, wants [{n}]")
        if name == "fweights" and w.dtype.is_floating_point:
            raise RuntimeError(f"cov: fweights must be integers, got {w.dtype}")
        w = to(w, rows.dtype)
        weight = w if weight is None else mul(weight, w)
    if weight is None:
        centred = sub(rows, mean(rows, 1, True))
        scale: Any = 1.0 / (n - correction) if n > correction else float("inf")
        product = matmul(centred, transpose(centred, 0, 1))
    else:
        total = sum_(weight)
        centred = sub(rows, unsqueeze(binary["div"](sum_(mul(rows, weight), 1), total), 1))
        spread = total
        if aweights is not None:
            spread = binary["div"](sum_(mul(weight, to(aweights, rows.dtype))), total)
            spread = sub(total, mul(spread, float(correction)))
        else:
            spread = sub(total, float(correction))
        scale = unary["reciprocal"](clamp(spread, 0.0, None))
        product = matmul(centred, transpose(mul(centred, weight), 0, 1))
    out = mul(product, scale)
    return reshape(out, ()) if out._array.numel == 1 else out


def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of variables (rows) over observations (columns), within [-1, 1]."""
    matrix = cov(input)
    if matrix.ndim == 0:
        return binary["div"](matrix, matrix)
    deviation = unary["sqrt"](diagonal(matrix))
    out = binary["div"](binary["div"](matrix, unsqueeze(deviation, 1)), unsqueeze(deviation, 0))
    return clamp(out, -1.0, 1.0)
