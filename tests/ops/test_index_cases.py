"""Indexing, gather, scatter, masks and what is counted, as users call them."""

from __future__ import annotations

import numpy as np
import pytest

import markone as mo
import surface

X = surface.normal(3, 4, 5)
NO_GRAD = "integers or bools"
G = np.array([[[0, 1, 1], [2, 0, -1]], [[1, 1, 0], [0, 2, 2]]])
G0 = G % 3
I3 = np.array([2, 0, 2])


def _scatter(x, index, src, dim, how="put", include_self=True):
    """Element by element."""
    out, touched = x.copy(), {}
    for at in np.ndindex(index.shape):
        to = list(at)
        to[dim] = index[at]
        touched.setdefault(tuple(to), []).append(src[at])
    for to, values in touched.items():
        if how == "put":
            out[to] = values[-1]
            continue
        values = [out[to], *values] if include_self else values
        meet = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}[how]
        out[to] = meet(values)
    return out


def _rows(x, index, source, dim, how, include_self=True):
    shape = [len(index) if i == dim else 1 for i in range(x.ndim)]
    return _scatter(x, np.broadcast_to(index.reshape(shape), source.shape), source, dim, how, include_self)


def _set(lib, x, key, value):
    y = x * 1
    y[key] = value
    return y


def _np_set(x, key, value):
    y = x.copy()
    y[key] = value
    return y


def _item(label, key, np_key=None):
    where = key if np_key is None else np_key
    return [
        surface.Op("Tensor.__getitem__", lambda lib, x: x[key(lib)], lambda x: x[where(np)], [X], label),
        surface.Op(
            "Tensor.__setitem__",
            lambda lib, x, v: _set(lib, x, key(lib), v),
            lambda x, v: _np_set(x, where(np), v),
            [X, surface.normal()],
            label,
        ),
    ]


def _t(lib, values):
    return np.array(values) if lib is np else lib.tensor(values)


OPS = [
    *_item("basic", lambda lib: (1, ..., None, slice(0, 5, 2))),
    *_item("index", lambda lib: (slice(1, None), _t(lib, [3, 0, -3]))),
    *_item("apart", lambda lib: (_t(lib, [0, 2]), slice(None), _t(lib, [[1], [4]]))),
    *_item("mask", lambda lib: _t(lib, [[True, False, True, False]] * 3)),
    *_item("empty", lambda lib: (slice(2, 2),)),
    surface.Op(
        "index_put",
        lambda lib, x, v: x.index_put((lib.tensor([0, 2]), lib.tensor([1, 1])), v),
        lambda x, v: _np_set(x, ([0, 2], [1, 1]), v),
        [X, surface.normal(2, 5)],
    ),
    surface.Op(
        "Tensor.index_put_",
        lambda lib, x, v: (x * 1).index_put_((lib.tensor([1, 1]),), v, accumulate=True),
        lambda x, v: np.stack([x[0], x[1] + v[0] + v[1], x[2]]),
        [X, surface.normal(2, 4, 5)],
    ),
    surface.Op(
        "gather",
        lambda lib, x, i: lib.gather(x, 2, i),
        lambda x, i: np.take_along_axis(x[:2, :2], i, 2),
        [X, G % 5],
    ),
    surface.Op(
        "gather",
        lambda lib, x, i: x.gather(0, i),
        lambda x, i: np.take_along_axis(x[:, :2, :3], i, 0),
        [X, G0],
        "outer",
    ),
    surface.Op(
        "gather", lambda lib, x, i: x.gather(0, i), lambda x, i: x, [surface.normal(), np.array(0)], "0-d"
    ),
    surface.Op(
        "take_along_dim",
        lambda lib, x, i: lib.take_along_dim(x, i, 1),
        lambda x, i: np.take_along_axis(x, i, 1),
        [X, np.array([[[1, 0, 3, 2, 2]]])],
        "broadcast",
    ),
    surface.Op(
        "take_along_dim",
        lambda lib, x, i: lib.take_along_dim(x, i),
        lambda x, i: x.ravel()[i],
        [X, np.array([7, 0, 7])],
    ),
    surface.Op(
        "scatter",
        lambda lib, x, i, s: lib.scatter(x, 2, i, s),
        lambda x, i, s: _scatter(x, i, s, 2),
        [X, np.array([[[0, 4], [3, 1]]]), surface.normal(2, 3, 2)],
        "larger source",
        no_torch="its gradient wants a source of the index's shape",
    ),
    surface.Op(
        "scatter",
        lambda lib, x, i, s: x.scatter(-1, i, s),
        lambda x, i, s: _scatter(x, i, s, 2),
        [X, np.array([[[0, 4], [3, 1]]]), surface.normal(1, 2, 2)],
    ),
    surface.Op(
        "scatter",
        lambda lib, x, i: x.scatter(1, i, 2.5),
        lambda x, i: _scatter(x, i, np.full(i.shape, 2.5), 1),
        [X, G0],
        "value",
    ),
    surface.Op(
        "scatter",
        lambda lib, x, i, s: x.scatter(1, i, s, reduce="add"),
        lambda x, i, s: _scatter(x, i, s, 1, "sum"),
        [X, G0, surface.normal(2, 2, 3)],
        "add",
        no_grad="PyTorch has none",
    ),
    surface.Op(
        "Tensor.scatter_",
        lambda lib, x, i: (x * 1).scatter_(0, i, 1.0),
        lambda x, i: _scatter(x, i, np.ones(i.shape), 0),
        [X, G0],
    ),
    surface.Op(
        "scatter_add",
        lambda lib, x, i, s: lib.scatter_add(x, 1, i, s),
        lambda x, i, s: _scatter(x, i, s, 1, "sum"),
        [X, G0, surface.normal(2, 2, 3)],
    ),
    surface.Op(
        "Tensor.scatter_add_",
        lambda lib, x, i, s: (x * 1).scatter_add_(0, i, s),
        lambda x, i, s: _scatter(x, i, s, 0, "sum"),
        [X, G0, surface.normal(2, 2, 3)],
    ),
    *(
        surface.Op(
            "scatter_reduce",
            lambda lib, x, i, s, how=how, own=own: x.scatter_reduce(1, i, s, how, include_self=own),
            lambda x, i, s, how=how, own=own: _scatter(x, i, s, 1, how, own),
            [X, G0, surface.normal(2, 2, 3)],
            f"{how}-{own}",
        )
        for how in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ),
    surface.Op(
        "Tensor.scatter_reduce_",
        lambda lib, x, i, s: (x * 1).scatter_reduce_(1, i, s, "amax"),
        lambda x, i, s: _scatter(x, i, s, 1, "amax"),
        [X, G0, surface.normal(2, 2, 3)],
    ),
    surface.Op("index_select", lambda lib, x, i: lib.index_select(x, 1, i), lambda x, i: x[:, i], [X, I3]),
    surface.Op(
        "index_add",
        lambda lib, x, i, s: lib.index_add(x, 1, i, s, alpha=2),
        lambda x, i, s: _rows(x, i, 2 * s, 1, "sum"),
        [X, I3, surface.normal(3, 3, 5)],
    ),
    surface.Op(
        "Tensor.index_add_",
        lambda lib, x, i, s: (x * 1).index_add_(0, i, s),
        lambda x, i, s: _rows(x, i, s, 0, "sum"),
        [X, I3, surface.normal(3, 4, 5)],
    ),
    surface.Op(
        "index_copy",
        lambda lib, x, i, s: lib.index_copy(x, 2, i, s),
        lambda x, i, s: _rows(x, i, s, 2, "put"),
        [X, np.array([4, 1]), surface.normal(3, 4, 2)],
    ),
    surface.Op(
        "Tensor.index_copy_",
        lambda lib, x, i, s: (x * 1).index_copy_(0, i, s),
        lambda x, i, s: _rows(x, i, s, 0, "put"),
        [X, np.array([1]), surface.normal(1, 4, 5)],
    ),
    surface.Op(
        "index_fill",
        lambda lib, x, i: lib.index_fill(x, 1, i, -2.0),
        lambda x, i: _np_set(x, (slice(None), i), -2.0),
        [X, I3],
    ),
    surface.Op(
        "Tensor.index_fill_",
        lambda lib, x, i, v: (x * 1).index_fill_(0, i, v),
        lambda x, i, v: _np_set(x, i, v),
        [X, np.array([1]), surface.normal()],
    ),
    *(
        surface.Op(
            "index_reduce",
            lambda lib, x, i, s, how=how, own=own: lib.index_reduce(x, 1, i, s, how, include_self=own),
            lambda x, i, s, how=how, own=own: _rows(x, i, s, 1, how, own),
            [X, I3, surface.normal(3, 3, 5)],
            f"{how}-{own}",
        )
        for how in ("prod", "mean", "amax", "amin")
        for own in (True, False)
    ),
    surface.Op(
        "Tensor.index_reduce_",
        lambda lib, x, i, s: (x * 1).index_reduce_(0, i, s, "mean"),
        lambda x, i, s: _rows(x, i, s, 0, "mean"),
        [X, I3, surface.normal(3, 4, 5)],
    ),
    surface.Op(
        "masked_fill",
        lambda lib, x, m: lib.masked_fill(x, m, 3.0),
        lambda x, m: np.where(m, 3.0, x),
        [X, surface.bools(4, 1)],
    ),
    surface.Op(
        "Tensor.masked_fill_",
        lambda lib, x, m, v: (x * 1).masked_fill_(m, v),
        lambda x, m, v: np.where(m, v, x),
        [X, surface.bools(3, 4, 5), surface.normal()],
    ),
    surface.Op(
        "masked_select",
        lambda lib, x, m: lib.masked_select(x, m),
        lambda x, m: x[np.broadcast_to(m, x.shape)],
        [X, surface.bools(4, 1)],
    ),
    surface.Op(
        "masked_scatter",
        lambda lib, x, m, s: lib.masked_scatter(x, m, s),
        lambda x, m, s: _np_set(x, m, s.ravel()[: m.sum()]),
        [X, surface.bools(3, 4, 5), surface.normal(6, 10)],
    ),
    surface.Op(
        "Tensor.masked_scatter_",
        lambda lib, x, m, s: (x * 1).masked_scatter_(m, s),
        lambda x, m, s: _np_set(x, np.broadcast_to(m, x.shape), s.ravel()[: 3 * 4 * m.sum()]),
        [X, np.array([True, False, True, False, True]), surface.normal(60)],
    ),
    surface.Op(
        "take", lambda lib, x, i: lib.take(x, i), lambda x, i: x.ravel()[i], [X, np.array([[0, 59], [-1, 7]])]
    ),
    surface.Op(
        "put",
        lambda lib, x, i, s: x.put(i, s),
        lambda x, i, s: _np_set(x.ravel(), i, s).reshape(x.shape),
        [X, np.array([3, 59]), surface.normal(2)],
    ),
    surface.Op(
        "Tensor.put_",
        lambda lib, x, i, s: (x * 1).put_(i, s, accumulate=True),
        lambda x, i, s: (x.ravel() + np.bincount(i, s, 60)).reshape(x.shape),
        [X, np.array([3, 9, 3]), surface.normal(3)],
    ),
    surface.Op(
        "nonzero",
        lambda lib, x: lib.nonzero(x),
        lambda x: np.argwhere(x),
        [surface.integers(0, 2, 4, 5)],
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "nonzero",
        lambda lib, x: x.nonzero(as_tuple=True),
        lambda x: np.nonzero(x),
        [surface.bools(3, 4)],
        "tuple",
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "argwhere",
        lambda lib, x: lib.argwhere(x),
        lambda x: np.argwhere(x),
        [surface.bools(3, 0)],
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "where",
        lambda lib, x: lib.where(x),
        lambda x: np.nonzero(x),
        [surface.bools(3, 4)],
        "condition",
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "unique",
        lambda lib, x: lib.unique(x, return_inverse=True, return_counts=True),
        lambda x: (
            np.unique(x),
            np.unique(x, return_inverse=True)[1].reshape(x.shape),
            np.unique(x, return_counts=True)[1],
        ),
        [surface.integers(-3, 4, 5, 6)],
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "unique",
        lambda lib, x: x.unique(),
        lambda x: np.unique(x),
        [surface.normal(0)],
        "empty",
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "unique",
        lambda lib, x: x.unique(dim=1, return_counts=True),
        lambda x: np.unique(x, axis=1, return_counts=True),
        [surface.integers(0, 2, 2, 9)],
        "dim",
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "unique_consecutive",
        lambda lib, x: lib.unique_consecutive(x, return_inverse=True, return_counts=True),
        lambda x: (np.array([1, 2, 1, 3]), np.array([0, 0, 1, 2, 3, 3, 3]), np.array([2, 1, 1, 3])),
        [np.array([1, 1, 2, 1, 3, 3, 3])],
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "isin",
        lambda lib, x, t: lib.isin(x, t),
        lambda x, t: np.isin(x, t),
        [surface.integers(0, 9, 4, 5), np.array([7, 1, 1])],
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "isin",
        lambda lib, x: lib.isin(x, 3, invert=True),
        lambda x: x != 3,
        [surface.integers(0, 5, 9)],
        "number",
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "bincount",
        lambda lib, x: lib.bincount(x, minlength=9),
        lambda x: np.bincount(x, minlength=9),
        [surface.integers(0, 6, 20)],
        no_grad=NO_GRAD,
    ),
    surface.Op(
        "bincount",
        lambda lib, x, w: x.bincount(w),
        lambda x, w: np.bincount(x, w),
        [surface.integers(0, 6, 20), surface.normal(20)],
        "weights",
        no_grad="counts",
    ),
    surface.Op(
        "histc",
        lambda lib, x: lib.histc(x, 7, -2, 2),
        lambda x: np.histogram(x, 7, (-2, 2))[0].astype(float),
        [surface.normal(5, 40)],
        no_grad="counts",
    ),
    surface.Op(
        "histc",
        lambda lib, x: x.histc(4),
        lambda x: np.histogram(x, 4)[0].astype(float),
        [surface.normal(50)],
        "range",
        no_grad="counts",
    ),
    surface.Op(
        "histogram",
        lambda lib, x: lib.histogram(x, 5),
        lambda x: (np.histogram(x, 5)[0].astype(float), np.histogram(x, 5)[1]),
        [surface.normal(50)],
        no_grad="counts",
    ),
    surface.Op(
        "histogram",
        lambda lib, x, e, w: lib.histogram(x, e, weight=w, density=True),
        lambda x, e, w: np.histogram(x, e, weights=w, density=True),
        [surface.normal(50), np.array([-1.0, -0.25, 0.5, 2.0]), surface.uniform(50)],
        "edges",
        no_grad="counts",
    ),
]
# PyTorch says that these are in beta or on their way out.
test_all = pytest.mark.filterwarnings("ignore:index_reduce", "ignore:The reduce argument")(
    surface.make_tests(OPS)
)


def test_product_gradient_beside_zeros():
    index = mo.tensor([0, 0, 1, 1, 2])
    x = mo.tensor([2.0, 3.0, 0.0], dtype=mo.float64, requires_grad=True)
    s = mo.tensor([0.0, 5.0, 0.0, 0.0, 4.0], dtype=mo.float64, requires_grad=True)
    assert mo.autograd.gradcheck(lambda a, b: a.scatter_reduce(0, index, b, "prod"), (x, s))
    out = x.scatter_reduce(0, index, s, "prod").sum()
    with pytest.raises(RuntimeError, match="scatter_reduce"):
        mo.autograd.grad(out, [x, s], create_graph=True)


def test_errors():
    x, i = mo.zeros(3, 4), mo.tensor([[0, 1]])
    for name, call in {
        "gather": lambda: x.gather(0, mo.tensor([5])),
        "scatter_add": lambda: x.scatter_add(0, i, mo.zeros(1, 1)),
        "scatter_reduce": lambda: x.scatter_reduce(0, i, mo.zeros(1, 2), "median"),
        "scatter": lambda: x.scatter(0, i, mo.zeros(1, 2), reduce="max"),
        "index_add": lambda: x.index_add(0, mo.tensor([0]), mo.zeros(2, 4)),
        "index_copy": lambda: x.index_copy(0, mo.tensor([0]), mo.zeros(1, 4, dtype=mo.float64)),
        "index_fill": lambda: x.index_fill(0, mo.tensor([0]), mo.zeros(2)),
        "masked_scatter": lambda: x.masked_scatter(x == 0, mo.zeros(3)),
        "put": lambda: x.put(mo.tensor([0]), mo.zeros(2)),
        "bincount": lambda: mo.bincount(mo.tensor([-1])),
        "histc": lambda: mo.histc(x, 0),
        "histogram": lambda: mo.histogram(x, 3, range=(2, 1)),
    }.items():
        with pytest.raises(RuntimeError, match=name):
            call()
    for name, call in {
        "gather": lambda: x.gather(1, mo.tensor([[4]])),
        "scatter": lambda: x.scatter(1, mo.tensor([[-5]]), 0.0),
        "index": lambda: x.index_select(0, mo.tensor([3])),
        "index_": lambda: x.index_reduce(0, mo.tensor([3]), mo.zeros(1, 4), "amax"),
    }.items():
        with pytest.raises(IndexError, match=name):
            call()
