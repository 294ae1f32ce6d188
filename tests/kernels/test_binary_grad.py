"""Gradients of operations with two operands against difference quotients, and clamp."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import harness
from markone import _C

Array = np.ndarray
ISAS = _C.available_isas()
STEP = 1e-6

BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "fmax": np.fmax,
    "fmin": np.fmin,
    "fmod": np.fmod,
    "remainder": np.remainder,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "copysign": np.copysign,
    "logaddexp": np.logaddexp,
    "logaddexp2": np.logaddexp2,
    "xlogy": lambda a, b: a * np.log(b),
    "leaky_relu": lambda a, b: np.where(a > 0, a, a * b),
    "elu": lambda a, b: np.where(a > 0, a, b * np.expm1(a)),
}
# Those that take a negative first operand.
SIGNED = {"leaky_relu", "elu", "maximum", "minimum", "atan2", "hypot", "mul", "add", "sub"}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients(isa: str, dtype: str) -> None:
    """Both derivatives, with an array and with a number in b's place."""
    rng = np.random.default_rng(4)
    a, b, g = rng.uniform(0.3, 2.4, 200), rng.uniform(0.3, 2.4, 200), rng.standard_normal(200)
    limit = 3e-5 if dtype == "float32" else 1e-7
    with harness.using(isa):
        for name, f in BINARY.items():
            x = a * np.where(rng.random(200) < 0.5, -1, 1) if name in SIGNED else a
            for other in (b, np.full(200, 0.7)):
                number = other is not b
                far = (np.abs(x - other) > 0.02) & (np.abs(x / other - np.rint(x / other)) > 0.02)
                quotients = (
                    (f(x + STEP, other) - f(x - STEP, other)) / (2 * STEP),
                    (f(x, other + STEP) - f(x, other - STEP)) / (2 * STEP),
                )
                for which, quotient in enumerate(quotients):
                    operand = 0.7 if number else harness.array(other, dtype)
                    up, left = harness.array(g, dtype), harness.array(x, dtype)
                    got = harness.numpy(getattr(_C, f"{name}_grad")(which, up, left, operand))
                    error = np.abs(got - g * quotient) / (1 + np.abs(g * quotient))
                    assert error[far].max() < limit, (name, which, number, error[far].max())


@pytest.mark.parametrize("isa", ISAS)
def test_bits(isa: str) -> None:
    """A row, a column and a transposed layout give what the whole array gives."""
    rng = np.random.default_rng(5)
    g, a, b = (rng.standard_normal((37, 41)).astype(np.float32) for _ in range(3))
    with harness.using(isa), harness.guarded():
        for name in ("elu", "pow", "hypot"):
            native = getattr(_C, f"{name}_grad")
            whole = harness.numpy(native(0, *(harness.array(v, "float32") for v in (g, a, b))))
            part = harness.numpy(native(0, *(harness.array(v[3:5, 7:], "float32") for v in (g, a, b))))
            assert part.tobytes() == np.ascontiguousarray(whole[3:5, 7:]).tobytes()
            turned = [harness.array(v.T.copy(), "float32").transpose(0, 1) for v in (g, a, b)]
            assert harness.numpy(native(0, *turned)).tobytes() == whole.tobytes()


@pytest.mark.parametrize("isa", ISAS)
def test_bad_input(isa: str) -> None:
    g = harness.array(np.ones(3), "float32")
    with harness.using(isa):
        with pytest.raises(ValueError, match="elu: has gradients 0 and 1, got 2"):
            _C.elu_grad(2, g, g, 1.0)
        with pytest.raises(TypeError, match="elu: a gradient must be floating"):
            _C.elu_grad(0, harness.array(np.ones(3), "int64"), g, 1.0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_clamp(isa: str, dtype: str) -> None:
    x = np.array([-3, -1, 0, 2, 5] * 9).astype(dtype)
    if dtype != "int64":
        x[7] = np.nan
    with harness.using(isa):
        for low, high in ((-1, 2), (3, -2)):
            got = harness.numpy(_C.clamp(harness.array(x, dtype), low, high))
            np.testing.assert_array_equal(got, np.minimum(np.maximum(x, low), high))
