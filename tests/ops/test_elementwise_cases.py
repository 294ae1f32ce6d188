"""Every elementwise operation, from one table of names and float64 references."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import against_torch as at
import markone as mo
import surface

Op, normal, uniform, distinct = surface.Op, surface.normal, surface.uniform, surface.distinct
integers, bools = surface.integers, surface.bools

STEP = "PyTorch's gradient of a step is zeros, checked in test_elementwise.py"
TRUTH = "a truth has no gradient"


def _each(f: Callable[..., float]) -> Callable[..., np.ndarray]:
    return np.vectorize(f, otypes=[np.float64])


def _erfinv(x: float) -> float:
    low, high = -7.0, 7.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if math.erf(middle) < x else (low, middle)
    return low


def _digamma(x: float) -> float:
    end = x + 300
    top = [math.log(end), -0.5 / end, -1 / (12 * end**2), 1 / (120 * end**4)]
    return math.fsum([*top, *(-1 / (x + k) for k in range(300))])


def _polygamma(n: int, x: float) -> float:
    s, end = n + 1, x + 1000
    tail = end ** (1 - s) / (s - 1) + 0.5 * end**-s + s * end ** (-s - 1) / 12
    return (-1) ** s * math.factorial(n) * (math.fsum((x + k) ** -s for k in range(1000)) + tail)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


_cdf = _each(lambda x: 0.5 * math.erfc(-x * math.sqrt(0.5)))

# name -> (reference, low, high of the inputs). Kinks and steps are at whole numbers and are kept away from.
UNARY: dict[str, tuple[Callable[..., Any], float, float]] = {
    "neg": (np.negative, -2, 2),
    "abs": (np.abs, -2, 2),
    "positive": (np.positive, -2, 2),
    "real": (np.positive, -2, 2),
    "conj": (np.positive, -2, 2),
    "conj_physical": (np.positive, -2, 2),
    "resolve_conj": (np.positive, -2, 2),
    "resolve_neg": (np.positive, -2, 2),
    "sign": (np.sign, -2, 2),
    "angle": (np.angle, -2, 2),
    "square": (np.square, -2, 2),
    "floor": (np.floor, -2, 2),
    "ceil": (np.ceil, -2, 2),
    "round": (np.rint, -2, 2),
    "trunc": (np.trunc, -2, 2),
    "frac": (lambda x: x - np.trunc(x), -2, 2),
    "reciprocal": (lambda x: 1 / x, 0.5, 3),
    "sqrt": (np.sqrt, 0.3, 3),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.3, 3),
    "exp": (np.exp, -2, 2),
    "exp2": (np.exp2, -2, 2),
    "expm1": (np.expm1, -2, 2),
    "log": (np.log, 0.3, 3),
    "log1p": (np.log1p, -0.5, 3),
    "log2": (np.log2, 0.3, 3),
    "log10": (np.log10, 0.3, 3),
    "sin": (np.sin, -2, 2),
    "cos": (np.cos, -2, 2),
    "tan": (np.tan, -1, 1),
    "asin": (np.arcsin, -0.8, 0.8),
    "acos": (np.arccos, -0.8, 0.8),
    "atan": (np.arctan, -3, 3),
    "sinh": (np.sinh, -2, 2),
    "cosh": (np.cosh, -2, 2),
    "tanh": (np.tanh, -2, 2),
    "asinh": (np.arcsinh, -3, 3),
    "acosh": (np.arccosh, 1.2, 3),
    "atanh": (np.arctanh, -0.8, 0.8),
    "sigmoid": (_sigmoid, -2, 2),
    "logit": (lambda x: np.log(x / (1 - x)), 0.1, 0.9),
    "erf": (_each(math.erf), -2, 2),
    "erfc": (_each(math.erfc), -2, 2),
    "erfinv": (_each(_erfinv), -0.8, 0.8),
    "lgamma": (_each(math.lgamma), 0.5, 4),
    "digamma": (_each(_digamma), 0.5, 4),
    "sinc": (np.sinc, -2, 2),
    "deg2rad": (np.deg2rad, -200, 200),
    "rad2deg": (np.rad2deg, -4, 4),
    "relu": (lambda x: np.maximum(x, 0), -2, 2),
}
# Those of nn.functional, under their name here.
FUNCTIONAL: dict[str, tuple[Callable[..., Any], str, dict[str, Any]]] = {
    "softplus": (lambda x: np.log1p(np.exp(x)), "softplus", {}),
    "logsigmoid": (lambda x: -np.log1p(np.exp(-x)), "logsigmoid", {}),
    "silu": (lambda x: x * _sigmoid(x), "silu", {}),
    "gelu": (lambda x: x * _cdf(x), "gelu", {}),
    "gelu_tanh": (
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        "gelu",
        {"approximate": "tanh"},
    ),
}
STEPS = {"sign", "floor", "ceil", "round", "trunc", "angle"}
# PyTorch's own is good to 1e-9 only, or counts subnormals.
LOOSE = {"digamma", "lgamma"}


def _away(low: float, high: float, *shape: int) -> Any:
    def make(rng: np.random.Generator) -> np.ndarray:
        x = rng.uniform(low, high, shape)
        return np.where(np.abs(x - np.rint(x)) < 0.03, x + 0.07 * (x < (low + high) / 2) - 0.035, x)

    return make


def _unary(name: str) -> list[Op]:
    f, low, high = UNARY[name]
    return [
        Op(
            name,
            lambda lib, x: getattr(lib, name)(x),
            lambda x: np.asarray(f(x)),
            [_away(low, high, *shape)],
            label=label,
            torch_rtol=1e-6 if name in LOOSE else 1e-9,
            torch_atol=1e-6 if name in LOOSE else 1e-10,
        )
        for label, shape in (("plain", (3, 4)), ("0d", ()), ("empty", (2, 0)))
    ]


def _functional(name: str) -> Op:
    f, theirs, options = FUNCTIONAL[name]

    def call(lib: Any, x: Any) -> Any:
        return getattr(mo, name)(x) if lib is mo else getattr(lib.nn.functional, theirs)(x, **options)

    return Op(name, call, f, [_away(-2, 2, 3, 4)])


BINARY: dict[str, tuple[Callable[..., Any], float, float]] = {
    "add": (np.add, -2, 2),
    "sub": (np.subtract, -2, 2),
    "mul": (np.multiply, -2, 2),
    "div": (np.divide, 0.5, 2),
    "pow": (np.power, 0.5, 2),
    "maximum": (np.maximum, -2, 2),
    "minimum": (np.minimum, -2, 2),
    "fmax": (np.fmax, -2, 2),
    "fmin": (np.fmin, -2, 2),
    "fmod": (np.fmod, 0.6, 2.9),
    "remainder": (np.remainder, 0.6, 2.9),
    "atan2": (np.arctan2, 0.5, 2),
    "hypot": (np.hypot, 0.5, 2),
    "copysign": (np.copysign, -2, 2),
    "logaddexp": (np.logaddexp, -2, 2),
    "logaddexp2": (np.logaddexp2, -2, 2),
    "xlogy": (lambda a, b: a * np.log(b), 0.5, 2),
    "float_power": (lambda a, b: np.float_power(a, b), 0.5, 2),
    "ldexp": (lambda a, b: a * 2.0**b, -2, 2),
}


def _binary(name: str) -> list[Op]:
    f, low, high = BINARY[name]
    return [
        Op(
            name,
            lambda lib, a, b: getattr(lib, name)(a, b),
            f,
            [_away(low, high, *s), _away(low * 1.1, high * 1.1, *t)],
            label=label,
            dtypes=("float64",) if name == "float_power" else ("float32", "float64"),
        )
        for label, s, t in (
            ("plain", (3, 4), (3, 4)),
            ("broadcast", (3, 1), (2, 1, 4)),
            ("0d", (), (3,)),
            ("empty", (2, 0), (1, 1)),
        )
    ]


COMPARES = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
    "ne": np.not_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}  # fmt: skip
TESTS = {
    "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "isposinf": np.isposinf,
    "isneginf": np.isneginf, "signbit": np.signbit, "isreal": np.isreal, "logical_not": np.logical_not,
}  # fmt: skip
INTEGERS = {
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
    "gcd": np.gcd, "lcm": np.lcm, "floor_divide": np.floor_divide, "fmod": np.fmod,
    "remainder": np.remainder, "add": np.add, "mul": np.multiply, "maximum": np.maximum,
}  # fmt: skip
SPECIAL = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 3.0])
TWO = [integers(-3, 3, 4, 5), integers(-3, 3, 5)]


def _clamped(x: np.ndarray, low: Any, high: Any) -> np.ndarray:
    return np.minimum(np.maximum(x, low), high)


OPS = [
    *(op for name in UNARY for op in _unary(name)),
    *(_functional(name) for name in FUNCTIONAL),
    *(op for name in BINARY for op in _binary(name)),
    *(
        Op(name, lambda lib, a, b, n=name: getattr(lib, n)(a, b), f, TWO, no_grad=TRUTH)
        for name, f in COMPARES.items()
    ),
    *(
        Op(name, lambda lib, x, n=name: getattr(lib, n)(x), f, [SPECIAL], no_grad=TRUTH)
        for name, f in TESTS.items()
    ),
    *(
        Op(
            name,
            lambda lib, a, b, n=name: getattr(lib, n)(a, b),
            f,
            [integers(-30, 30, 4, 5), integers(1, 9, 5)],
            label="integers",
        )
        for name, f in INTEGERS.items()
    ),
    Op("bitwise_not", lambda lib, x: lib.bitwise_not(x), np.invert, [integers(-30, 30, 4)]),
    Op(
        "bitwise_left_shift",
        lambda lib, a, b: lib.bitwise_left_shift(a, b),
        np.left_shift,
        [integers(-30, 30, 9), integers(0, 60, 9)],
    ),
    Op(
        "bitwise_right_shift",
        lambda lib, a, b: lib.bitwise_right_shift(a, b),
        np.right_shift,
        [integers(-900, 900, 9), integers(0, 12, 9)],
    ),
    Op(
        "floor_divide",
        lambda lib, a, b: lib.floor_divide(a, b),
        np.floor_divide,
        [_away(0.6, 2.9, 3, 4), _away(0.6, 2.9, 4)],
        no_grad="a step has no gradient",
    ),
    Op(
        "heaviside",
        lambda lib, a, b: lib.heaviside(a, b),
        np.heaviside,
        [SPECIAL[:6], np.array(0.5)],
        no_grad="a step has no gradient",
    ),
    Op(
        "nextafter",
        lambda lib, a, b: lib.nextafter(a, b),
        np.nextafter,
        [np.array([1.0, -1.0, 2.5, 7.0]), np.array([2.0, 3.0, 2.5, 0.0])],
        dtypes=("float64",),
        no_grad="a step has no gradient",
        tolerance=0.0,
    ),
    *(
        Op(
            "polygamma",
            lambda lib, x, n=n: lib.polygamma(n, x),
            _each(lambda x, n=n: _polygamma(n, x) if n else _digamma(x)),
            [uniform(3, 4, low=0.6, high=4)],
            label=str(n),
            tolerance=64,
            torch_rtol=1e-6,
            torch_atol=1e-6,
        )
        for n in (0, 1, 2, 3)
    ),
    Op(
        "mvlgamma",
        lambda lib, x: lib.mvlgamma(x, 3),
        lambda x: sum(_each(math.lgamma)(x - i / 2) for i in range(3)) + 1.5 * math.log(math.pi),
        [uniform(3, 4, low=2, high=5)],
        torch_rtol=1e-6,
        torch_atol=1e-6,
    ),
    Op("rsub", lambda lib, a, b: lib.rsub(a, b, alpha=2), lambda a, b: b - 2 * a, [normal(3, 4), normal(4)]),
    Op(
        "logit",
        lambda lib, x: lib.logit(x, 0.2),
        lambda x: np.log(_clamped(x, 0.2, 0.8) / (1 - _clamped(x, 0.2, 0.8))),
        [uniform(3, 4)],
        label="eps",
    ),
    Op(
        "add",
        lambda lib, a, b: lib.add(a, b, alpha=2.5),
        lambda a, b: a + 2.5 * b,
        [normal(3, 4), normal(4)],
        label="alpha",
    ),
    Op(
        "sub",
        lambda lib, a, b: lib.sub(a, b, alpha=2.5),
        lambda a, b: a - 2.5 * b,
        [normal(3, 4), normal(4)],
        label="alpha",
    ),
    *(
        Op(
            "div",
            lambda lib, a, b, m=mode: lib.div(a, b, rounding_mode=m),
            lambda a, b, f=f: f(a / b),
            [_away(0.6, 2.9, 3, 4), _away(0.6, 2.9, 4)],
            label=mode,
            no_grad=STEP,
        )
        for mode, f in (("floor", np.floor), ("trunc", np.trunc))
    ),
    Op(
        "where",
        lambda lib, c, a, b: lib.where(c, a, b),
        np.where,
        [bools(3, 4), normal(3, 4), normal(4)],
    ),
    Op(
        "where",
        lambda lib, c, a: lib.where(c, a, 0.5),
        lambda c, a: np.where(c, a, 0.5),
        [bools(4), normal(4)],
        label="number",
    ),
    *(
        Op(
            "clamp",
            lambda lib, x, a=a: lib.clamp(x, *a),
            lambda x, a=a: _clamped(x, -np.inf if a[0] is None else a[0], np.inf if a[1] is None else a[1]),
            [normal(3, 4)],
            label=str(a),
        )
        for a in ((-0.5, 0.5), (None, 0.3), (0.1, None), (1.0, -1.0))
    ),
    Op(
        "clamp",
        lambda lib, x, a, b: lib.clamp(x, a, b),
        _clamped,
        [normal(3, 4), np.full(4, -0.5), np.full(4, 0.5)],
        label="tensors",
        no_torch="",
        no_grad="",
    ),
    Op("clamp_min", lambda lib, x: lib.clamp_min(x, 0.1), lambda x: np.maximum(x, 0.1), [normal(3, 4)]),
    Op("clamp_max", lambda lib, x: lib.clamp_max(x, 0.1), lambda x: np.minimum(x, 0.1), [normal(3, 4)]),
    *(
        Op(
            "lerp",
            lambda lib, a, b, w=w: lib.lerp(a, b, w),
            lambda a, b, w=w: a + w * (b - a),
            [normal(3, 4), normal(3, 4)],
            label=str(w),
        )
        for w in (0.3, 0.8, 0, 1)
    ),
    Op(
        "lerp",
        lambda lib, a, b, w: lib.lerp(a, b, w),
        lambda a, b, w: a + w * (b - a),
        [normal(3, 4), normal(4), uniform(3, 1)],
        label="tensor",
    ),
    Op(
        "addcmul",
        lambda lib, x, a, b: lib.addcmul(x, a, b, value=0.5),
        lambda x, a, b: x + 0.5 * a * b,
        [normal(3, 4), normal(3, 1), normal(4)],
    ),
    Op(
        "addcdiv",
        lambda lib, x, a, b: lib.addcdiv(x, a, b, value=0.5),
        lambda x, a, b: x + 0.5 * a / b,
        [normal(3, 4), normal(3, 1), uniform(4, low=0.5, high=2)],
    ),
    Op(
        "nan_to_num",
        lambda lib, x: lib.nan_to_num(x, 1.0, 2.0, -3.0),
        lambda x: np.nan_to_num(x, nan=1.0, posinf=2.0, neginf=-3.0),
        [SPECIAL],
        no_grad="at infinities there are no differences",
    ),
    Op(
        "nan_to_num",
        lambda lib, x: lib.nan_to_num(x) * 1e-10,
        lambda x: np.nan_to_num(x) * 1e-10,
        [SPECIAL],
        dtypes=("float64",),
        label="default",
        no_grad="at infinities there are no differences",
    ),
    Op("nan_to_num", lambda lib, x: lib.nan_to_num(x), np.nan_to_num, [normal(3, 4)], label="finite"),
    Op(
        "leaky_relu",
        lambda lib, x: lib.nn.functional.leaky_relu(x, 0.2),
        lambda x: np.where(x > 0, x, 0.2 * x),
        [_away(-2, 2, 3, 4)],
    ),
    Op(
        "elu",
        lambda lib, x: lib.nn.functional.elu(x, 1.0),
        lambda x: np.where(x > 0, x, np.expm1(x)),
        [_away(-2, 2, 3, 4)],
    ),
]
test_all = surface.make_tests(OPS)

PLAIN = (
    "acos_ asin_ atan_ sinh_ cosh_ asinh_ atanh_ erfc_ erfinv_ lgamma_ digamma_ frac_ fix_ logit_ "
    "sinc_ sgn_ deg2rad_ arcsin_ absolute_ negative_ nan_to_num_ logical_not_ t_ squeeze_ tril_"
)
IN_PLACE: dict[str, tuple[Any, ...]] = dict.fromkeys(PLAIN.split(), ()) | {
    "clamp_min_": (0.3,),
    "clamp_max_": (0.4,),
    "mvlgamma_": (1,),
    "polygamma_": (1,),
    "add_": (2.0,),
    "subtract_": (1.5,),
    "divide_": (2.0,),
    "multiply_": (3.0,),
    "eq_": (0.5,),
    "lt_": (0.5,),
    "greater_equal_": (0.5,),
    "unsqueeze_": (0,),
    "transpose_": (0, 1),
    "swapaxes_": (0, 1),
    "triu_": (1,),
    "renorm_": (2, 0, 0.5),
}
SECOND = "copysign_ hypot_ fmod_ xlogy_ ldexp_ atan2_ arctan2_ lt_ logical_and_ heaviside_".split()


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_forms(name):
    args = IN_PLACE[name]
    x = np.random.default_rng(4).uniform(0.15, 0.85, (3, 4))
    loose = {"rtol": 1e-4, "atol": 1e-4} if "gamma" in name else {}
    at.compare(lambda lib, a: getattr(a * 1, name)(*args), [x], leaves=False, **loose)
    # The last two have no gradient in PyTorch.
    if name not in ("eq_", "lt_", "greater_equal_", "logical_not_", "asinh_", "atanh_"):
        at.compare(lambda lib, a: getattr(a * 1, name)(*args) * 2, [x], **loose)
    t = mo.tensor(x)
    assert getattr(t, name)(*args) is t


@pytest.mark.parametrize("name", SECOND)
def test_in_place_forms_of_two(name):
    a, b = np.random.default_rng(5).uniform(0.15, 0.85, (2, 3, 4))
    at.compare(lambda lib, a, b: getattr(a * 1, name)(b), [a, b], leaves=False)
    at.compare(lambda lib, x, a, b: (x * 1).addcmul_(a, b).addcdiv_(a, b, value=2).lerp_(a, 0.3), [a, b, a])


def test_a_moved_tensor_keeps_its_place_in_the_graph():
    at.compare(lambda lib, a: (a * 2).t_().mul_(3).unsqueeze_(0)[0, 1], [np.arange(6.0).reshape(2, 3)])
    with pytest.raises(RuntimeError, match="t_: a leaf"):
        mo.ones(2, 3, requires_grad=True).t_()


def test_numbers_and_shifts():
    at.compare(lambda lib, x: [x << 2, x >> 1, lib.float_power(x, 2), lib.float_power(2, x)], [np.arange(5)])
    at.compare(
        lambda lib, x: [lib.ldexp(x, lib.tensor([3])), lib.copysign(x, -1), lib.xlogy(x, 3)], [np.arange(5)]
    )


def test_bad_input():
    for name, call in {
        "polygamma": lambda: mo.polygamma(-1, mo.ones(2)),
        "mvlgamma": lambda: mo.mvlgamma(mo.ones(2), 0),
        "lerp": lambda: mo.lerp(mo.ones(2), mo.ones(2, dtype=mo.float64), 0.5),
        "addcdiv": lambda: mo.addcdiv(mo.ones(2), mo.arange(2), mo.arange(2)),
        "nextafter": lambda: mo.nextafter(mo.ones(2, dtype=mo.float16), mo.ones(2, dtype=mo.float16)),
        "heaviside": lambda: mo.heaviside(mo.ones(2), mo.arange(2)),
        "gcd": lambda: mo.gcd(mo.ones(2), mo.ones(2)),
        "positive": lambda: mo.positive(mo.ones(2, dtype=mo.bool)),
        "addmm_": lambda: mo.ones(2).addmm_(mo.ones(2, 2), mo.ones(2, 2)),
        "erfc": lambda: mo.erfc(3.0),
    }.items():
        with pytest.raises((RuntimeError, NotImplementedError, TypeError), match=name):
            call()
