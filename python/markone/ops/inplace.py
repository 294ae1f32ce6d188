"""In-place forms, made from the operations they stand for."""

from __future__ import annotations

import functools
from typing import Any

from .. import _C
from ..autograd.graph import Op, edge_of, recording
from ..autograd.inplace import overwrite, stored, write_recorded
from ..tensor import Tensor
from . import index as _index
from . import matmul as _matmul
from . import products as _products
from . import shape as _shape
from . import special as _special
from . import statistics as _statistics
from ._common import tensor_arg
from .elementwise import binary_in_place, compares, div_rounded, mul, tests
from .elementwise import round as round_to

# Not functions of the package, but what `functions` is made of.
HELPERS = "in_place add_ sub_ pow_ div_"


def _named(form: Any, name: str, function: Any) -> Any:
    functools.update_wrapper(form, function)
    form.__name__ = form.__qualname__ = name
    form.__module__ = __name__
    form.__doc__ = f"{function.__name__} in place."
    return form


def in_place(function: Any, name: str) -> Any:
    """function_(input, ...) of function(input, ...)."""

    def form(input: Tensor, *args: Any, **options: Any) -> Tensor:
        tensor_arg(name, input)
        if recording(input, *args, *options.values()):
            return write_recorded(input, name, lambda old, *rest: function(old, *rest, **options), *args)
        return stored(input, name, function(input, *args, **options)._array)

    return _named(form, name, function)


_DECIDED = Op("decided", lambda node, g: (), lambda node, g: ())


def _truth_in_place(function: Any, name: str) -> Any:
    """A comparison's ones and zeros in the tensor's own type; no gradient flows through them."""

    def form(input: Tensor, *args: Any, **options: Any) -> Tensor:
        out = _C.cast(function(input, *args, **options)._array, tensor_arg(name, input).dtype)

        def write() -> None:
            stored(input, name, out)

        return overwrite(input, _DECIDED, (), write)

    return _named(form, name, function)


def _moved(function: Any, name: str) -> Any:
    """The tensor takes the shape that the view `function` has of it."""

    def form(input: Tensor, *args: Any, **options: Any) -> Tensor:
        x = tensor_arg(name, input)
        if edge_of(input) is input:
            raise RuntimeError(f"{name}: a leaf that requires a gradient cannot change its shape")
        # What the tensor was takes its place in the graph; the tensor is now a view of that.
        before = Tensor(x, input._requires_grad, input._grad_fn)
        before._view = input._view
        out = function(before, *args, **options)
        if out is before:
            return input
        input._array, input._requires_grad = out._array, out._requires_grad
        input._grad_fn, input._view = out._grad_fn, out._view
        return input

    return _named(form, name, function)


def add_(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """input += alpha * other: the result must have the tensor's shape and fit its type."""
    return binary_in_place["add_"](input, other if alpha == 1 else mul(other, alpha))


def sub_(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """input -= alpha * other: the result must have the tensor's shape and fit its type."""
    return binary_in_place["sub_"](input, other if alpha == 1 else mul(other, alpha))


def pow_(input: Tensor, exponent: Any) -> Tensor:
    """input **= exponent: the result must have the tensor's shape and fit its type."""
    return binary_in_place["pow_"](input, exponent)


def div_(input: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input /= other, rounded as div does."""
    if rounding_mode is None:
        return binary_in_place["div_"](input, other)
    return _rounded(input, other, rounding_mode=rounding_mode)


_rounded = in_place(div_rounded, "div_")

_SOURCES = (_special, _statistics, _products, _matmul, _index)
_NAMES = (
    "addbmm addcdiv addcmul addmm addmv addr baddbmm clamp_max clamp_min conj_physical float_power heaviside "
    "ldexp lerp logit mvlgamma nan_to_num nextafter renorm tril triu"
)
functions: dict[str, Any] = {
    **{
        f"{n}_": in_place(next(getattr(m, n) for m in _SOURCES if hasattr(m, n)), f"{n}_")
        for n in _NAMES.split()
    },
    **{
        f"{n}_": _truth_in_place(f, f"{n}_")
        for n, f in (compares | {"logical_not": tests["logical_not"]}).items()
    },
    **{
        f"{n}_": _moved(getattr(_shape, n), f"{n}_")
        for n in ("squeeze", "unsqueeze", "transpose", "t", "swapaxes")
    },
    "round_": in_place(round_to, "round_"),
    "polygamma_": in_place(_special.polygamma_of, "polygamma_"),
    "add_": add_,
    "sub_": sub_,
    "div_": div_,
    "pow_": pow_,
}
