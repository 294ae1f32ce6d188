"""Reductions against PyTorch, with gradients of both orders."""

import numpy as np
import pytest

import against_torch as at
import markone as mo

X = np.random.default_rng(2).standard_normal((3, 4, 2))
DIMS = [None, 0, -1, (0, 2), (0, 1, 2)]


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "var", "std", "norm", "logsumexp"])
@pytest.mark.parametrize("keepdim", [False, True])
def test_over_dims(name, keepdim):
    for dim in DIMS:
        if dim is None:
            if name == "logsumexp" or keepdim:
                continue
            at.compare(lambda lib, x: getattr(lib, name)(x), [X])
            continue
        if name == "norm" and dim == (0, 1, 2):  # PyTorch's takes two at most
            continue
        kwargs = {"dim": dim, "keepdim": keepdim}
        at.compare(lambda lib, x: getattr(lib, name)(x, **kwargs), [X], rtol=1e-4, atol=1e-5)
        at.compare(lambda lib, x: getattr(lib, name)(x.transpose(0, 1), **kwargs), [X], rtol=1e-4, atol=1e-5)
    at.check_gradients(lambda lib, x: getattr(lib, name)(x, dim=(0, 2)), [X[:, :, :]])


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_prod(zeros):
    x = X.copy()
    x[:zeros, 1, 0] = 0
    for dim in (None, 0, -1):
        at.compare(lambda lib, x: lib.prod(x) if dim is None else lib.prod(x, dim), [x])
    at.check_gradients(lambda lib, t: lib.prod(t, 0), [x[:, :, 0]])
    at.check_gradients(lambda lib, t: lib.prod(t), [x[:, 1, 0]])


def test_types():
    for dtype in ("int64", "int32", "uint8", "bool"):
        x = np.array([[1, 0, 2], [1, 1, 1]]).astype(dtype)
        at.compare(lambda lib, x: [x.sum(), x.sum(1), x.prod(), x.float().mean()], [x])
        if dtype != "uint8":  # PyTorch keeps uint8 here
            at.compare(lambda lib, x: [x.any(), x.all(0)], [x])
    at.compare(lambda lib, x: [x.sum(dtype=lib.float64), x.mean(0, dtype=lib.float64)], [X])
    with pytest.raises(RuntimeError, match="mean"):
        mo.arange(3).mean()


def test_max_min():
    x = np.array([[1.0, 5.0, 5.0], [-2.0, -7.0, 0.0]])
    at.compare(lambda lib, x: [*x.max(1), *lib.min(x, 0), *x.max(0, keepdim=True), x.max(), x.min()], [x])
    at.compare(lambda lib, x: [x.argmax(), x.argmin(1), x.argmax(0, keepdim=True), x.argmax(-1)], [x])
    at.compare(lambda lib, x, y: [lib.max(x, y), lib.min(x, y), lib.maximum(x, y)], [x, x[::-1].copy()])
    result = mo.tensor(x).max(1)
    assert result.values.tolist() == [5.0, 0.0] and result.indices.tolist() == [1, 2]
    nan = np.array([1.0, np.nan, 3.0])
    at.compare(lambda lib, x: [x.max(), x.argmax(), *x.max(0), x.amin()], [nan], leaves=False)


def test_empty_and_scalar():
    at.compare(lambda lib, x: [x.sum(), x.sum(0), x.mean(1), x.prod(0), x.norm()], [np.zeros((3, 0))])
    at.compare(
        lambda lib, x: [x.sum(), x.sum(0), x.mean(), x.max(), x.prod(), x.argmax(), *x.max(0)],
        [np.array(2.5)],
    )
    for bad in (lambda x: x.max(), lambda x: x.amax(0), lambda x: x.argmax()):
        with pytest.raises((RuntimeError, ValueError, IndexError)):
            bad(mo.zeros(0))


def test_var_corrections():
    for correction in (0, 1, 2):
        at.compare(
            lambda lib, x: [lib.var(x, 1, correction=correction), lib.std(x, (0, 2), correction=correction)],
            [X],
        )
    at.compare(lambda lib, x: [*lib.var_mean(x, 0), x.var(unbiased=False), x.var(1, unbiased=False)], [X])


@pytest.mark.parametrize("p", [0, 1, 2, 3, 1.5, float("inf"), float("-inf"), "fro"])
def test_norms(p):
    at.compare(lambda lib, x: [lib.norm(x, p, dim=1), lib.norm(x[0, 0] * 1, p)], [X], rtol=1e-4)
    at.compare(lambda lib, x: x.norm(), [np.zeros(3)])


def test_close():
    a = mo.tensor([1.0, float("nan"), float("inf")])
    assert not mo.allclose(a, a) and mo.allclose(a, a, equal_nan=True)
    assert mo.isclose(a, a).tolist() == [True, False, True]
    assert mo.allclose(mo.ones(2), mo.ones(2) + 1e-7) and not mo.allclose(mo.ones(2), mo.zeros(2))
    assert mo.equal(mo.ones(2), mo.ones(2)) and not mo.equal(mo.ones(2), mo.ones(1))
    at.compare(lambda lib, x: lib.count_nonzero(x > 0), [X])


@pytest.mark.parametrize("dim", [3, -4, (0, 0), "a", 1.5, (0, 3)])
def test_bad_dims(dim):
    for name in ("sum", "mean", "amax", "var"):
        with pytest.raises((IndexError, RuntimeError, TypeError, ValueError), match=name):
            getattr(mo, name)(mo.tensor(X), dim)
