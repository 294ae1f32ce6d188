"""Reductions, over every kind of dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import markone as mo
import surface

Op, normal, uniform, distinct = surface.Op, surface.normal, surface.uniform, surface.distinct
integers, bools = surface.integers, surface.bools

# label -> (arguments of the call, axis and keepdims of NumPy's)
PLACES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "all": ({}, {}),
    "last": ({"dim": -1}, {"axis": -1}),
    "first kept": ({"dim": 0, "keepdim": True}, {"axis": 0, "keepdims": True}),
    "two": ({"dim": (0, 2)}, {"axis": (0, 2)}),
}


def _places(name: str, reference: Callable[..., Any], make: Any, only: str = "", **more: Any) -> list[Op]:
    return [
        Op(
            name,
            lambda lib, x, o=ours: getattr(lib, name)(x, **o),
            lambda x, t=theirs: reference(x, **t),
            [make],
            label=label,
            **more,
        )
        for label, (ours, theirs) in PLACES.items()
        if not only or label in only.split(",")
    ]


def _one(name: str, reference: Any, make: Any, label: str, *args: Any, **more: Any) -> Op:
    return Op(name, lambda lib, x: getattr(lib, name)(x, *args), reference, [make], label=label, **more)


def _logsumexp(x, **k):
    return np.log(np.exp(x).sum(**k))


def _norm(p: Any) -> Callable[..., Any]:
    def f(x: np.ndarray, **k: Any) -> Any:
        a = np.abs(x)
        if p in (np.inf, -np.inf):
            return a.max(**k) if p > 0 else a.min(**k)
        return (x != 0).sum(**k).astype(x.dtype) if p == 0 else (a**p).sum(**k) ** (1 / p)

    return f


def _with_nan(*shape: int) -> Any:
    def make(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal(shape)
        x.reshape(-1)[::5] = np.nan
        return x

    return make


THREE = normal(3, 4, 2)
NO_DECISION = "a truth has no gradient"
OPS = [
    *_places("sum", np.sum, THREE),
    *_places("mean", np.mean, THREE),
    *_places("var", lambda x, **k: np.var(x, ddof=1, **k), THREE),
    *_places("std", lambda x, **k: np.std(x, ddof=1, **k), THREE),
    *_places("amax", np.max, distinct(3, 4, 2)),
    *_places("amin", np.min, distinct(3, 4, 2)),
    *_places("prod", np.prod, uniform(3, 4, 2, low=0.5, high=2.0), only="all,last,first kept"),
    *_places("logsumexp", _logsumexp, THREE, only="last,first kept,two"),
    *_places("nansum", np.nansum, _with_nan(3, 4, 2), no_grad=""),
    *_places("nanmean", np.nanmean, _with_nan(3, 4, 2)),
    *_places("all", np.all, bools(3, 4, 2), no_grad=NO_DECISION),
    *_places("any", np.any, bools(3, 4, 2), no_grad=NO_DECISION),
    Op("sum", lambda lib, x: lib.sum(x), np.sum, [normal(0, 3)], label="empty"),
    Op("sum", lambda lib, x: lib.sum(x, 0), lambda x: np.sum(x, 0), [normal(0, 3)], label="empty dim"),
    Op("sum", lambda lib, x: lib.sum(x), np.sum, [normal()], label="0d"),
    Op(
        "sum", lambda lib, x: lib.sum(x, 1), lambda x: np.sum(x, 1), [integers(-9, 9, 3, 4)], label="integers"
    ),
    Op(
        "sum",
        lambda lib, x: lib.sum(x, 1, dtype=lib.float64),
        lambda x: np.sum(x, 1, dtype=np.float64),
        [integers(-9, 9, 3, 4, dtype="int32")],
        label="dtype",
    ),
    Op("mean", lambda lib, x: lib.mean(x), np.mean, [normal()], label="0d"),
    Op("prod", lambda lib, x: lib.prod(x), np.prod, [np.array([2.0, 0.0, 3.0, 0.5])], label="a zero"),
    Op("prod", lambda lib, x: lib.prod(x, 0), lambda x: np.prod(x, 0), [normal(0, 3)], label="empty"),
    Op("amax", lambda lib, x: lib.amax(x), np.max, [normal()], label="0d"),
    Op("amin", lambda lib, x: lib.amin(x, 1), lambda x: np.min(x, 1), [distinct(3, 4)], label="rows"),
    *(
        Op(
            name,
            lambda lib, x, name=name: tuple(getattr(lib, name)(x, 1)),
            lambda x, a=a, b=b: (a(x, 1), b(x, 1)),
            [distinct(3, 4, 2)],
            label="pairs",
        )
        for name, a, b in (("max", np.max, np.argmax), ("min", np.min, np.argmin))
    ),
    Op("max", lambda lib, x: lib.max(x), np.max, [distinct(3, 4)], label="all"),
    Op("min", lambda lib, x: lib.min(x), np.min, [distinct(3, 4)], label="all"),
    Op("max", lambda lib, x, y: lib.max(x, y), np.maximum, [normal(3, 4), normal(4)], label="two tensors"),
    Op("min", lambda lib, x, y: lib.min(x, y), np.minimum, [normal(3, 4), normal(4)], label="two tensors"),
    *(
        Op(
            name,
            lambda lib, x, name=name, k=k: getattr(lib, name)(x, **k),
            lambda x, f=f, a=a: f(x, **a),
            [distinct(3, 4, 2)],
            label=label,
            no_grad="an index has no gradient",
        )
        for name, f in (("argmax", np.argmax), ("argmin", np.argmin))
        for label, k, a in (
            ("all", {}, {}),
            ("dim", {"dim": 1}, {"axis": 1}),
            ("kept", {"dim": -1, "keepdim": True}, {"axis": -1, "keepdims": True}),
        )
    ),
    *(
        Op(
            "count_nonzero",
            lambda lib, x, d=d: lib.count_nonzero(x, d),
            lambda x, d=d: np.count_nonzero(x, d),
            [integers(-1, 2, 3, 4)],
            label=str(d),
            no_grad=NO_DECISION,
        )
        for d in (None, 1)
    ),
    *(
        Op(
            "var",
            lambda lib, x, c=c: lib.var(x, 1, correction=c),
            lambda x, c=c: np.var(x, 1, ddof=c),
            [THREE],
            label=f"correction {c}",
        )
        for c in (0, 2)
    ),
    *(
        Op(
            f"{name}_mean",
            lambda lib, x, name=name, o=o: getattr(lib, f"{name}_mean")(x, **o),
            lambda x, f=f, t=t: (f(x, ddof=1, **t), np.mean(x, **t)),
            [THREE],
            label=label,
        )
        for name, f in (("var", np.var), ("std", np.std))
        for label, (o, t) in PLACES.items()
    ),
    *(
        op
        for p in (0, 1, 2, 3, 1.5, np.inf, -np.inf)
        for op in (
            Op(
                "norm",
                lambda lib, x, p=p: lib.norm(x, p, 1),
                lambda x, p=p: _norm(p)(x, axis=1),
                [distinct(3, 4, 2, step=0.2)],
                label=f"{p}",
                no_grad="a count is constant" if p == 0 else "",
                no_torch="PyTorch's gradient of a count is zeros" if p == 0 else "",
            ),
        )
    ),
    Op("norm", lambda lib, x: lib.norm(x), lambda x: _norm(2)(x), [THREE], label="all"),
    Op(
        "norm",
        lambda lib, x: lib.norm(x, dim=(0, 1), keepdim=True),
        lambda x: _norm(2)(x, axis=(0, 1), keepdims=True),
        [THREE],
        label="two kept",
    ),
    *(
        Op(
            "dist",
            lambda lib, x, y, p=p: lib.dist(x, y, p),
            lambda x, y, p=p: _norm(p)(x - y),
            [normal(3, 4), normal(*s)],
            label=f"{p}-{s}",
        )
        for p, s in ((2, (3, 4)), (1, (4,)), (3, (3, 4)))
    ),
    *(
        Op(
            "aminmax",
            lambda lib, x, o=o: tuple(lib.aminmax(x, **o)),
            lambda x, t=t: (np.min(x, **t), np.max(x, **t)),
            [distinct(3, 4, 2)],
            label=label,
        )
        for label, (o, t) in PLACES.items()
        if label != "two"
    ),
    *(
        Op(
            "renorm",
            lambda lib, x, p=p, d=d: lib.renorm(x, p, d, 1.5),
            lambda x, p=p, d=d: _renorm(x, p, d, 1.5),
            [normal(3, 4, 2)],
            label=f"{p}-{d}",
        )
        for p, d in ((2, 0), (1, 1), (3, -1))
    ),
    Op("cov", lambda lib, x: lib.cov(x), np.cov, [normal(3, 6)]),
    Op("cov", lambda lib, x: lib.cov(x), np.cov, [normal(6)], label="vector"),
    Op(
        "cov", lambda lib, x: lib.cov(x, correction=0), lambda x: np.cov(x, ddof=0), [normal(3, 6)], label="0"
    ),
    Op(
        "cov",
        lambda lib, x, f, a: lib.cov(x, fweights=f, aweights=a),
        lambda x, f, a: np.cov(x, fweights=f, aweights=a),
        [normal(3, 6), integers(1, 5, 6), uniform(6, low=0.2, high=2.0)],
        label="weights",
    ),
    Op(
        "cov",
        lambda lib, x, f: lib.cov(x, fweights=f),
        lambda x, f: np.cov(x, fweights=f),
        [normal(3, 6), integers(1, 5, 6)],
        label="counts",
    ),
    Op(
        "corrcoef",
        lambda lib, x: lib.corrcoef(x) * 0.9,
        lambda x: np.corrcoef(x) * 0.9,
        [normal(3, 6)],
        torch_atol=1e-9,
    ),
    Op(
        "allclose",
        lambda lib, x, y: lib.tensor([lib.allclose(x, y)]),
        lambda x, y: np.array([np.allclose(x, y)]),
        [np.ones(3), np.ones(3) + 1e-9],
        no_grad=NO_DECISION,
    ),
    Op(
        "equal",
        lambda lib, x, y: lib.tensor([lib.equal(x, y)]),
        lambda x, y: np.array([np.array_equal(x, y)]),
        [np.ones(3), np.ones(3)],
        no_grad=NO_DECISION,
    ),
    Op(
        "isclose",
        lambda lib, x, y: lib.isclose(x, y, equal_nan=True),
        lambda x, y: np.isclose(x, y, equal_nan=True),
        [np.array([1.0, 2.0, np.nan, np.inf, 1e-3]), np.array([1.0, 2.1, np.nan, np.inf, 1e-3 + 1e-9])],
        no_grad=NO_DECISION,
    ),
]


def _renorm(x: np.ndarray, p: float, d: int, most: float) -> np.ndarray:
    axes = tuple(i for i in range(x.ndim) if i != d % x.ndim)
    size = (np.abs(x) ** p).sum(axes, keepdims=True) ** (1 / p)
    return np.where(size > most, x * (most / (size + 1e-7)), x)


test_all = surface.make_tests(OPS)


def test_bad_input():
    for name, call in {
        "nanmean": lambda: mo.nanmean(mo.arange(3)),
        "renorm": lambda: mo.renorm(mo.ones(2, 2), 2, 0, -1),
        "cov": lambda: mo.cov(mo.ones(2, 2, 2)),
        "aminmax": lambda: mo.aminmax(mo.ones(2), dim=3),
        "sum": lambda: mo.sum(mo.ones(2), 2),
        "mean": lambda: mo.mean(mo.arange(3)),
    }.items():
        with pytest.raises((RuntimeError, IndexError), match=name):
            call()


def test_weighted_covariance_needs_fitting_weights():
    with pytest.raises(RuntimeError, match="cov: fweights has shape"):
        mo.cov(mo.ones(2, 3), fweights=mo.ones(2, dtype=mo.int64))
    with pytest.raises(RuntimeError, match="cov: fweights must be integers"):
        mo.cov(mo.ones(2, 3), fweights=mo.ones(3))
