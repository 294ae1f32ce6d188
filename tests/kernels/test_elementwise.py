"""Every elementwise operation on every instruction set, against NumPy in extended precision."""

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
INTEGERS = ("int64", "int32", "uint8")
ISAS = _C.available_isas()


def _wide(f: Callable[..., Any]) -> Callable[..., Array]:
    """`f` in extended precision, rounded to double at the end."""

    def g(*args: Array) -> Array:
        return np.asarray(f(*(np.asarray(a, np.longdouble) for a in args)), np.float64)

    return g


_erf = np.vectorize(math.erf, otypes=[np.float64])
_sigmoid = _wide(lambda x: 1 / (1 + np.exp(-x)))
_normal_cdf = np.vectorize(lambda x: 0.5 * math.erfc(-x * math.sqrt(0.5)), otypes=[np.float64])

UNARY: dict[str, Callable[[Array], Array]] = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "square": _wide(np.square),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "reciprocal": _wide(lambda x: 1 / x),
    "sqrt": _wide(np.sqrt),
    "rsqrt": _wide(lambda x: 1 / np.sqrt(x)),
    "exp": _wide(np.exp),
    "exp2": _wide(np.exp2),
    "expm1": _wide(np.expm1),
    "log": _wide(np.log),
    "log1p": _wide(np.log1p),
    "log2": _wide(np.log2),
    "log10": _wide(np.log10),
    "sin": _wide(np.sin),
    "cos": _wide(np.cos),
    "tan": _wide(np.tan),
    "tanh": _wide(np.tanh),
    "sigmoid": _sigmoid,
    "erf": _erf,
    "relu": lambda x: np.where(x < 0, 0, x),
    "softplus": _wide(lambda x: np.where(x > 0, x, 0) + np.log1p(np.exp(-np.abs(x)))),
    "logsigmoid": _wide(lambda x: np.where(x < 0, x, 0) - np.log1p(np.exp(-np.abs(x)))),
    "silu": _wide(lambda x: x / (1 + np.exp(-x))),
    "gelu": lambda x: x * _normal_cdf(x),
    "gelu_tanh": _wide(
        lambda x: 0.5 * x * (1 + np.tanh(np.longdouble(0.7978845608028654) * (x + 0.044715 * x * x * x)))
    ),
}
# Where 1 + something cancels, the error is measured against the input.
CANCELLING = {"gelu", "gelu_tanh"}
NON_NEGATIVE = {"sqrt", "rsqrt", "log", "log2", "log10"}
SPECIALS = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 88.5, -87.0, 1e-4, -1e-4]


def _floor_divide(a: Array, b: Array) -> Array:
    return np.floor_divide(a, b)


def _pow_int(a: Array, b: Array) -> Array:
    return np.power(a, b)


BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": _wide(np.add),
    "sub": _wide(np.subtract),
    "mul": _wide(np.multiply),
    "div": _wide(np.divide),
    "pow": _wide(np.power),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmod": np.fmod,
    "atan2": _wide(np.arctan2),
    "leaky_relu": _wide(lambda a, b: np.where(a > 0, a, a * b)),
    "elu": _wide(lambda a, b: np.where(a > 0, a, b * np.expm1(a))),
}
COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
TEST: dict[str, Callable[[Array], Array]] = {
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
}


def _inputs(rng: np.random.Generator, name: str = "") -> Array:
    x = np.concatenate(
        [
            rng.standard_normal(300) * 3,
            rng.uniform(-80, 80, 100),
            rng.standard_normal(100) * 1e-3,
            np.exp(rng.uniform(-9, 9, 60)) * rng.choice([-1.0, 1.0], 60),
        ]
    ).reshape(20, 28)
    x[0, : len(SPECIALS)] = SPECIALS
    return np.abs(x) if name in NON_NEGATIVE else x


def _unary_case(name: str) -> harness.Case:
    f, bound = UNARY[name], _C.elementwise_ulp[name]

    def tolerance(a: list[Array]) -> Array:
        y = np.abs(f(a[0]))
        return (bound + 0.51) * (np.maximum(y, np.abs(a[0])) if name in CANCELLING else y)

    return harness.Case(
        name,
        inputs=lambda rng: [_inputs(rng, name)],
        call=lambda x: getattr(_C, name)(x[0]),
        reference=lambda a: f(a[0]),
        tolerance=tolerance,
        dtypes=FLOATS,
    )


def _binary_case(name: str) -> harness.Case:
    f, bound = BINARY[name], _C.elementwise_ulp[name]

    def inputs(rng: np.random.Generator) -> list[Array]:
        a, b = _inputs(rng), rng.permuted(_inputs(rng), axis=1)
        return [np.abs(a) if name == "pow" else a, b]

    return harness.Case(
        name,
        inputs=inputs,
        call=lambda x: getattr(_C, name)(x[0], x[1]),
        reference=lambda a: f(a[0], a[1]),
        tolerance=lambda a: (bound + 0.51) * np.abs(f(a[0], a[1])),
        dtypes=FLOATS,
    )


def _broadcast_cases() -> list[harness.Case]:
    shapes = [
        ((3, 5), (5,)),
        ((3, 1), (1, 5)),
        ((4, 3, 2), (3, 1)),
        ((), (7,)),
        ((2, 0, 3), (1, 1, 3)),
        ((3, 300), (3, 1)),
        ((3, 300), (300,)),
        ((2, 3, 140), (3, 1)),
        ((70, 600), (70, 1)),
    ]
    return [
        harness.Case(
            f"mul-{a}-{b}",
            inputs=lambda rng, a=a, b=b: [rng.standard_normal(a), rng.standard_normal(b)],
            call=lambda x: _C.mul(x[0], x[1]),
            reference=lambda v: v[0] * v[1],
            tolerance=1,
            dtypes=("float32", "bfloat16"),
        )
        for a, b in shapes
    ]


def _bool_cases() -> list[harness.Case]:
    def pair(rng: np.random.Generator) -> list[Array]:
        a = _inputs(rng)
        return [a, np.where(rng.random(a.shape) < 0.5, a, rng.permuted(a, axis=1))]

    return [
        *(
            harness.Case(
                name,
                inputs=pair,
                call=lambda x, name=name: getattr(_C, name)(x[0], x[1]),
                reference=lambda a, f=f: f(a[0], a[1]),
                dtypes=FLOATS,
            )
            for name, f in COMPARE.items()
        ),
        *(
            harness.Case(
                name,
                inputs=lambda rng: [_inputs(rng)],
                call=lambda x, name=name: getattr(_C, name)(x[0]),
                reference=lambda a, f=f: f(a[0]),
                dtypes=FLOATS,
            )
            for name, f in TEST.items()
        ),
        harness.Case(
            "where",
            inputs=lambda rng: [rng.random((20, 28)) < 0.5, _inputs(rng), rng.standard_normal(28)],
            call=lambda x: _C.where(x[0], x[1], x[2]),
            reference=lambda a: np.where(a[0], a[1], a[2]),
            tolerance=0,
            dtypes=FLOATS,
        ),
    ]


def _power_case(mixed: bool) -> harness.Case:
    """Exponents that are products, alone in a vector or beside others."""

    def inputs(rng: np.random.Generator) -> list[Array]:
        a = rng.standard_normal((20, 28)) * 3
        return [a, rng.choice([1.0, 2.0, 3.0, 4.0, -1.0] if mixed else [2.0, 3.0], a.shape)]

    return harness.Case(
        f"pow-{'mixed' if mixed else 'products'}",
        inputs=inputs,
        call=lambda x: _C.pow(x[0], x[1]),
        reference=lambda a: np.power(a[0], a[1]),
        tolerance=lambda a: 2.51 * np.abs(np.power(a[0], a[1])),
        dtypes=FLOATS,
    )


_UNARY = [_unary_case(name) for name in UNARY]
_BINARY = [*(_binary_case(name) for name in BINARY), _power_case(True), _power_case(False)]
_BOOL = _bool_cases()
# The kernels of one list share their loop: all are compared, a few go through the other checks.
_FEW = [
    c for c in (*_UNARY, *_BINARY, *_BOOL) if c.name in ("exp", "sin", "add", "pow", "lt", "isnan", "where")
]

test_value = harness.make_tests([*_UNARY, *_BINARY, *_BOOL], checks=("right",))
test_loop = harness.make_tests(_FEW, checks=("bits", "guards"))
test_broadcast = harness.make_tests(_broadcast_cases(), checks=("right", "bits"))


def test_every_entry_is_tested() -> None:
    special = {
        *"acos acosh asin asinh atan atanh cosh deg2rad digamma erfc erfinv frac lgamma logit".split(),
        *"rad2deg sinc sinh copysign fmax fmin heaviside hypot logaddexp logaddexp2 xlogy polygamma".split(),
    }  # tests/kernels/test_special.py
    apart = {"bitwise_not", "bitwise_and", "bitwise_or", "bitwise_xor", "remainder", "floor_divide"}
    apart |= {"bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm"}
    listed = set(_C.unary_derivatives) | set(_C.binary_derivatives)
    assert listed == set(UNARY) | set(BINARY) | special | apart


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", FLOATS[:2])
def test_gradients(isa: str, dtype: str) -> None:
    """The derivative's kernel against a difference quotient of NumPy's function, far from kinks."""
    rng = np.random.default_rng(3)
    x = rng.uniform(0.1, 2.5, 200)
    x = np.where(np.abs(x - np.rint(x)) < 0.02, x + 0.05, x)
    g = rng.standard_normal(200)
    h = 1e-6
    with harness.using(isa):
        for name, f in UNARY.items():
            y = f(x)
            got = harness.numpy(getattr(_C, name + "_grad")(*(harness.array(v, dtype) for v in (g, x, y))))
            want = g * (f(x + h) - f(x - h)) / (2 * h)
            error = np.abs(got - want) / (1 + np.abs(want))
            assert error.max() < 3e-5 if dtype == "float32" else 1e-7, (name, error.max())


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bool"])
def test_every_length(isa: str, dtype: str) -> None:
    """Tails give what full vectors give, and nothing outside is touched."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal(70) if dtype != "bool" else rng.random(70) < 0.5
    with harness.using(isa), harness.guarded():
        calls = [_C.neg, _C.exp] if dtype != "bool" else []
        calls += [_C.logical_not, lambda a: _C.eq(a, a), lambda a: _C.maximum(a, a)]
        for call in calls:
            whole = harness.numpy(call(harness.array(x, dtype)))
            for n in range(71):
                part = harness.numpy(call(harness.array(x[:n], dtype)))
                assert part.tobytes() == whole[:n].tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(isa: str, dtype: str) -> None:
    info = np.iinfo(dtype)
    rng = np.random.default_rng(7)
    a = rng.integers(info.min, info.max, 600, dtype=dtype, endpoint=True)
    b = rng.integers(max(info.min, -9), 9, 600, dtype=dtype, endpoint=True)
    a[:6] = info.min, info.max, info.min, 0, 1, info.max
    b[:6] = (-1 if info.min < 0 else 1), 1, 2, 3, 1, 2
    b[b == 0] = 7
    with harness.using(isa), np.errstate(all="ignore"):
        x, y = harness.array(a), harness.array(b)
        for name, f in {
            "add": np.add,
            "sub": np.subtract,
            "mul": np.multiply,
            "maximum": np.maximum,
            "minimum": np.minimum,
            "bitwise_and": np.bitwise_and,
            "bitwise_or": np.bitwise_or,
            "bitwise_xor": np.bitwise_xor,
            "fmod": np.fmod,
            "remainder": np.remainder,
            "floor_divide": np.floor_divide,
            **COMPARE,
        }.items():
            got = harness.numpy(getattr(_C, name)(x, y))
            assert np.array_equal(got, f(a, b)), name
        for name, g in {
            "neg": np.negative,
            "abs": np.abs,
            "sign": np.sign,
            "square": np.square,
            "floor": lambda v: v,
            "relu": lambda v: np.maximum(v, np.zeros((), v.dtype)),
            "bitwise_not": np.bitwise_not,
            **TEST,
        }.items():
            assert np.array_equal(harness.numpy(getattr(_C, name)(x)), g(a)), name
        power = harness.numpy(_C.pow(x, harness.array(np.abs(b))))
        assert np.array_equal(power, np.power(a, np.abs(b)))
        # Division of integers is floating, and so is every function of floating types.
        assert _C.div(x, y).dtype == _C.float32
        assert _C.exp(x).dtype == _C.float32


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_integer_division_by_zero(isa: str, name: str) -> None:
    f = getattr(_C, name)
    with harness.using(isa):
        x = harness.array(np.arange(5))
        with pytest.raises(ValueError, match=f"{name}: divisor at flat index 3 is 0"):
            f(x, harness.array(np.array([1, 2, 3, 0, 0])))
        with pytest.raises(ValueError, match=f"{name}: divisor at flat index 0 is 0"):
            f(x, 0)
        assert harness.numpy(f(harness.array(np.ones(3)), 0.0)).shape == (3,)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", FLOATS[:2])
def test_float_division_of_whole_numbers(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(11)
    a = np.concatenate([rng.standard_normal(500) * 50, [7.0, -7.0, 7.0, -7.0, 0.0, 5.0, -5.0]]).astype(dtype)
    b = np.concatenate([rng.standard_normal(500) * 3, [2.0, 2.0, -2.0, -2.0, 3.0, 0.0, 0.0]]).astype(dtype)
    with harness.using(isa), np.errstate(all="ignore"):
        x, y = harness.array(a), harness.array(b)
        assert np.array_equal(harness.numpy(_C.fmod(x, y)), np.fmod(a, b), equal_nan=True)
        assert np.array_equal(harness.numpy(_C.remainder(x, y)), np.remainder(a, b), equal_nan=True)
        want = np.where(b == 0, a / b, np.floor_divide(a, b))
        assert np.array_equal(harness.numpy(_C.floor_divide(x, y)), want, equal_nan=True)


@pytest.mark.parametrize("isa", ISAS)
def test_pow_rules(isa: str) -> None:
    values = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, np.inf, -np.inf, np.nan]
    a, b = (v.reshape(-1) for v in np.meshgrid(values, values))
    with harness.using(isa), np.errstate(all="ignore"):
        for dtype in ("float32", "float64"):
            got = harness.numpy(_C.pow(harness.array(a, dtype), harness.array(b, dtype)))
            want = np.power(a.astype(dtype), b.astype(dtype))
            same = (np.abs(got - want) <= 2 * np.spacing(np.abs(want))) | (got == want)
            same |= np.isnan(got) & np.isnan(want)
            assert same.all(), [(x, y, g, w) for x, y, g, w, s in zip(a, b, got, want, same) if not s]
    with pytest.raises(ValueError, match="pow: integers to the negative power -1"):
        _C.pow(harness.array(np.arange(3)), -1)


@pytest.mark.parametrize("isa", ISAS)
def test_nan_passes(isa: str) -> None:
    with harness.using(isa):
        for dtype in FLOATS:
            x, y = (
                harness.array(np.array([np.nan, 1.0]), dtype),
                harness.array(np.array([1.0, np.nan]), dtype),
            )
            for f in (_C.maximum, _C.minimum):
                assert np.isnan(harness.numpy(f(x, y))).all()
            assert np.isnan(harness.numpy(_C.relu(x))[0])


@pytest.mark.parametrize("isa", ISAS)
def test_large_angles(isa: str) -> None:
    x = np.array([1e5, 123456.789, 1e8, 1e15, 1e22, 3.0e38, -4e9])
    with harness.using(isa):
        for dtype in ("float32", "float64"):
            rounded = x.astype(dtype).astype(np.longdouble)
            for f, g in ((_C.sin, np.sin), (_C.cos, np.cos)):
                got = harness.numpy(f(harness.array(x, dtype)))
                # The C library's own reduction is exact; NumPy's in extended precision is too up to here.
                want = g(rounded[:5]).astype(np.float64)
                assert np.abs(got[:5] - want).max() <= 2 * np.finfo(dtype).eps
                assert (np.abs(got) <= 1).all()


def test_type_rules() -> None:
    f32, f64, i64, i32, u8, flag = (
        harness.array(np.ones(3, t)) for t in ("float32", "float64", "int64", "int32", "uint8", "bool")
    )
    half, brain = harness.array(np.ones(3), "float16"), harness.array(np.ones(3), "bfloat16")
    zero_d = harness.array(np.ones((), np.float64))
    assert _C.add(f32, i64).dtype == _C.float32
    assert _C.add(f32, f64).dtype == _C.float64
    assert _C.add(f32, zero_d).dtype == _C.float32
    assert _C.add(i64, zero_d).dtype == _C.float64
    assert _C.add(half, brain).dtype == _C.float32
    assert _C.add(half, 1.5).dtype == _C.float16
    assert _C.add(i32, 2).dtype == _C.int32
    assert _C.add(i32, 2.5).dtype == _C.float32
    assert _C.add(u8, i32).dtype == _C.int32
    assert _C.add(flag, flag).dtype == _C.bool_
    assert _C.add(flag, 1).dtype == _C.int64
    assert _C.where(flag, f32, 1).dtype == _C.float32
    with pytest.raises(RuntimeError, match="sub: does not take bool"):
        _C.sub(flag, flag)
    with pytest.raises(NotImplementedError, match="bitwise_and: is not defined for float32"):
        _C.bitwise_and(f32, f32)
    with pytest.raises(ValueError, match="add: shapes"):
        _C.add(f32, harness.array(np.ones(4, np.float32)))
    with pytest.raises(TypeError, match="where: the condition must be bool"):
        _C.where(f32, f32, f32)


def test_in_place() -> None:
    x = harness.array(np.arange(6, dtype=np.float32).reshape(2, 3))
    version = x.version
    _C.add_into(x, x, 1)
    assert x.version == version + 1
    assert np.array_equal(harness.numpy(x), np.arange(6).reshape(2, 3) + 1)
    # The other operand is a view of the output with other strides: it is read as it was.
    square = harness.array(np.arange(9, dtype=np.float32).reshape(3, 3))
    _C.add_into(square, square, square.transpose(0, 1))
    plain = np.arange(9).reshape(3, 3)
    assert np.array_equal(harness.numpy(square), plain + plain.T)
    row = harness.array(np.zeros((1, 3), np.float32)).expand([4, 3])
    with pytest.raises(ValueError, match="add: more than one element of the written-to tensor"):
        _C.add_into(row, row, 1)
    with pytest.raises(ValueError, match="exp: more than one element of the written-to tensor"):
        _C.exp_into(row, row)
    with pytest.raises(TypeError, match="add: a result of type float32 cannot be stored in place in int64"):
        _C.add_into(harness.array(np.arange(3)), harness.array(np.arange(3)), 0.5)
    with pytest.raises(ValueError, match="add: a result of shape"):
        _C.add_into(x, x, harness.array(np.zeros((4, 2, 3), np.float32)))


def test_gradient_needs_its_operands() -> None:
    g = harness.array(np.ones(3, np.float32))
    with pytest.raises(TypeError, match="exp: the gradient needs the result"):
        _C.exp_grad(g, g, None)
    with pytest.raises(TypeError, match="sin: the gradient needs the input"):
        _C.sin_grad(g, None, g)
    assert _C.neg_grad(g, None, None).shape == (3,)


@pytest.mark.large
def test_more_than_two_to_the_31_elements() -> None:
    n = 2**31 + 100
    x = _C.empty([n], _C.uint8)
    _C.fill(x, 3)
    y = _C.add(x, 4)
    assert harness.numpy(y.slice(0, n - 200, n, 1)).tolist() == [7] * 200
