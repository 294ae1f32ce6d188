"""`out=`: the result written into a tensor that is there, for the functions which take it in PyTorch."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .. import _C
from ..autograd import modes
from ..tensor import Tensor

# Their result is computed first and then written, so `out` may overlap what is read.
NAMES = frozenset(
    """
    abs acos acosh add addbmm addcdiv addcmul addmm addmv addr all amax amin aminmax angle any argmax
    argmin asin asinh atan atan2 atanh baddbmm bernoulli bitwise_and bitwise_left_shift bitwise_not
    bitwise_or bitwise_right_shift bitwise_xor bmm bucketize cat ceil clamp clamp_max clamp_min
    column_stack conj_physical copysign cos cosh cross cummax cummin cumprod cumsum deg2rad diag diff
    digamma div dot dstack eq erf erfc erfinv exp exp2 expm1 float_power floor floor_divide fmax fmin
    fmod frac gather gcd ge ger gt heaviside histc histogram hstack hypot index_add index_copy
    index_reduce index_select inner isin isneginf isposinf kron kthvalue lcm ldexp le lerp lgamma log
    log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp logical_and logical_not logical_or
    logical_xor logit logsumexp lt masked_select matmul matrix_norm matrix_power max maximum mean median
    min minimum mm mode msort mul multi_dot multinomial mv mvlgamma nan_to_num nanmean nanmedian
    nanquantile nansum narrow_copy ne neg nextafter nonzero norm outer polygamma pow prod quantile
    rad2deg reciprocal remainder renorm round rsqrt scatter scatter_add scatter_reduce searchsorted
    sigmoid sign signbit sin sinc sinh slice_scatter softmax sort sqrt square stack std sub sum take
    take_along_dim tan tanh tensordot topk tril triu trunc var vdot vecdot vector_norm vstack where xlogy
    """.split()
)
# Made from nothing: of the type of `out`, unless another is asked for.
CREATION = frozenset(
    "arange empty eye full linspace logspace normal ones rand randint randn randperm range zeros".split()
)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _kind(x: Tensor) -> int:
    """Values of a lower kind can be written as those of a higher: booleans, integers, floating numbers."""
    return 2 if x.dtype.is_floating_point else int(x.dtype != _C.bool_)


def _write(name: str, result: Tensor, out: Tensor) -> None:
    if _kind(result) > _kind(out):
        raise RuntimeError(f"{name}: a result of {result.dtype} cannot be written to an out of {out.dtype}")
    if out.shape != result.shape:
        if out.numel():
            warnings.warn(
                f"{name}: out of shape {list(out.shape)} becomes new memory of shape {list(result.shape)};"
                " pass one of the result's shape, or an empty one",
                UserWarning,
                stacklevel=3,
            )
        # A copy: the result may be what was given.
        out.data = result.to(out.dtype, copy=True)
    else:
        out.copy_(result)


def writing(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`function` with the keyword `out`.

    Raises:
        TypeError: `out` is no tensor, or not as many as there are results.
        RuntimeError: a result cannot be cast to its `out`; something wants a gradient, which a result that is
            written over other memory does not carry.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        if out is None:
            return function(*args, **options)
        outs = list(out) if isinstance(out, list | tuple) else [out]
        for each in outs:
            if not isinstance(each, Tensor):
                raise TypeError(
                    f"{name}: out wants a Tensor (a tuple for several results), got {type(each).__name__}"
                )
        if modes.is_grad_enabled() and any(
            x.requires_grad for x in _tensors((*args, *options.values(), *outs))
        ):
            raise RuntimeError(
                f"{name}: with out= there is no gradient, but a tensor requires one; "
                f"call it without out=, or under mo.no_grad()"
            )
        if name in CREATION and options.get("dtype") is None and "dtype" in _parameters(function):
            options["dtype"] = outs[0].dtype
        result = function(*args, **options)
        results = list(result) if isinstance(result, list | tuple) else [result]
        if len(results) != len(outs) or isinstance(result, list | tuple) != isinstance(out, list | tuple):
            raise TypeError(f"{name}: gives {_count(result)}, but out is {_count(out)}")
        for each, to in zip(results, outs, strict=True):
            _write(name, each, to)
        return type(result)(*outs) if hasattr(result, "_fields") else out

    return wrapped


@functools.cache
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(inspect.unwrap(function)).parameters)


def _count(value: Any) -> str:
    return f"a tuple of {len(value)}" if isinstance(value, list | tuple) else "one tensor"
