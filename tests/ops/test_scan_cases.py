"""Running sums, products, extremes and log-sums as users call them."""

from __future__ import annotations

import numpy as np
import pytest

import markone as mo
import surface

X = surface.normal(3, 5, 2)


def _extreme(x, dim, largest):
    values = (np.maximum if largest else np.minimum).accumulate(x, dim)
    n = x.shape[dim]
    shape = [n if i == dim else 1 for i in range(x.ndim)]
    places = np.where(x == values, np.arange(n).reshape(shape), 0)
    return values, np.maximum.accumulate(places, dim)


def _zeros(rng):
    x = rng.standard_normal((4, 5))
    x[0, 2] = x[1, 0] = x[1, 3] = x[2, 4] = 0
    return x


OPS = [
    surface.Op(
        "trapezoid",
        lambda lib, y: lib.trapezoid(y, dx=2.5, dim=1),
        lambda y: (y[:, 1:] + y[:, :-1]).sum(1) * 1.25,
        [X],
    ),
    surface.Op(
        "trapezoid",
        lambda lib, y, x: lib.trapezoid(y, x, dim=-2),
        lambda y, x: ((y[:, 1:] + y[:, :-1]) * np.diff(x)[:, None] / 2).sum(1),
        [X, surface.normal(5)],
        "points",
    ),
    surface.Op(
        "trapezoid",
        lambda lib, y, x: lib.trapezoid(y, x),
        lambda y, x: ((y[:, 1:] + y[:, :-1]) * np.diff(x) / 2).sum(1),
        [surface.normal(3, 4), surface.normal(3, 4)],
        "rows",
    ),
    surface.Op(
        "trapezoid",
        lambda lib, y: lib.trapezoid(y),
        lambda y: y.sum(1),
        [surface.normal(2, 0)],
        "empty",
        no_torch="PyTorch gives zeros without a gradient",
    ),
    surface.Op("cumsum", lambda lib, x: lib.cumsum(x, 1), lambda x: np.cumsum(x, 1), [X]),
    surface.Op(
        "cumsum", lambda lib, x: x.cumsum(-1), lambda x: np.cumsum(x, -1), [surface.normal(0, 3)], "empty"
    ),
    surface.Op("cumsum", lambda lib, x: x.cumsum(0), lambda x: x, [surface.normal()], "0-d"),
    surface.Op(
        "cumsum",
        lambda lib, x: lib.cumsum(x, 0, dtype=lib.float64),
        lambda x: np.cumsum(x, 0).astype(np.float64),
        [surface.integers(-5, 5, 4, 3)],
        "dtype",
    ),
    surface.Op("cumsum", lambda lib, x: x.cumsum(0), lambda x: np.cumsum(x, 0), [surface.bools(6)], "bool"),
    surface.Op("Tensor.cumsum_", lambda lib, x: (x * 1).cumsum_(2), lambda x: np.cumsum(x, 2), [X]),
    surface.Op("cumprod", lambda lib, x: lib.cumprod(x, 1), lambda x: np.cumprod(x, 1), [X]),
    surface.Op("cumprod", lambda lib, x: x.cumprod(1), lambda x: np.cumprod(x, 1), [_zeros], "zeros"),
    surface.Op("cumprod", lambda lib, x: x.cumprod(0), lambda x: x, [surface.normal()], "0-d"),
    surface.Op("Tensor.cumprod_", lambda lib, x: (x * 1).cumprod_(0), lambda x: np.cumprod(x, 0), [X]),
    *(
        surface.Op(
            name,
            lambda lib, x, name=name: getattr(lib, name)(x, 1),
            lambda x, name=name: _extreme(x, 1, name == "cummax"),
            [surface.distinct(3, 5, 2)],
        )
        for name in ("cummax", "cummin")
    ),
    surface.Op(
        "cummax",
        lambda lib, x: x.cummax(0),
        lambda x: _extreme(x, 0, True),
        [surface.integers(0, 4, 9)],
        "ties",
    ),
    surface.Op(
        "logcumsumexp",
        lambda lib, x: lib.logcumsumexp(x, 1),
        lambda x: np.logaddexp.accumulate(x, 1),
        [surface.normal(2, 4, 3, scale=3.0)],
    ),
    surface.Op("logcumsumexp", lambda lib, x: x.logcumsumexp(0), lambda x: x, [surface.normal()], "0-d"),
]
test_all = surface.make_tests(OPS)


def test_log_sum_gradient_is_stable():
    x = mo.tensor([-1000.0, 0.0, 1000.0, -1000.0], dtype=mo.float64, requires_grad=True)
    x.logcumsumexp(0).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 2.0, 0.0]


def test_errors():
    x = mo.zeros(3)
    for name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
        with pytest.raises(IndexError, match=name):
            getattr(x, name)(1)
    with pytest.raises(RuntimeError, match="logcumsumexp"):
        mo.zeros(3, dtype=mo.int64).logcumsumexp(0)
