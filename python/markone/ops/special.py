"""Elementwise operations that are a few others put together."""

from __future__ import annotations

import math
from typing import Any

from .. import _C
from .._dtypes import finfo, float64
from ..tensor import Tensor
from ._common import as_tensor, operand, tensor_arg
from .cast import clone, to
from .elementwise import add, binary, clamp, compares, mul, sub, tests, unary, where

# Functions that are Tensor methods too.
METHODS = (
    "addcdiv addcmul angle clamp_max clamp_min conj conj_physical float_power heaviside isreal "
    "ldexp lerp logit mvlgamma nan_to_num nextafter positive real resolve_conj resolve_neg"
)
# For other families, not for users.
HELPERS = "polygamma_of"


def positive(input: Tensor) -> Tensor:
    """The tensor itself; RuntimeError for bool."""
    if tensor_arg("positive", input).dtype is _C.bool_:
        raise RuntimeError("positive: is not defined for bool")
    return input


def _itself(name: str, text: str) -> Any:
    def function(input: Tensor) -> Tensor:
        tensor_arg(name, input)
        return input

    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


real = _itself("real", "The tensor itself: every tensor is real.")
conj = _itself("conj", "The tensor itself: every tensor is real.")
resolve_conj = _itself("resolve_conj", "The tensor itself: no tensor is lazily conjugated.")
resolve_neg = _itself("resolve_neg", "The tensor itself: no tensor is lazily negated.")
conj_physical = _itself("conj_physical", "The tensor itself: every tensor is real.")


def isreal(input: Tensor) -> Tensor:
    """True for every element: there are no complex tensors."""
    out = _C.empty(tensor_arg("isreal", input).shape, _C.bool_, input.device)
    _C.fill(out, True)
    return Tensor(out)


def angle(input: Tensor) -> Tensor:
    """pi for negative elements, 0 for others; NaN stays. Integers become float32."""
    x = tensor_arg("angle", input)
    if not x.dtype.is_floating_point:
        input = to(input, _C.float32)
    turned = where(compares["lt"](input, 0), as_tensor(math.pi, input), as_tensor(0.0, input))
    return where(tests["isnan"](input), input, turned)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Every element at least `min`, a number or a Tensor."""
    return clamp(input, min, None)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Every element at most `max`, a number or a Tensor."""
    return clamp(input, None, max)


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2, with broadcasting."""
    product = mul(tensor1, tensor2)
    return add(input, product if value == 1 else mul(product, value))


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2, with broadcasting. RuntimeError where both are integers."""
    if not any(tensor_arg("addcdiv", t).dtype.is_floating_point for t in (tensor1, tensor2)):
        raise RuntimeError("addcdiv: wants a floating tensor1 or tensor2, the quotient of integers is one")
    quotient = binary["div"](tensor1, tensor2)
    return add(input, quotient if value == 1 else mul(quotient, value))


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input): from input at weight 0 to end at weight 1, both exactly."""
    kinds = {tensor_arg("lerp", t, name).dtype for t, name in ((input, "input"), (end, "end"))}
    if isinstance(weight, Tensor):
        kinds.add(weight.dtype)
    if len(kinds) > 1:
        raise RuntimeError(f"lerp: wants one dtype, got {sorted(str(k) for k in kinds)}")
    step = sub(end, input)
    if not isinstance(weight, Tensor):
        if abs(operand("lerp", weight)) < 0.5:
            return add(input, mul(step, weight))
        return sub(end, mul(step, 1 - weight))
    near = add(input, mul(step, weight))
    far = sub(end, mul(step, sub(1, weight)))
    return where(compares["lt"](unary["abs"](weight), 0.5), near, far)


def nan_to_num(input: Tensor, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Tensor:
    """NaN becomes `nan` (0), infinities `posinf` and `neginf` (the type's largest and smallest number)."""
    x = tensor_arg("nan_to_num", input)
    if not x.dtype.is_floating_point:
        return clone(input)
    largest = finfo(x.dtype).max
    out = where(tests["isnan"](input), 0.0 if nan is None else nan, input)
    out = where(Tensor(_C.eq(x, math.inf)), largest if posinf is None else posinf, out)
    return where(Tensor(_C.eq(x, -math.inf)), -largest if neginf is None else neginf, out)


def float_power(input: Any, exponent: Any) -> Tensor:
    """pow in float64, whatever the types."""
    wide = [to(v, float64) if isinstance(v, Tensor) else float(v) for v in (input, exponent)]
    if not any(isinstance(v, Tensor) for v in wide):
        raise TypeError("float_power: wants a Tensor as input or exponent")
    return binary["pow"](*wide)


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 for negative elements, 1 for positive ones, `values` for zeros. Both have one dtype; no gradient."""
    x, at_zero = tensor_arg("heaviside", input), tensor_arg("heaviside", values, "values")
    if x.dtype is not at_zero.dtype:
        raise RuntimeError(f"heaviside: {x.dtype} and {at_zero.dtype} differ")
    return Tensor(_C.heaviside(x, at_zero))


def pow(input: Any, exponent: Any) -> Tensor:
    """input ** exponent, tensors or numbers, with broadcasting and type promotion."""
    return binary["pow"](input, exponent)


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input * 2 ** other."""
    return mul(input, binary["pow"](2.0, other))


def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input."""
    return sub(other, input if alpha == 1 else mul(input, alpha))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(input / (1 - input)); with eps of at least 0 the input is first limited to [eps, 1 - eps]."""
    if eps is None or eps < 0:
        return unary["logit"](input)
    # Above 1/2 the limits cross: then PyTorch asks for the lower one first.
    limited = clamp(input, eps, 1 - eps) if eps <= 0.5 else where(input < eps, eps, clamp(input, max=1 - eps))
    return unary["logit"](limited)


def polygamma_of(input: Tensor, n: int) -> Tensor:
    """The derivative of order n of digamma, n from 0 to 170 (171! is no float64)."""
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= 170:
        raise RuntimeError(f"polygamma: the order must be an integer from 0 to 170, got {n!r}")
    tensor_arg("polygamma", input)
    return unary["digamma"](input) if n == 0 else binary["polygamma"](input, n)


def polygamma(n: int, input: Tensor) -> Tensor:
    """The derivative of order n of digamma, n from 0 to 170 (171! is no float64)."""
    return polygamma_of(input, n)


def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p (input above (p - 1) / 2)."""
    if isinstance(p, bool) or not isinstance(p, int) or not 1 <= p <= 1 << 16:
        raise RuntimeError(f"mvlgamma: the dimension must be from 1 to {1 << 16}, got {p!r}")
    out = unary["lgamma"](input)
    for i in range(1, p):
        out = add(out, unary["lgamma"](sub(input, i / 2)))
    return add(out, p * (p - 1) / 4 * math.log(math.pi))


def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next number of the type (float32 or float64) from input towards other; subnormals count as 0."""
    x, y = tensor_arg("nextafter", input), tensor_arg("nextafter", other, "other")
    if x.dtype is not y.dtype or x.dtype not in (_C.float32, float64):
        raise NotImplementedError(
            f"nextafter: wants two tensors of float32 or of float64, got {x.dtype} and {y.dtype}"
        )
    shape = _C.broadcast_shapes(x.shape, y.shape)
    x, y = _C.contiguous(x.expand(shape)), _C.contiguous(y.expand(shape))
    word, low = (_C.int32, -(2**31)) if x.dtype is _C.float32 else (_C.int64, -(2**63))
    away = _C.eq(_C.gt(y, x), _C.gt(x, 0))
    bits = _C.add(x.bit_cast(word), _C.cast(_C.where(away, 1, -1), word))
    # Of zero the next is the smallest subnormal, with the sign of the direction.
    bits = _C.where(_C.eq(x, 0), _C.where(_C.gt(y, 0), 1, low + 1), bits)
    out = _C.where(_C.eq(x, y), y, _C.cast(bits, word).bit_cast(x.dtype))
    both = _C.add(x, y)  # NaN where one is
    return Tensor(_C.where(_C.where(_C.ne(x, x), True, _C.ne(y, y)), both, out))
