"""Max and average pooling against plain loops and PyTorch, on every instruction set and implementation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

ISAS = _C.available_isas()
# Shape, kernel, stride, padding, dilation, ceil_mode.
MAX_PROBLEMS: list[tuple[Any, ...]] = [
    ((2, 3, 8, 10), 2, 2, 0, 1, False),
    ((1, 2, 33, 71), 2, 2, 0, 1, False),
    ((1, 2, 33, 71), 2, 2, 0, 1, True),
    ((2, 3, 13, 15), 3, 2, 0, 1, False),
    ((1, 2, 56, 56), 3, 2, 1, 1, False),
    ((2, 2, 14, 37), 3, 1, 1, 1, False),
    ((2, 2, 20, 41), 5, 1, 2, 1, False),
    ((3, 7, 7), 7, 7, 0, 1, False),
    ((2, 1, 12, 30), (3, 2), (1, 3), (1, 0), (2, 3), False),
    ((2, 1, 12, 30), (2, 5), (3, 2), (1, 2), (1, 2), True),
    ((1, 1, 1, 1), 1, 1, 0, 1, False),
    ((1, 1, 5, 5), 2, 3, 1, 1, True),
    ((1, 1, 3, 70), 3, 4, 1, 1, True),
    ((0, 2, 4, 4), 2, 2, 0, 1, False),
]
# Tested in every type.
USUAL = ((2, 3, 8, 10), (2, 1, 12, 30))
AVG_PROBLEMS = [p for p in MAX_PROBLEMS if p[4] == 1]


def pair(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def windows(problem: tuple[Any, ...]) -> tuple[tuple[int, ...], list[list[tuple[int, list[int]]]]]:
    """The output's shape; for each dimension and output: where the window starts and its places inside."""
    shape, kernel, stride, padding, dilation, ceil_mode = problem
    out: list[int] = list(shape[:-2])
    taps = []
    for axis in (0, 1):
        n, k, s = shape[axis - 2], pair(kernel)[axis], pair(stride)[axis]
        p, d = pair(padding)[axis], pair(dilation)[axis]
        room = n + 2 * p - d * (k - 1) - 1
        count = (math.ceil if ceil_mode else math.floor)(room / s) + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        out.append(count)
        starts = [i * s - p for i in range(count)]
        taps.append([(at, [at + j * d for j in range(k) if 0 <= at + j * d < n]) for at in starts])
    return tuple(out), taps


def max_pool(a: np.ndarray, problem: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray]:
    shape, taps = windows(problem)
    y, index = np.empty(shape), np.empty(shape, np.int64)
    for i, (_, rows) in enumerate(taps[0]):
        for j, (_, columns) in enumerate(taps[1]):
            part = a[..., rows, :][..., columns].reshape(*a.shape[:-2], len(rows) * len(columns))
            places = (np.array(rows)[:, None] * a.shape[-1] + np.array(columns)).ravel()
            best = part.argmax(-1)
            y[..., i, j] = np.take_along_axis(part, best[..., None], -1)[..., 0]
            index[..., i, j] = places[best]
    return y, index


def avg_matrix(
    problem: tuple[Any, ...], include: bool, override: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The matrices of rows and of columns; their product with a plane is the average."""
    shape, kernel, _, padding, _, _ = problem
    _, taps = windows(problem)
    matrices = []
    for axis in (0, 1):
        n, k, p = shape[axis - 2], pair(kernel)[axis], pair(padding)[axis]
        m = np.zeros((len(taps[axis]), n))
        for i, (start, inside) in enumerate(taps[axis]):
            count = min(start + k, n + p) - start if include else len(inside)
            m[i, inside] = 1 / (count if override is None else 1)
        matrices.append(m)
    if override is not None:
        matrices[0] /= override
    return matrices[0], matrices[1]


def make_cases() -> list[harness.Case]:
    cases = []
    for problem in MAX_PROBLEMS:
        shape, *options = problem
        label = f"{'x'.join(map(str, shape))}-{'-'.join(map(str, options))}".replace(" ", "")
        dtypes = ("float32", "float64", "bfloat16") if shape in USUAL else ("float32",)
        cases.append(
            harness.Case(
                f"max-{label}",
                lambda rng, s=shape: [rng.permutation(math.prod(s)).reshape(s) / 7.0],
                lambda x, o=options: _C.max_pool2d(x[0], *o),
                lambda a, p=problem: max_pool(a[0], p),
                0.0,
                dtypes=("float32", "float64") if shape in USUAL else ("float32",),
                op="max_pool2d",
            )
        )
        cases.append(
            harness.Case(
                f"values-{label}",
                lambda rng, s=shape: [rng.standard_normal(s)],
                lambda x, o=options: _C.max_pool2d_values(x[0], *o),
                lambda a, p=problem: max_pool(a[0], p)[0],
                0.0,
                dtypes=dtypes,
                op="max_pool2d",
            )
        )
    for problem in AVG_PROBLEMS:
        shape, kernel, stride, padding, _, ceil_mode = problem
        label = f"{'x'.join(map(str, shape))}-{kernel}-{stride}-{padding}-{ceil_mode}".replace(" ", "")
        for include, override in ((True, None), (False, None), (True, 3)):
            arguments = (kernel, stride, padding, ceil_mode, include, override)
            taps = math.prod(pair(kernel))
            cases.append(
                harness.Case(
                    f"avg-{label}-{include}-{override}",
                    lambda rng, s=shape: [rng.standard_normal(s)],
                    lambda x, o=arguments: _C.avg_pool2d(x[0], *o),
                    lambda a, p=problem, i=include, o=override: (
                        avg_matrix(p, i, o)[0] @ a[0] @ avg_matrix(p, i, o)[1].T
                    ),
                    lambda a, p=problem, i=include, o=override, k=taps: (
                        (k + 3) * (avg_matrix(p, i, o)[0] @ np.abs(a[0]) @ avg_matrix(p, i, o)[1].T)
                    ),
                    dtypes=("float32", "float64") if shape in USUAL else ("float32",),
                    op="avg_pool2d",
                )
            )
            cases.append(
                harness.Case(
                    f"avg-grad-{label}-{include}-{override}",
                    lambda rng, p=problem: [rng.standard_normal(windows(p)[0])],
                    lambda x, s=shape, o=arguments: _C.avg_pool2d_grad(x[0], s, *o),
                    lambda a, p=problem, i=include, o=override: (
                        avg_matrix(p, i, o)[0].T @ a[0] @ avg_matrix(p, i, o)[1]
                    ),
                    lambda a, p=problem, i=include, o=override, k=taps: (
                        (k + 3) * (avg_matrix(p, i, o)[0].T @ np.abs(a[0]) @ avg_matrix(p, i, o)[1])
                    ),
                    dtypes=("float32", "float64") if shape in USUAL else ("float32",),
                )
            )
    return cases


test_all = harness.make_tests(make_cases())


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Any:
    with harness.using(isa=request.param):
        yield request.param


@pytest.fixture(params=["rows", "ref"])
def implementation(request: pytest.FixtureRequest) -> Any:
    if request.param == "rows" and _C.isa() == "ref":
        pytest.skip("the reference table has plain loops only")
    # The first use of an operation makes its list known.
    x = harness.array(np.ones((1, 1, 2, 2), np.float32))
    _C.max_pool2d(x, 2)
    _C.avg_pool2d(x, 2)
    return request.param


def test_max_gradient_of_overlapping_windows(isa: str) -> None:
    for problem in MAX_PROBLEMS:
        shape, *options = problem
        rng = np.random.default_rng(5)
        a = rng.permutation(math.prod(shape)).reshape(shape).astype(np.float32)
        y, index = _C.max_pool2d(harness.array(a), *options)
        g = rng.standard_normal(y.shape).astype(np.float32)
        outputs = y.shape[-1] * y.shape[-2]
        want = np.zeros((math.prod(shape[:-2]), shape[-1] * shape[-2]))
        for plane, (row, places) in enumerate(
            zip(g.reshape(-1, outputs), harness.numpy(index).reshape(-1, outputs))
        ):
            np.add.at(want[plane], places, row.astype(np.float64))
        results = []
        for threads in (1, 2):
            with harness.using(threads=threads):
                dx = _C.max_pool_grad(harness.array(g), index, shape)
                results.append(harness.bits(dx))
        assert results[0] == results[1]
        harness.compare("dx", dx, want.reshape(shape), 0, 50.0)


def test_ties_and_nan_as_in_pytorch(isa: str, implementation: str) -> None:
    """The first of equal maxima, the last of several NaN; an all -inf window points at its first place."""
    rng = np.random.default_rng(6)
    a = rng.integers(0, 3, (2, 3, 21, 46)).astype(np.float32)
    a[rng.random(a.shape) < 0.1] = np.nan
    a[:, 0] = -np.inf
    for kernel, stride, padding, dilation in (
        (2, 2, 0, 1),
        (3, 2, 1, 1),
        (3, 1, 1, 1),
        (2, 3, 1, 2),
        (3, 3, 0, 2),
    ):
        with harness.using(op="max_pool2d", implementation=implementation):
            y, index = _C.max_pool2d(harness.array(a), kernel, stride, padding, dilation, False)
            values = _C.max_pool2d_values(harness.array(a), kernel, stride, padding, dilation, False)
        problem = (a.shape, kernel, stride, padding, dilation, False)
        shape, taps = windows(problem)
        want_y, want_index = np.empty(shape, np.float32), np.empty(shape, np.int64)
        for n, c, i, j in np.ndindex(shape):
            best, found = -np.inf, None
            for row in taps[0][i][1]:
                for column in taps[1][j][1]:
                    v = a[n, c, row, column]
                    if found is None or v > best or np.isnan(v):
                        best, found = v, row * a.shape[3] + column
            want_y[n, c, i, j], want_index[n, c, i, j] = best, found
        np.testing.assert_array_equal(harness.numpy(y), want_y)
        np.testing.assert_array_equal(harness.numpy(values), want_y)
        np.testing.assert_array_equal(harness.numpy(index), want_index)


def test_one_image_and_its_place_in_a_batch(isa: str, implementation: str) -> None:
    a = np.random.default_rng(7).standard_normal((3, 2, 19, 23)).astype(np.float32)
    for name in ("max_pool2d_values", "avg_pool2d"):
        with harness.using(op=name.removesuffix("_values"), implementation=implementation):
            whole = harness.numpy(getattr(_C, name)(harness.array(a), 3, 2, 1))
            alone = harness.numpy(getattr(_C, name)(harness.array(a[1]), 3, 2, 1))
        assert alone.tobytes() == whole[1].tobytes()


def test_wrong_arguments(isa: str) -> None:
    x = harness.array(np.ones((1, 1, 8, 8), np.float32))
    for name in ("max_pool2d", "max_pool2d_values", "avg_pool2d"):
        call, op = getattr(_C, name), name.removesuffix("_values")
        with pytest.raises(ValueError, match=f"{op}: the padding must be at most half of the kernel"):
            call(x, 2, 2, 2)
        with pytest.raises(ValueError, match=f"{op}: kernel must be from 1 to 2147483647, got .0."):
            call(x, 0)
        with pytest.raises(ValueError, match=f"{op}: stride must be from 1 to 2147483647"):
            call(x, 2, (1, 0))
        with pytest.raises(ValueError, match=f"{op}: padding must be from 0 to 2147483647"):
            call(x, 2, 2, -1)
        with pytest.raises(ValueError, match=f"{op}: kernel must be one number or two"):
            call(x, (2, 2, 2))
        with pytest.raises(ValueError, match=f"{op}: the window is too large: kernel 9"):
            call(x, 9)
        with pytest.raises(ValueError, match=f"{op}: the input must be"):
            call(harness.array(np.ones((8, 8), np.float32)), 2)
        with pytest.raises(ValueError, match=f"{op}: the input must not be empty"):
            call(harness.array(np.ones((1, 0, 8, 8), np.float32)), 2)
        with pytest.raises(TypeError, match=f"{op}: wants a floating type, got int64"):
            call(harness.array(np.ones((1, 8, 8), np.int64)), 2)
        for huge in (2**31, 2**62, 2**63 - 1):
            for options in ((huge,), (2, huge), (2, 2, huge), (huge, huge, huge // 2)):
                with pytest.raises((ValueError, OverflowError), match=op):
                    call(x, *options)
    for dilation in (2**31, 2**31 - 1, 2**62):
        with pytest.raises(ValueError, match="max_pool2d: (dilation must|the window is too large)"):
            _C.max_pool2d(x, 2, 2, 0, dilation)
    with pytest.raises(ValueError, match="avg_pool2d: divisor_override must not be zero"):
        _C.avg_pool2d(x, 2, 2, 0, False, True, 0)


def test_windows_far_larger_than_the_input(isa: str) -> None:
    """Nothing walks over the padding, however much there is."""
    a = np.random.default_rng(8).standard_normal((1, 1, 3, 4)).astype(np.float32)
    x = harness.array(a)
    big = 2**31 - 1
    y, index = _C.max_pool2d(x, big, big, big // 2)
    assert harness.numpy(y).tolist() == [[[[a.max()]]]] and harness.numpy(index).ravel() == [a.argmax()]
    assert harness.numpy(_C.max_pool2d_values(x, big, big, big // 2)).ravel() == [a.max()]
    mean = harness.numpy(_C.avg_pool2d(x, big, big, big // 2, False, False))
    np.testing.assert_allclose(mean.ravel(), [a.mean()], rtol=1e-6)
    g = harness.array(np.ones((1, 1, 1, 1), np.float32))
    dx = harness.numpy(_C.avg_pool2d_grad(g, (1, 1, 3, 4), big, big, big // 2, False, False))
    np.testing.assert_allclose(dx, np.full_like(a, 1 / 12), rtol=1e-6)


def test_a_window_without_an_element(isa: str, implementation: str) -> None:
    x = harness.array(np.ones((1, 1, 4, 4), np.float32))
    with harness.using(op="max_pool2d", implementation=implementation):
        y, index = _C.max_pool2d(x, 2, 1, 1, 5)
    assert harness.numpy(y).tolist() == [[[[-np.inf]]]] and harness.numpy(index).tolist() == [[[[-1]]]]
    dx = _C.max_pool_grad(harness.array(np.ones((1, 1, 1, 1), np.float32)), index, (1, 1, 4, 4))
    assert not harness.numpy(dx).any()


def test_indices_are_checked_where_they_are_used(isa: str) -> None:
    g = harness.array(np.ones((1, 2, 2, 2), np.float32))
    for bad in (16, -2, 2**62, -(2**63)):
        index = np.zeros((1, 2, 2, 2), np.int64)
        index[0, 1, 0, 1] = bad
        with pytest.raises(
            IndexError, match=f"max_pool_grad: indices at flat index 5 is {bad}, wanted 0 <= value < 16"
        ):
            _C.max_pool_grad(g, harness.array(index), (1, 2, 4, 4))
    index = harness.array(np.zeros((1, 2, 2, 2), np.int64))
    for shape in ((1, 3, 4, 4), (2, 4, 4), (1, 2, -4, 4), (4, 4)):
        with pytest.raises(ValueError, match="max_pool_grad|shape"):
            _C.max_pool_grad(g, index, shape)
    with pytest.raises(TypeError, match="the indices must be int64"):
        _C.max_pool_grad(g, g, (1, 2, 4, 4))
    with pytest.raises(ValueError, match="avg_pool2d_grad: g has shape"):
        _C.avg_pool2d_grad(g, (1, 2, 9, 9), 2)


def test_pytorch_agrees(implementation: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(9)
    f = torch.nn.functional
    for _ in range(120):
        h, w = rng.integers(1, 20, 2)
        kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
        stride = tuple(int(s) for s in rng.integers(1, 4, 2))
        padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
        dilation = tuple(int(d) for d in rng.integers(1, 3, 2))
        ceil_mode = bool(rng.integers(2))
        a = rng.standard_normal((2, 2, h, w)).astype(np.float32)
        if all(n + 2 * p - d * (k - 1) - 1 >= 0 for n, p, d, k in zip((h, w), padding, dilation, kernel)):
            t = torch.tensor(a, requires_grad=True)
            arguments = (kernel, stride, padding, dilation, ceil_mode)
            want, places = f.max_pool2d(t, *arguments, return_indices=True)
            with harness.using(op="max_pool2d", implementation=implementation):
                y, index = _C.max_pool2d(harness.array(a), *arguments)
            got_index = harness.numpy(index)
            np.testing.assert_array_equal(harness.numpy(y), want.detach().numpy())
            real = got_index >= 0
            np.testing.assert_array_equal(got_index[real], places.numpy()[real])
            if real.all():
                g = rng.standard_normal(want.shape).astype(np.float32)
                want.backward(torch.tensor(g))
                dx = harness.numpy(_C.max_pool_grad(harness.array(g), index, a.shape))
                np.testing.assert_allclose(dx, t.grad.numpy(), rtol=1e-5, atol=1e-6)
        if all(n + 2 * p - k >= 0 for n, p, k in zip((h, w), padding, kernel)):
            for include, override in itertools.product((False, True), (None, 5)):
                t = torch.tensor(a, requires_grad=True)
                arguments = (kernel, stride, padding, ceil_mode, include, override)
                want = f.avg_pool2d(t, *arguments)
                with harness.using(op="avg_pool2d", implementation=implementation):
                    y = _C.avg_pool2d(harness.array(a), *arguments)
                np.testing.assert_allclose(harness.numpy(y), want.detach().numpy(), rtol=1e-5, atol=1e-6)
                g = rng.standard_normal(want.shape).astype(np.float32)
                want.backward(torch.tensor(g))
                dx = harness.numpy(_C.avg_pool2d_grad(harness.array(g), a.shape, *arguments))
                np.testing.assert_allclose(dx, t.grad.numpy(), rtol=1e-5, atol=1e-6)
