"""Elementwise operations: every entry of the native list, broadcasting, types, gradients of both orders."""

import zlib

import numpy as np
import pytest

import against_torch as at
import markone as mo

# Where each function is defined and smooth, for finite differences.
DOMAIN = {
    "log": (0.3, 3),
    "log2": (0.3, 3),
    "log10": (0.3, 3),
    "log1p": (-0.5, 3),
    "sqrt": (0.3, 3),
    "rsqrt": (0.3, 3),
    "reciprocal": (0.5, 3),
    "tan": (-1, 1),
    "acos": (-0.8, 0.8),
    "asin": (-0.8, 0.8),
    "atanh": (-0.8, 0.8),
    "acosh": (1.2, 3),
    "erfinv": (-0.8, 0.8),
    "lgamma": (0.5, 3),
    "digamma": (0.5, 3),
    "logit": (0.2, 0.8),
}
UNARY = sorted(set(mo._C.unary_derivatives) - {"bitwise_not"})  # that one is for integers
APART = {"gcd", "lcm", "heaviside", "polygamma"}  # test_elementwise_cases.py
BINARY = sorted(set(mo._C.binary_derivatives) - APART)
TORCH_NAME = {"square": "square", "gelu_tanh": None, "logsigmoid": "nn.functional.logsigmoid"}


def values(name, shape=(3, 4)):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    low, high = DOMAIN.get(name, (-2, 2))
    out = rng.uniform(low, high, shape)
    # Away from kinks and steps at integers and zero.
    return np.where(np.abs(out - np.rint(out)) < 0.05, out + 0.1, out) if name not in DOMAIN else out


def in_torch(name):
    torch = pytest.importorskip("torch")
    special = {
        "gelu": lambda x: torch.nn.functional.gelu(x),
        "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        "logsigmoid": torch.nn.functional.logsigmoid,
        "silu": torch.nn.functional.silu,
        "softplus": torch.nn.functional.softplus,
        "leaky_relu": lambda x, s: torch.where(x > 0, x, x * s),
        "elu": lambda x, s: torch.where(x > 0, x, s * torch.expm1(x)),
    }
    found = special.get(name) or getattr(torch, name, None) or getattr(torch.nn.functional, name, None)
    return found or pytest.skip(f"torch has no {name}")


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    theirs = in_torch(name)
    call = lambda lib, x: getattr(mo, name)(x) if lib is mo else theirs(x)  # noqa: E731
    for shape in ((3, 4), (), (0, 2)):
        at.compare(call, [values(name, shape)])
    at.compare(lambda lib, x: call(lib, x.t()[1:]), [values(name)])
    at.check_gradients(lambda lib, x: getattr(mo, name)(x), [values(name, (5,))])


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    theirs = in_torch(name)
    call = lambda lib, a, b: getattr(mo, name)(a, b) if lib is mo else theirs(a, b)  # noqa: E731
    rng = np.random.default_rng(7)
    positive = name in ("pow", "leaky_relu", "elu", "fmod", "remainder", "floor_divide", "atan2")

    def pair(*shapes):
        low = 0.6 if positive else -2
        return [rng.uniform(low, 2, s) * 1.37 for s in shapes]

    if name.startswith("bitwise"):
        pytest.skip("integers only")
    for shapes in [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2, 3)), ((2, 0), (1, 1)), ((1,), ())]:
        at.compare(call, pair(*shapes), rtol=1e-4, leaves=name != "floor_divide")
    if name in ("floor_divide",):
        return
    at.check_gradients(lambda lib, a, b: getattr(mo, name)(a, b), pair((2, 3), (3,)))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
def test_numbers_and_promotion(name):
    torch = pytest.importorskip("torch")
    ints = np.array([1, 2, 3])
    for array, number in [
        (ints, 2),
        (ints, 2.5),
        (ints.astype(np.float64), 3),
        (ints.astype(np.uint8), 2),
        (ints, True),
    ]:
        if name == "sub" and number is True:
            continue
        at.compare(lambda lib, x: getattr(lib, name)(x, number), [array])
    for a, b in [("int64", "float32"), ("int32", "uint8"), ("float32", "float64"), ("bool", "int64")]:
        if name == "sub" and "bool" in (a, b):
            continue
        at.compare(lambda lib, x, y: getattr(lib, name)(x, y), [ints.astype(a), ints.astype(b)], leaves=False)
    assert torch is not None


def test_operators():
    at.compare(
        lambda lib, a, b: [a + b, a - b, a * b, a / b, -a, 2 + a, 2 - a, 2 * a, 2 / a, a**2, abs(a)],
        [values("x"), values("log")],
    )
    at.compare(
        lambda lib, a, b: [a < b, a <= b, a > b, a >= b, a == b, a != b, a < 0.5], [values("x"), values("y")]
    )
    at.compare(lambda lib, a: [a // 2, a % 3, ~a, a & 6, a | 1, a ^ 5], [np.arange(8)])
    at.compare(
        lambda lib, a, b: [a & b, a | b, a ^ b, ~a],
        [np.array([True, False, True]), np.array([True, True, False])],
    )
    t = mo.ones(2)
    assert (t == None) is False and (t != "a") is True  # noqa: E711
    with pytest.raises(TypeError):
        t + "a"
    with pytest.raises(TypeError):
        t + np.ones(2)
    assert len({t, mo.ones(2), t}) == 2


def test_where_and_clamp():
    x, y = values("x"), values("y")
    at.compare(lambda lib, a, b: lib.where(a > 0, a, b), [x, y])
    at.compare(lambda lib, a, b: lib.where(a > 0, a, b), [x, y[0]])
    at.compare(lambda lib, a: lib.where(a > 0, a, 0.5), [x])
    for low, high in [(-0.5, 0.5), (None, 0.3), (0.1, None), (1.0, -1.0)]:
        at.compare(lambda lib, a: lib.clamp(a, low, high), [x])
    at.compare(lambda lib, a, b: lib.clamp(a, min=b), [x, y])
    at.compare(lambda lib, a: lib.clamp(a, -1.0, 1.0), [np.array([-1.0, 1.0, np.nan, np.inf, 0.0])])
    at.check_gradients(lambda lib, a, b: lib.where(a > 0, a * a, b * b * b), [x, y[0]])
    with pytest.raises(RuntimeError, match="clamp"):
        mo.clamp(mo.ones(2))


def test_in_place_forms():
    for name in ("add_", "sub_", "mul_", "div_"):
        at.compare(lambda lib, a, b: getattr(a * 1, name)(b), [values("x"), values("log", (4,))])
    at.compare(lambda lib, a: (a * 1).clamp_(-0.5, 0.5), [values("x")])
    at.compare(lambda lib, a: (a * 1).exp_(), [values("x")])
    t = mo.zeros(3)
    same = t
    t += 2
    t *= 3
    assert t is same and t.tolist() == [6.0] * 3


def test_rounded_division():
    for mode in (None, "floor", "trunc"):
        at.compare(lambda lib, a, b: lib.div(a, b, rounding_mode=mode), [values("x"), values("log")])
        at.compare(lambda lib, a: lib.div(a, 3, rounding_mode=mode), [np.arange(-6, 6)])
    with pytest.raises(ValueError, match="rounding_mode"):
        mo.div(mo.ones(1), 2, rounding_mode="up")
