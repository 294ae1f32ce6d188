"""The rarer elementwise operations on every instruction set: inverse, hyperbolic and special functions,
pairs, whole numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

Array = np.ndarray
FLOATS = ("float32", "float64", "bfloat16", "float16")
ISAS = _C.available_isas()


def _wide(f: Callable[..., Any]) -> Callable[..., Array]:
    """`f` in extended precision, rounded to double at the end."""

    def g(*args: Array) -> Array:
        return np.asarray(f(*(np.asarray(a, np.longdouble) for a in args)), np.float64)

    return g


def _each(f: Callable[[float], float]) -> Callable[[Array], Array]:
    def one(x: float) -> float:
        try:
            return f(x)
        except ValueError:
            return math.nan

    return np.vectorize(one, otypes=[np.float64])


def _erfinv(x: float) -> float:
    """By bisection on erf or, where that is flat, on erfc."""
    if abs(x) >= 1 or x != x:
        return math.copysign(math.inf, x) if abs(x) == 1 else math.nan
    a, low, high = abs(x), 0.0, 7.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        below = math.erf(middle) < a if a < 0.5 else math.erfc(middle) > 1 - a
        low, high = (middle, high) if below else (low, middle)
    return math.copysign(0.5 * (low + high), x)


def _zeta(s: int, x: float) -> float:
    """sum of (x + k)^-s, s > 1: 2000 terms and the integral of the rest, with two corrections."""
    end = x + 2000
    terms = math.fsum((x + k) ** -s for k in range(2000))
    return terms + end ** (1 - s) / (s - 1) + 0.5 * end**-s + s * end ** (-s - 1) / 12


def _digamma(x: float) -> float:
    if x == math.inf or x != x:
        return x
    if x == 0 or (x < 0 and x == math.floor(x)):
        return math.copysign(math.inf, -x) if x == 0 else math.nan
    # From far up, where log(x) - 1/2x - 1/12x^2 + 1/120x^4 is exact.
    n = 400 + max(0, math.ceil(-x))
    end = x + n
    top = math.log(end) - 0.5 / end - 1 / (12 * end**2) + 1 / (120 * end**4)
    return math.fsum([top, *(-1 / (x + k) for k in range(n))])


def _polygamma(x: float, n: float) -> float:
    return (-1) ** (int(n) + 1) * math.factorial(int(n)) * _zeta(int(n) + 1, x)


PI = np.longdouble("3.14159265358979323846264338327950288")


def _sinc(x: Array) -> Array:
    n = np.rint(x)
    sine = np.sin(PI * (x - n)) * np.where(np.mod(n, 2) == 0, 1, -1)
    return np.where(x == 0, 1, sine / (PI * np.where(x == 0, 1, x)))


# name -> (reference, inputs); the ulp bound counts against |result| + the third, where something cancels.
WHOLE, UNIT, ABOVE = (-30.0, 30.0), (-1.0, 1.0), (1.0, 60.0)
UNARY: dict[str, tuple[Callable[[Array], Array], tuple[float, float], float]] = {
    "asin": (_wide(np.arcsin), UNIT, 0),
    "acos": (_wide(np.arccos), UNIT, 0),
    "atan": (_wide(np.arctan), WHOLE, 0),
    "sinh": (_wide(np.sinh), WHOLE, 0),
    "cosh": (_wide(np.cosh), WHOLE, 0),
    "asinh": (_wide(np.arcsinh), WHOLE, 0),
    "acosh": (_wide(np.arccosh), ABOVE, 0),
    "atanh": (_wide(np.arctanh), UNIT, 0),
    "erfc": (_each(math.erfc), (-6.0, 9.0), 0),
    "erfinv": (_each(_erfinv), UNIT, 0),
    "lgamma": (_each(math.lgamma), (0.05, 60.0), 1),
    "digamma": (_each(_digamma), (-4.97, 40.0), 1),
    "frac": (lambda x: x - np.trunc(x), WHOLE, 0),
    "deg2rad": (_wide(lambda x: x * PI / 180), WHOLE, 0),
    "rad2deg": (_wide(lambda x: x * 180 / PI), WHOLE, 0),
    "sinc": (_wide(_sinc), (-9.0, 9.0), 0),
    "logit": (_wide(lambda x: np.log(x) - np.log1p(-x)), (0.0, 1.0), 0),
}
SPECIALS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e-4, -1e-4, 0.25, 2.0, -2.0]
# Where the reference, not the kernel, has no value, or another one than C gives.
NO_SPECIALS = {"digamma", "lgamma", "sinc", "erfinv"}


def _inputs(name: str, rng: np.random.Generator) -> Array:
    low, high = UNARY[name][1]
    x = rng.uniform(low, high, (14, 40))
    x[1:5] = low + (high - low) * rng.uniform(0, 1, (4, 40)) ** 6
    if name not in NO_SPECIALS:
        x[0, : len(SPECIALS)] = SPECIALS
    if name in ("sinh", "cosh"):
        x[0, 20:26] = [88.9, -89.2, 300.0, -300.0, 710.2, -710.2]
    if name in ("asinh", "acosh"):
        x[0, 20:24] = [1e9, 1e20, 3e38, 1e10]
    return x


def _unary_case(name: str) -> harness.Case:
    f, _, floor = UNARY[name]
    return harness.Case(
        name,
        inputs=lambda rng: [_inputs(name, rng)],
        call=lambda x: getattr(_C, name)(x[0]),
        reference=lambda a: f(a[0]),
        tolerance=lambda a: (_C.elementwise_ulp[name] + 0.51) * (np.abs(f(a[0])) + floor),
        dtypes=FLOATS,
    )


def _xlogy(a: Array, b: Array) -> Array:
    return np.where((a == 0) & ~np.isnan(b), 0, a * np.log(b))


def _heaviside(a: Array, b: Array) -> Array:
    return np.where(a == 0, b, np.where(a > 0, 1.0, 0.0))


BINARY: dict[str, tuple[Callable[[Array, Array], Array], float]] = {
    "hypot": (_wide(np.hypot), 0),
    "copysign": (np.copysign, 0),
    "fmax": (np.fmax, 0),
    "fmin": (np.fmin, 0),
    "logaddexp": (_wide(np.logaddexp), 1),
    "logaddexp2": (_wide(np.logaddexp2), 1),
    "xlogy": (_wide(_xlogy), 0),
    "heaviside": (_heaviside, 0),
}


def _binary_case(name: str) -> harness.Case:
    f, cancels = BINARY[name]

    def inputs(rng: np.random.Generator) -> list[Array]:
        a, b = rng.standard_normal((2, 14, 40)) * 4
        special = np.array([0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan])
        pairs = np.stack(np.meshgrid(special, special)).reshape(2, -1)
        if name == "heaviside":
            pairs = pairs[:, ~np.isnan(pairs[0])]
        a[:2].reshape(-1)[: pairs.shape[1]], b[:2].reshape(-1)[: pairs.shape[1]] = pairs
        return [a, b]

    return harness.Case(
        name,
        inputs=inputs,
        call=lambda x: getattr(_C, name)(x[0], x[1]),
        reference=lambda a: f(a[0], a[1]),
        tolerance=lambda a: (
            (_C.elementwise_ulp[name] + 0.51)
            * (np.abs(f(a[0], a[1])) + cancels * (1 + np.nan_to_num(np.maximum(np.abs(a[0]), np.abs(a[1])))))
        ),
        dtypes=FLOATS,
    )


def _tests() -> list[harness.Case]:
    tests: dict[str, Callable[[Array], Array]] = {
        "isposinf": np.isposinf,
        "isneginf": np.isneginf,
        "signbit": np.signbit,
    }
    return [
        harness.Case(
            name,
            inputs=lambda rng: [np.array(SPECIALS * 6)],
            call=lambda x, name=name: getattr(_C, name)(x[0]),
            reference=lambda a, f=f: f(a[0]),
            dtypes=FLOATS,
        )
        for name, f in tests.items()
    ]


_UNARY = [_unary_case(name) for name in UNARY]
_BINARY = [_binary_case(name) for name in BINARY]
test_value = harness.make_tests([*_UNARY, *_BINARY, *_tests()], checks=("right",))
test_loop = harness.make_tests(
    [c for c in (*_UNARY, *_BINARY) if c.name in ("atan", "sinh", "lgamma", "hypot")],
    checks=("bits", "guards"),
)


@pytest.mark.parametrize("isa", ISAS)
def test_polygamma(isa: str) -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.uniform(0.05, 3, 20), rng.uniform(3, 90, 10), [-0.3, -1.7, -4.2, -6.6, 20.5]])
    with harness.using(isa):
        for n in (1, 2, 3, 7, 30):
            for dtype, eps in (("float32", 2.0**-23), ("float64", 2.0**-52)):
                exact = harness.round_to(x, dtype).astype(np.float64)
                want = np.array([_polygamma(v, n) for v in exact])
                got = harness.numpy(_C.polygamma(harness.array(x, dtype), n)).astype(np.float64)
                fits = np.abs(want) < (3e38 if dtype == "float32" else np.inf)
                scale = 40 + 4 * n  # each term is a power n + 1 of rounded numbers
                error = np.abs(got - want)[fits] / np.abs(want[fits])
                assert error.max() < scale * eps, (n, dtype, x[fits][error.argmax()], error.max() / eps)
        ends = harness.numpy(_C.polygamma(harness.array(np.array([0.0, -2.0, np.inf, np.nan])), 1))
        assert ends[:3].tolist() == [np.inf, np.inf, 0.0] and np.isnan(ends[3])
        poles = harness.numpy(_C.digamma(harness.array(np.array([0.0, -0.0, -3.0, np.inf, -np.inf]))))
        assert poles[[0, 1, 3]].tolist() == [-np.inf, np.inf, np.inf] and np.isnan(poles[[2, 4]]).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", FLOATS[:2])
def test_gradients(isa: str, dtype: str) -> None:
    """The derivative's kernel against a difference quotient of the reference."""
    rng = np.random.default_rng(3)
    h = 1e-6
    with harness.using(isa):
        for name, (f, (low, high), _) in UNARY.items():
            low, high = max(low, -2.9), min(high, 3.2)
            margin = 0.05 * (high - low)
            x = rng.uniform(low + margin, high - margin, 100)
            x = np.where(np.abs(x - np.rint(x)) < 0.02, x + 0.05, x)
            g, y = rng.standard_normal(100), f(x)
            got = harness.numpy(getattr(_C, name + "_grad")(*(harness.array(v, dtype) for v in (g, x, y))))
            slope = (f(x + h) - f(x - h)) / (2 * h)
            error = np.abs(got - g * slope) / (1 + np.abs(slope))
            assert error.max() < (1e-4 if dtype == "float32" else 1e-7), (name, error.max())


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_integers(isa: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    rng = np.random.default_rng(7)
    a = rng.integers(info.min, info.max, 600, dtype=dtype, endpoint=True)
    b = rng.integers(info.min // 2**20, info.max // 2**20 + 9, 600).astype(dtype)
    a[:4], b[:4] = [0, 0, 12, info.max], [0, 6, 18, info.max]
    bits = 8 * np.dtype(dtype).itemsize
    by = rng.integers(-3 if info.min else 0, 90, 600).astype(dtype)
    with harness.using(isa), np.errstate(all="ignore"):
        x, y, shift = harness.array(a), harness.array(b), harness.array(by)
        assert np.array_equal(harness.numpy(_C.gcd(x, y)), np.gcd(a, b))
        small = (rng.integers(0, 16, (2, 99)) - (7 if info.min else 0)).astype(dtype)
        assert np.array_equal(harness.numpy(_C.lcm(*map(harness.array, small))), np.lcm(*small))
        out = (by < 0) | (by >= bits)
        left = np.where(out, 0, np.left_shift(a, np.where(out, 0, by))).astype(dtype)
        assert np.array_equal(harness.numpy(_C.bitwise_left_shift(x, shift)), left)
        right = np.where(out, np.where(a < 0, -1, 0), np.right_shift(a, np.where(out, 0, by))).astype(dtype)
        assert np.array_equal(harness.numpy(_C.bitwise_right_shift(x, shift)), right)
        for name, f in (("fmax", np.maximum), ("fmin", np.minimum)):
            assert np.array_equal(harness.numpy(getattr(_C, name)(x, y)), f(a, b))
        assert np.array_equal(harness.numpy(_C.signbit(x)), np.signbit(a.astype(np.float64)))
        assert np.array_equal(harness.numpy(_C.heaviside(x, y)), np.where(a == 0, b, a > 0).astype(dtype))
