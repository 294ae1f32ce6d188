"""Running sums, products, extremes and log-sums against NumPy."""

from __future__ import annotations

import numpy as np

import harness
from markone import _C

SHAPES = [((7,), 0), ((3, 50), 1), ((50, 3), 0), ((2, 9, 70), 1), ((2, 40000), 1), ((40000, 3), 0)]


def _normal(*shape):
    return lambda rng: [rng.standard_normal(shape)]


def _last_extreme(x, dim, largest):
    """(values, places), one element after the other; NaN wins."""
    moved = np.moveaxis(x, dim, 0)
    values, places = moved.copy(), np.zeros(moved.shape, np.int64)
    for i in range(1, len(moved)):
        best, v = values[i - 1], moved[i]
        take = np.isnan(v) | (~np.isnan(best) & ((v >= best) if largest else (v <= best)))
        values[i] = np.where(take, v, best)
        places[i] = np.where(take, i, places[i - 1])
    return np.moveaxis(values, 0, dim), np.moveaxis(places, 0, dim)


def _holes(*shape):
    def make(rng):
        x = np.round(rng.standard_normal(shape) * 2)
        x[rng.random(shape) < 0.02] = np.nan
        return [x]

    return make


def _log_sums(x, dim):
    return np.logaddexp.accumulate(x, dim)


def _sum_bound(x, dim):
    return 1.0 * np.abs(x).sum(dim, keepdims=True) + 60 + np.zeros(x.shape)


CASES = [
    *(
        harness.Case(
            f"cumsum-{shape}-{reverse}",
            _normal(*shape),
            lambda x, d=dim, r=reverse: _C.cumsum(x[0], d, r),
            lambda a, d=dim, r=reverse: (
                np.flip(np.cumsum(np.flip(a[0], d), d), d) if r else np.cumsum(a[0], d)
            ),
            # One rounding of the result, and those of up to 40000 additions in double.
            tolerance=lambda a, d=dim: _sum_bound(a[0], d),
            dtypes=("float32", "float64"),
        )
        for shape, dim in SHAPES
        for reverse in (False, True)
    ),
    *(
        harness.Case(
            f"cumprod-{shape}",
            lambda rng, shape=shape: [rng.uniform(0.5, 1.5, shape)],
            lambda x, d=dim: _C.cumprod(x[0], d),
            lambda a, d=dim: np.cumprod(a[0], d),
            tolerance=lambda a, d=dim: 200 * np.cumprod(a[0], d),
            dtypes=("float32", "float64"),
        )
        for shape, dim in SHAPES[:4]
    ),
    *(
        harness.Case(
            f"cumsum-int-{shape}",
            lambda rng, shape=shape: [rng.integers(-50, 50, shape)],
            lambda x, d=dim: (_C.cumsum(x[0], d, False), _C.cumprod(x[0], d)),
            lambda a, d=dim: (np.cumsum(a[0], d), np.cumprod(a[0], d)),
        )
        for shape, dim in SHAPES[1:5]
    ),
    *(
        harness.Case(
            f"cummax-{shape}",
            _holes(*shape),
            lambda x, d=dim: (*_C.cummax(x[0], d), *_C.cummin(x[0], d)),
            lambda a, d=dim: (*_last_extreme(a[0], d, True), *_last_extreme(a[0], d, False)),
            tolerance=0.0,
            dtypes=("float32", "float64", "bfloat16"),
        )
        for shape, dim in SHAPES[:4]
    ),
    *(
        harness.Case(
            f"logcumsumexp-{shape}",
            lambda rng, shape=shape: [rng.standard_normal(shape) * 30],
            lambda x, d=dim: _C.logcumsumexp(x[0], d),
            lambda a, d=dim: _log_sums(a[0], d),
            tolerance=lambda a, d=dim: 8 + 4 * np.abs(_log_sums(a[0], d)),
            dtypes=("float32", "float64"),
        )
        for shape, dim in SHAPES[:4]
    ),
    harness.Case(
        "logcumsumexp-infinite",
        lambda rng: [np.array([-np.inf, -np.inf, 1.0, -np.inf, 800.0, np.inf, 3.0])],
        lambda x: _C.logcumsumexp(x[0], 0),
        lambda a: _log_sums(a[0], 0),
        dtypes=("float32", "float64"),
    ),
]
test_all = harness.make_tests(CASES)
