"""Medians, quantiles, modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import against_torch as at
import markone as mo
import surface

Op, distinct, normal, integers = surface.Op, surface.distinct, surface.normal, surface.integers


def _lower(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return np.quantile(x, 0.5, axis=axis, method="lower", keepdims=keepdims)


def _holes(rng: np.random.Generator) -> np.ndarray:
    x = distinct(4, 5)(rng)
    x[1, :3] = x[2, 0] = np.nan
    return x


def _nan_lower(x: np.ndarray, axis: Any = None) -> np.ndarray:
    return np.nanquantile(x, 0.5, axis=axis, method="lower")


Q = np.array([0.0, 0.3, 0.5, 0.95, 1.0])
OPS = [
    Op("median", lambda lib, x: lib.median(x), _lower, [distinct(3, 4)], label="all"),
    Op("median", lambda lib, x: lib.median(x), _lower, [normal()], label="0d"),
    Op("median", lambda lib, x: lib.median(x), _lower, [integers(-9, 9, 7)], label="integers"),
    *(
        Op(
            "median",
            lambda lib, x, d=d, k=k: lib.median(x, d, k).values,
            lambda x, d=d, k=k: _lower(x, d, k),
            [distinct(3, 4, 2)],
            label=f"{d} {k}",
        )
        for d, k in ((0, False), (1, True), (-1, False))
    ),
    Op(
        "median",
        lambda lib, x: lib.median(x, 1),
        lambda x: (_lower(x, 1), np.argsort(x, 1)[:, 2]),
        [distinct(3, 5)],
        label="pair",
    ),
    Op(
        "nanmedian",
        lambda lib, x: lib.nanmedian(x),
        _nan_lower,
        [_holes],
        label="all",
        no_grad="differences meet NaN",
    ),
    Op(
        "nanmedian",
        lambda lib, x: lib.nanmedian(x, 1).values,
        lambda x: _nan_lower(x, 1),
        [_holes],
        label="dim",
        no_grad="differences meet NaN",
    ),
    Op(
        "nanmedian",
        lambda lib, x: lib.nanmedian(x, 1).values,
        lambda x: _lower(x, 1),
        [distinct(3, 4)],
        label="whole",
    ),
    *(
        Op(
            "quantile",
            lambda lib, x, q, m=m: lib.quantile(x, q.detach(), 1, interpolation=m),
            lambda x, q, m=m: np.quantile(x, q, axis=1, method=m),
            [distinct(3, 4, 2), Q],
            label=m,
            no_grad="q has none, the input's is checked with a number",
        )
        for m in ("linear", "lower", "higher", "midpoint", "nearest")
    ),
    *(
        Op(
            "quantile",
            lambda lib, x, d=d, k=k: lib.quantile(x, 0.3, d, k),
            lambda x, d=d, k=k: np.quantile(x, 0.3, axis=d, keepdims=k),
            [distinct(3, 4, 2)],
            label=f"{d} {k}",
        )
        for d, k in ((None, False), (0, True), (-1, False), (None, True))
    ),
    Op(
        "nanquantile",
        lambda lib, x: lib.nanquantile(x, 0.3, 1),
        lambda x: np.nanquantile(x, 0.3, axis=1),
        [_holes],
        no_grad="differences meet NaN",
    ),
    Op(
        "nanquantile",
        lambda lib, x: lib.nanquantile(x, 0.6, 0, True),
        lambda x: np.nanquantile(x, 0.6, axis=0, keepdims=True),
        [distinct(3, 4)],
        label="whole",
    ),
    *(
        Op(
            "mode",
            lambda lib, x, d=d, k=k: lib.mode(x, d, k).values,
            lambda x, d=d, s=s: np.apply_along_axis(lambda v: np.bincount(v + 9).argmax() - 9, d, x).reshape(
                s
            ),
            [integers(-3, 3, 5, 6)],
            label=f"{d} {k}",
        )
        for d, k, s in ((0, False, (6,)), (1, True, (5, 1)), (-1, False, (5,)))
    ),
    Op(
        "mode", lambda lib, x: lib.mode(x).values, lambda x: np.min(x, -1), [distinct(3, 4)], label="distinct"
    ),
]
test_all = surface.make_tests(OPS)


def test_nan_wins():
    x = np.array([[1.0, np.nan, 3.0], [2.0, 1.0, 0.0]])
    at.compare(lambda lib, x: [*lib.median(x, 1), lib.median(x), lib.quantile(x, 0.5, 1)], [x], leaves=False)
    empty = np.full(3, np.nan)
    at.compare(lambda lib, x: [lib.nanmedian(x), lib.nanquantile(x, 0.5)], [empty], leaves=False)


def test_bad_input():
    for name, call in {
        "quantile": lambda: mo.quantile(mo.ones(2), 1.5),
        "nanquantile": lambda: mo.nanquantile(mo.ones(2), 0.5, interpolation="cubic"),
        "median": lambda: mo.median(mo.zeros(0, 2), 0),
        "mode": lambda: mo.mode(mo.zeros(0)),
    }.items():
        with pytest.raises((RuntimeError, IndexError), match=name):
            call()
    with pytest.raises(RuntimeError, match="quantile: wants a floating type"):
        mo.quantile(mo.arange(3), 0.5)
