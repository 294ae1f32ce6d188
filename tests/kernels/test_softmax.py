"""Softmax, cross-entropy and their gradients against float64 and PyTorch, on every instruction set."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

ISAS = _C.available_isas()
SHAPES: list[tuple[tuple[int, ...], int]] = [
    ((), 0),
    ((1,), 0),
    ((10,), 0),
    ((64, 10), 1),
    ((3, 2500), 1),
    ((70, 33), 0),
    ((2, 19, 5, 7), 1),
    ((2, 3, 4, 131), -2),
    ((300, 1, 2), 1),
    ((0, 4), 1),
    ((4, 0), 1),
]


def softmax(a: np.ndarray, dim: int) -> np.ndarray:
    if a.size == 0:
        return a
    e = np.exp(a - a.max(axis=dim, keepdims=True)) if a.ndim else np.ones(())
    return e / e.sum(axis=dim, keepdims=True) if a.ndim else e


def log_softmax(a: np.ndarray, dim: int) -> np.ndarray:
    if a.size == 0 or a.ndim == 0:
        return np.zeros_like(a)
    shifted = a - a.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def total(a: np.ndarray, dim: int) -> np.ndarray:
    return a.sum(axis=dim, keepdims=True) if a.ndim else a


def make_cases() -> list[harness.Case]:
    cases = []
    for shape, dim in SHAPES:
        label = "x".join(map(str, shape)) + f"-{dim}"
        dtypes: tuple[str, ...] = ("float32",)
        if shape in ((64, 10), (70, 33)):
            dtypes = ("float32", "float64", "bfloat16", "float16")

        def add(name: str, count: int, call: Any, reference: Any, tolerance: Any) -> None:
            cases.append(
                harness.Case(
                    f"{name}-{label}",
                    lambda rng, s=shape, n=count: [3 * rng.standard_normal(s) for _ in range(n)],
                    lambda x, f=call, d=dim: f(x, d),
                    lambda a, f=reference, d=dim: f(a, d),
                    lambda a, f=tolerance, d=dim: f(a, d),
                    dtypes=dtypes,
                )
            )

        # An exponential of a difference that was rounded: its error grows with the size of the difference.
        def spread(a: np.ndarray) -> float:
            return 20 + np.abs(a).max(initial=0) * 4

        add(
            "softmax",
            1,
            lambda x, d: _C.softmax(x[0], d),
            lambda a, d: softmax(a[0], d),
            lambda a, d: spread(a[0]) * softmax(a[0], d),
        )
        add(
            "log_softmax",
            1,
            lambda x, d: _C.log_softmax(x[0], d),
            lambda a, d: log_softmax(a[0], d),
            lambda a, d: spread(a[0]) + 4 * np.abs(log_softmax(a[0], d)),
        )
        add(
            "softmax_grad",
            2,
            lambda x, d: _C.softmax_grad(x[0], x[1], d),
            lambda a, d: a[1] * (a[0] - total(a[0] * a[1], d)),
            lambda a, d: 70 * np.abs(a[1]) * (np.abs(a[0]) + total(np.abs(a[0] * a[1]), d)),
        )
        add(
            "log_softmax_grad",
            2,
            lambda x, d: _C.log_softmax_grad(x[0], x[1], d),
            lambda a, d: a[0] - np.exp(a[1]) * total(a[0], d),
            lambda a, d: 4 * np.abs(a[0]) + (70 + spread(a[1])) * np.exp(a[1]) * total(np.abs(a[0]), d),
        )
    return cases


test_all = harness.make_tests(make_cases())


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Any:
    with harness.using(isa=request.param):
        yield request.param


def test_rows_do_not_depend_on_the_batch(isa: str) -> None:
    a = np.random.default_rng(0).standard_normal((9, 37)).astype(np.float32)
    for name in ("softmax", "log_softmax"):
        whole = harness.numpy(getattr(_C, name)(harness.array(a), 1))
        for i in range(9):
            alone = harness.numpy(getattr(_C, name)(harness.array(a[i : i + 1]), 1))
            assert alone.tobytes() == whole[i : i + 1].tobytes()


def test_extremes(isa: str) -> None:
    inf = np.inf
    for shape in (((1, 3), 1), ((3, 1), 0)):
        rows = np.array(
            [[1e4, 0.0, -1e4], [-inf, 0.0, 0.0], [-inf, -inf, -inf], [np.nan, 0.0, 1.0], [inf, 0, 0]]
        )
        for row in rows:
            a = row.reshape(shape[0]).astype(np.float32)
            y = harness.numpy(_C.softmax(harness.array(a), shape[1])).ravel()
            z = harness.numpy(_C.log_softmax(harness.array(a), shape[1])).ravel()
            if row[0] == 1e4:
                assert y.tolist() == [1, 0, 0] and z.tolist() == [0, -1e4, -2e4]
            elif np.array_equal(row, rows[1]):
                assert y.tolist() == [0, 0.5, 0.5] and z[0] == -inf
            else:
                assert np.isnan(y).all() and np.isnan(z).all()


def test_wrong_arguments() -> None:
    x = harness.array(np.ones((2, 3), np.float32))
    with pytest.raises(TypeError, match="softmax: wants a floating type, got int64"):
        _C.softmax(harness.array(np.ones(3, np.int64)), 0)
    with pytest.raises(IndexError, match="log_softmax"):
        _C.log_softmax(x, 2)
    with pytest.raises(ValueError, match=r"softmax_grad: g has shape \[2\]"):
        _C.softmax_grad(harness.array(np.ones(2, np.float32)), x, 0)


# ---------------------------------------------------------------------------------------------------------
# Cross-entropy


def problem(shape: tuple[int, ...], dtype: str, seed: int, weighted: bool) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    x = (3 * rng.standard_normal(shape)).astype(dtype)
    classes = shape[0] if len(shape) == 1 else shape[1]
    rows = () if len(shape) == 1 else (shape[0], *shape[2:])
    target = rng.integers(0, classes, rows)
    weight = rng.random(classes).astype(dtype) if weighted else None
    return x, target, weight


def reference(
    x: np.ndarray, target: np.ndarray, weight: Any, ignore: int, smoothing: float, reduction: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The loss, the gradient of its sum with respect to x, and the size of the terms of that, in float64."""
    x = x.astype(np.float64)
    rows = x[None] if x.ndim == 1 else x
    n = rows.shape[1]
    logp = np.moveaxis(log_softmax(rows, 1), 1, -1).reshape(-1, n)
    t = target.reshape(-1)
    w = np.ones(n) if weight is None else weight.astype(np.float64)
    counts = t != ignore
    safe = np.where(counts, t, 0)
    one = np.eye(n)[safe]
    coefficient = ((1 - smoothing) * one + smoothing / n) * w * counts[:, None]
    loss = -(coefficient * logp).sum(1)
    scale = np.ones(len(t))
    with np.errstate(invalid="ignore"):
        if reduction == "mean":
            scale = scale / (w[safe] * counts).sum()
        pulled = np.exp(logp) * coefficient.sum(1, keepdims=True) * scale[:, None]
        pushed = coefficient * scale[:, None]
        out = loss.reshape(target.shape) if reduction == "none" else np.asarray((loss * scale).sum())
        if reduction == "mean":
            out = np.asarray(loss.sum() * scale[0]) if len(t) else np.asarray(np.nan)

    def like_x(a: np.ndarray) -> np.ndarray:
        return np.moveaxis(a.reshape(rows.shape[0], *rows.shape[2:], n), -1, 1).reshape(x.shape)

    return out, like_x(pulled - pushed), like_x(pulled + pushed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(10,), (64, 10), (5, 3000), (1, 1), (3, 7, 5), (2, 5, 6, 11), (40, 3, 1)])
def test_cross_entropy(isa: str, shape: tuple[int, ...], dtype: str) -> None:
    for weighted, smoothing, reduction, ignore in itertools.product(
        (False, True), (0.0, 0.3), ("none", "mean", "sum"), (-100, 0)
    ):
        x, target, weight = problem(shape, dtype, len(shape), weighted)
        if ignore == 0 and (target == 0).all():
            continue
        arrays = [harness.array(v) if v is not None else None for v in (x, target, weight)]
        options = (ignore, smoothing, reduction)
        loss, lse = _C.cross_entropy(*arrays, *options)
        want, gradient, size = reference(x, target, weight, ignore, smoothing, reduction)
        name = f"{shape} {weighted} {smoothing} {reduction} {ignore}"
        scale = max(1.0, float(np.abs(want).max())) * 60
        harness.compare(name, loss, want, 0, scale)
        g = harness.array(np.ones(want.shape, dtype))
        dx = _C.cross_entropy_grad(g, arrays[0], arrays[1], arrays[2], *options, lse)
        harness.compare(name, dx, gradient, 0, 60 * size)


def test_cross_entropy_gradient_is_scaled_by_what_comes_back(isa: str) -> None:
    x, target, _ = problem((6, 4, 3), "float64", 0, False)
    arrays = harness.array(x), harness.array(target)
    up = np.random.default_rng(0).standard_normal((6, 3))
    _, lse = _C.cross_entropy(*arrays, None, -100, 0.1, "none")
    dx = _C.cross_entropy_grad(harness.array(up), *arrays, None, -100, 0.1, "none", lse)
    want = reference(x, target, None, -100, 0.1, "none")[1] * up[:, None, :]
    harness.compare("scaled", dx, want, 0, 100.0)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_cross_entropy_same_bits(isa: str, reduction: str) -> None:
    for shape in ((700, 33), (4, 33, 200)):
        x, target, weight = problem(shape, "float32", 1, True)
        results = []
        for threads, layout in ((1, None), (2, None), (2, "offset"), (2, "transposed"), (1, "reversed")):
            with harness.using(threads=threads):
                arrays = [harness.array(v, None, layout) for v in (x, target, weight)]
                loss, lse = _C.cross_entropy(*arrays, 3, 0.1, reduction)
                g = harness.array(np.ones(loss.shape, np.float32))
                dx = _C.cross_entropy_grad(g, *arrays, 3, 0.1, reduction, lse)
                results.append((harness.bits(loss), harness.bits(dx)))
        assert all(r == results[0] for r in results)
        if reduction == "none":
            alone = _C.cross_entropy(
                harness.array(x[2:3]), harness.array(target[2:3]), harness.array(weight), 3, 0.1, reduction
            )[0]
            first, _ = _C.cross_entropy(*[harness.array(v) for v in (x, target, weight)], 3, 0.1, reduction)
            assert harness.bits(alone) == harness.numpy(first)[2:3].tobytes()


def test_cross_entropy_of_nothing(isa: str) -> None:
    x, target = harness.array(np.empty((0, 3), np.float32)), harness.array(np.empty(0, np.int64))
    for reduction, want in (("mean", np.nan), ("sum", 0.0)):
        loss, lse = _C.cross_entropy(x, target, None, -100, 0.0, reduction)
        np.testing.assert_equal(harness.numpy(loss), np.float32(want))
        g = harness.array(np.ones((), np.float32))
        assert _C.cross_entropy_grad(g, x, target, None, -100, 0.0, reduction, lse).shape == (0, 3)
    x, target = harness.array(np.ones((2, 3), np.float32)), harness.array(np.full(2, -100))
    loss, lse = _C.cross_entropy(x, target, None, -100, 0.0, "mean")
    assert np.isnan(harness.numpy(loss))
    assert _C.cross_entropy(x, target, None, -100, 0.0, "none")[0].shape == (2,)


def test_labels_are_checked_where_they_are_used(isa: str) -> None:
    for shape in ((300, 4), (2, 4, 150)):
        x, target, _ = problem(shape, "float32", 2, False)
        bad = target.copy()
        bad.reshape(-1)[[7, 250]] = 4
        arrays = harness.array(x), harness.array(bad)
        message = "cross_entropy: target at flat index 7 is 4, wanted 0 <= value < 4"
        with pytest.raises(IndexError, match=message):
            _C.cross_entropy(*arrays, None, -100, 0.0, "mean")
        _, lse = _C.cross_entropy(arrays[0], harness.array(target), None, -100, 0.0, "mean")
        g = harness.array(np.ones((), np.float32))
        with pytest.raises(IndexError, match="cross_entropy_grad: target at flat index 7 is 4"):
            _C.cross_entropy_grad(g, *arrays, None, -100, 0.0, "mean", lse)
        ignored = harness.numpy(_C.cross_entropy(*arrays, None, 4, 0.0, "none")[0]).reshape(-1)
        assert ignored[7] == ignored[250] == 0 and (np.delete(ignored, [7, 250]) > 0).all()


def test_cross_entropy_wrong_arguments() -> None:
    x = harness.array(np.ones((2, 3), np.float32))
    t = harness.array(np.zeros(2, np.int64))

    def call(x: Any = x, t: Any = t, w: Any = None, smoothing: float = 0.0, reduction: str = "mean") -> Any:
        return _C.cross_entropy(x, t, w, -100, smoothing, reduction)

    with pytest.raises(ValueError, match=r"logits of shape \[2, 3\] want a target of shape \[2\], got \[3\]"):
        call(t=harness.array(np.zeros(3, np.int64)))
    with pytest.raises(TypeError, match="the target must be int64 class labels, got float32"):
        call(t=harness.array(np.zeros(2, np.float32)))
    with pytest.raises(TypeError, match="cross_entropy: wants a floating type, got int64"):
        call(x=harness.array(np.zeros((2, 3), np.int64)))
    with pytest.raises(ValueError, match=r"the weight must have shape \[3\], got \[2\]"):
        call(w=harness.array(np.zeros(2, np.float32)))
    with pytest.raises(ValueError, match="label_smoothing must be from 0 to 1, got 1.5"):
        call(smoothing=1.5)
    with pytest.raises(ValueError, match="the reduction must be none, mean or sum, got 'avg'"):
        call(reduction="avg")
    with pytest.raises(ValueError, match="0-d"):
        call(x=harness.array(np.zeros((), np.float32)))


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch")
    for shape in ((5,), (6, 5), (3, 5, 2, 2)):
        for weighted, smoothing, reduction, ignore in itertools.product(
            (False, True), (0.0, 0.2), ("none", "mean", "sum"), (-100, 1)
        ):
            x, target, weight = problem(shape, "float64", 4, weighted)
            tx = torch.tensor(x, requires_grad=True)
            want = torch.nn.functional.cross_entropy(
                tx,
                torch.tensor(target),
                weight=None if weight is None else torch.tensor(weight),
                ignore_index=ignore,
                label_smoothing=smoothing,
                reduction=reduction,
            )
            want.sum().backward()
            arrays = [harness.array(v) if v is not None else None for v in (x, target, weight)]
            loss, lse = _C.cross_entropy(*arrays, ignore, smoothing, reduction)
            g = harness.array(np.ones(loss.shape))
            dx = _C.cross_entropy_grad(g, *arrays, ignore, smoothing, reduction, lse)
            np.testing.assert_allclose(harness.numpy(loss), want.detach().numpy(), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(harness.numpy(dx), tx.grad.numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(10,), (64, 10), (5000, 3), (2, 5, 6, 11)])
def test_nll(isa: str, shape: tuple[int, ...], dtype: str) -> None:
    for weighted, reduction, ignore in itertools.product((False, True), ("none", "mean", "sum"), (-100, 1)):
        x, target, weight = problem(shape, dtype, len(shape), weighted)
        arrays = [harness.array(v) if v is not None else None for v in (x, target, weight)]
        rows, t = (x[None], target[None]) if x.ndim == 1 else (x, target)
        if (t == ignore).all():
            continue
        each = np.where(t == ignore, 0.0, (1.0 if weight is None else weight[t]))
        pushed = np.moveaxis(np.eye(rows.shape[1])[t], -1, 1) * each[:, None]
        loss = -(pushed * rows).sum(1)
        divisor = each.sum() if reduction == "mean" else 1.0
        want = loss.reshape(target.shape) if reduction == "none" else np.asarray(loss.sum() / divisor)
        with harness.using(threads=2):
            got, saved = _C.nll(*arrays, ignore, reduction)
            dx = _C.nll_grad(harness.array(np.ones(want.shape, dtype)), *arrays, ignore, reduction, saved)
        # The sums are in float64 whatever the type.
        summed = 0.2 * t.size if dtype == "float64" else 0.0
        harness.compare("nll", got, want, 0, 8 + (40 + summed) * float(np.abs(pushed * rows).sum() / divisor))
        harness.compare("nll_grad", dx, -(pushed / divisor).reshape(x.shape), 8 + summed)
    bad = harness.array(np.full((2,), 9))
    with pytest.raises(IndexError, match="nll_loss: target"):
        _C.nll(harness.array(np.zeros((2, 3), dtype)), bad, None, -100, "mean")
