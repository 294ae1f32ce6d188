"""Sorting, selection and binary search against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import harness
from markone import _C

TYPES = ("float32", "float64", "bfloat16", "float16")


def _ties(*shape):
    """Few different numbers, with NaN, both zeros and infinities among them."""
    odd = np.array([np.nan, -0.0, 0.0, np.inf, -np.inf, 1.5, -2.0, 7.0])
    return lambda rng: [odd[rng.integers(0, len(odd), shape)]]


def _normal(*shape):
    return lambda rng: [rng.standard_normal(shape)]


def _order(x, dim, descending):
    """The stable order; NaN is the largest."""
    if not descending:
        return np.argsort(x, dim, kind="stable")
    n = x.shape[dim]
    return n - 1 - np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim)


def _first(x, dim, descending, first, last):
    order = np.take(_order(x, dim, descending), range(first, last), dim)
    return np.take_along_axis(x, order, dim), order


def _case(name, inputs, dim, descending, dtypes=TYPES):
    return harness.Case(
        name,
        inputs,
        lambda x: _C.sort(x[0], dim, descending),
        lambda a: _first(a[0], dim, descending, 0, a[0].shape[dim]),
        tolerance=0.0,
        dtypes=dtypes,
    )


CASES = [
    _case("sort-3x40", _normal(3, 40), 1, False),
    _case("sort-3x40-ties-down", _ties(3, 40), 1, True),
    _case("sort-300x3x2-ties", _ties(300, 3, 2), 0, False, ("float32",)),
    _case("sort-2x5x3", _normal(2, 5, 3), 1, True, ("float64",)),
    _case("sort-70000", _normal(70000), 0, False, ("float32", "float64")),
    _case("sort-70000-ties-down", _ties(70000), 0, True, ("float32",)),
    *(
        _case(f"sort-{t}", lambda rng, t=t: [rng.integers(0, 200, (4, 90)).astype(t)], 1, down, (None,))
        for t, down in (("int64", False), ("int32", True), ("uint8", False), ("bool", True))
    ),
    _case("sort-negative", lambda rng: [rng.integers(-(2**62), 2**62, (5, 70))], 1, False, (None,)),
    *(
        harness.Case(
            f"topk-{k}-{largest}-{kind}",
            make,
            lambda x, k=k, largest=largest: _C.topk(x[0], k, 1, largest),
            lambda a, k=k, largest=largest: _first(a[0], 1, largest, 0, k),
            tolerance=0.0,
            dtypes=("float32", "float64"),
        )
        for k, largest in ((1, True), (5, True), (60, False))
        for kind, make in (("normal", _normal(3, 99)), ("ties", _ties(3, 99)))
    ),
    harness.Case(
        "kthvalue-across",
        _ties(50, 6),
        lambda x: _C.kthvalue(x[0], 20, 0),
        lambda a: _first(a[0], 0, False, 19, 20),
        tolerance=0.0,
        dtypes=TYPES,
    ),
    *(
        harness.Case(
            f"searchsorted-{right}",
            lambda rng: [np.sort(rng.integers(0, 20, 33).astype(float)), rng.integers(-2, 23, (4, 9)) * 1.0],
            lambda x, right=right: _C.searchsorted(x[0], x[1], None, right),
            lambda a, right=right: np.searchsorted(a[0], a[1], "right" if right else "left"),
            dtypes=("float32", "float64"),
        )
        for right in (False, True)
    ),
]
test_all = harness.make_tests(CASES)


@pytest.mark.parametrize("isa", _C.available_isas())
def test_bad_input(isa):
    x = harness.array(np.arange(6.0))
    with harness.using(isa), harness.guarded():
        bad = harness.array(np.array([0, 9, 2, 3, 4, 5]))
        with pytest.raises(IndexError, match="searchsorted"):
            _C.searchsorted(x, harness.array(np.zeros(1000)), harness.array(np.full(6, 9)), False)
        assert bad.shape == (6,)
    with pytest.raises(ValueError, match="topk: wants ranks"):
        _C.topk(x, 7, 0, True)
    with pytest.raises(ValueError, match="searchsorted"):
        _C.searchsorted(harness.array(np.zeros((2, 3))), harness.array(np.zeros((3, 3))), None, False)
