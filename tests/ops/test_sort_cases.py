"""Sorting, selecting and searching as users call them."""

from __future__ import annotations

import numpy as np
import pytest

import markone as mo
import surface


def _order(x, dim=-1, descending=False):
    if x.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x, dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim)


def _sorted(x, dim=-1, descending=False, k=None):
    order = _order(x, dim, descending)
    if x.ndim == 0:
        return x, order
    order = np.take(order, range(x.shape[dim] if k is None else k), dim)
    return np.take_along_axis(x, order, dim), order


def _kth(x, k, dim, keepdim=False):
    values, order = (np.take(a, [k - 1], dim) for a in _sorted(x, dim))
    return (values, order) if keepdim else (values.squeeze(dim), order.squeeze(dim))


X = surface.distinct(3, 5, 4)
SEQ = np.array([0.5, 1.0, 1.0, 2.5, 4.0])
NO_GRAD = "integers"
OPS = [
    surface.Op("sort", lambda lib, x: lib.sort(x), _sorted, [X], "last"),
    surface.Op(
        "sort",
        lambda lib, x: x.sort(dim=1, descending=True, stable=True),
        lambda x: _sorted(x, 1, True),
        [X],
        "down",
    ),
    surface.Op(
        "sort", lambda lib, x: lib.sort(x, 0), lambda x: _sorted(x, 0), [surface.distinct(0, 3)], "empty"
    ),
    surface.Op("sort", lambda lib, x: lib.sort(x), _sorted, [surface.normal()], "0-d"),
    surface.Op("argsort", lambda lib, x: lib.argsort(x, 1), lambda x: _order(x, 1), [X], no_grad=NO_GRAD),
    surface.Op(
        "argsort",
        lambda lib, x: x.argsort(dim=0, descending=True),
        lambda x: _order(x, 0, True),
        [X],
        "down",
        no_grad=NO_GRAD,
    ),
    surface.Op("msort", lambda lib, x: lib.msort(x), lambda x: np.sort(x, 0), [X]),
    surface.Op("topk", lambda lib, x: lib.topk(x, 2), lambda x: _sorted(x, -1, True, 2), [X]),
    surface.Op(
        "topk", lambda lib, x: x.topk(4, 1, False), lambda x: _sorted(x, 1, False, 4), [X], "smallest"
    ),
    surface.Op("topk", lambda lib, x: lib.topk(x, 5, 1), lambda x: _sorted(x, 1, True), [X], "all"),
    surface.Op("topk", lambda lib, x: lib.topk(x, 0), lambda x: _sorted(x, -1, True, 0), [X], "none"),
    surface.Op("topk", lambda lib, x: lib.topk(x, 1), _sorted, [surface.normal()], "0-d"),
    surface.Op("kthvalue", lambda lib, x: lib.kthvalue(x, 2), lambda x: _kth(x, 2, -1), [X]),
    surface.Op(
        "kthvalue", lambda lib, x: x.kthvalue(5, 1, True), lambda x: _kth(x, 5, 1, True), [X], "keepdim"
    ),
    *(
        surface.Op(
            "searchsorted",
            lambda lib, s, x, right=right: lib.searchsorted(s, x, right=right),
            lambda s, x, right=right: np.searchsorted(s, x, "right" if right else "left"),
            [SEQ, np.array([[0.0, 1.0, 2.5], [3.0, 9.0, 0.5]])],
            f"right-{right}",
            no_grad=NO_GRAD,
        )
        for right in (False, True)
    ),
    surface.Op(
        "searchsorted",
        lambda lib, s, x, o: lib.searchsorted(s, x, side="right", sorter=o),
        lambda s, x, o: np.stack([np.searchsorted(a, b, "right", sorter=c) for a, b, c in zip(s, x, o)]),
        [
            np.array([[3.0, 1.0, 2.0], [5.0, 4.0, 6.0]]),
            np.array([[2.0, 0.0], [4.5, 9.0]]),
            np.array([[1, 2, 0], [1, 0, 2]]),
        ],
        "rows-sorter",
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "bucketize",
        lambda lib, x, s: lib.bucketize(x, s, right=True, out_int32=True),
        lambda x, s: np.searchsorted(s, x, "right").astype(np.int32),
        [surface.uniform(3, 4, high=5.0), SEQ],
        no_grad=NO_GRAD,
    ),
]
test_all = surface.make_tests(OPS)


def test_integers_and_nan():
    x = np.array([2, 0, 2, 1, 0])
    assert mo.tensor(x).sort().indices.tolist() == [1, 4, 3, 0, 2]
    assert mo.tensor([True, False]).sort().values.tolist() == [False, True]
    nan = mo.tensor([1.0, float("nan"), -0.0, 0.0])
    assert nan.sort().indices.tolist() == [2, 3, 0, 1]
    assert nan.sort(descending=True).indices.tolist() == [1, 0, 2, 3]
    assert mo.topk(nan, 1).indices.tolist() == [1]
    assert mo.searchsorted(mo.tensor([1, 3, 5]), 3).item() == 1


def test_errors():
    x = mo.zeros(3)
    with pytest.raises(RuntimeError, match="topk"):
        x.topk(4)
    with pytest.raises(RuntimeError, match="kthvalue"):
        x.kthvalue(0)
    with pytest.raises(IndexError, match="sort"):
        x.sort(1)
    with pytest.raises(RuntimeError, match="searchsorted"):
        mo.searchsorted(x, x, side="middle")
    with pytest.raises(RuntimeError, match="bucketize"):
        mo.bucketize(x, mo.zeros(2, 2))
