"""Bilinear resize and its gradient against float64 and PyTorch, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

# Input plane, output plane.
SIZES = [
    ((1, 1), (1, 1)),
    ((1, 1), (3, 5)),
    ((8, 8), (28, 28)),
    ((8, 8), (32, 32)),
    ((7, 5), (3, 11)),
    ((33, 20), (10, 41)),
    ((5, 9), (5, 9)),
    ((6, 6), (1, 1)),
    ((40, 70), (13, 9)),
]


def weights(size: int, out: int, align: bool) -> np.ndarray:
    """The [out, size] matrix that resizes one dimension."""
    i = np.arange(out)
    if align:
        at = i * (size - 1) / (out - 1) if out > 1 else np.zeros(1)
    else:
        at = np.maximum((i + 0.5) * size / out - 0.5, 0)
    low = np.minimum(at.astype(int), size - 1)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((out, size))
    np.add.at(matrix, (i, low), 1 - (at - low))
    np.add.at(matrix, (i, high), at - low)
    return matrix


def forward(a: np.ndarray, out: tuple[int, int], align: bool) -> np.ndarray:
    return weights(a.shape[-2], out[0], align) @ a @ weights(a.shape[-1], out[1], align).T


def backward(g: np.ndarray, size: tuple[int, int], align: bool) -> np.ndarray:
    return weights(size[0], g.shape[-2], align).T @ g @ weights(size[1], g.shape[-1], align)


def make_cases() -> list[harness.Case]:
    cases = []
    for size, out in SIZES:
        for align in (False, True):
            label = f"{size}-{out}-{align}".replace(" ", "")
            # A position is rounded to the type, so a weight is off by the position's rounding.
            slack = 8.0 + 2 * max(*size, *out)
            dtypes = ("float32", "float64", "bfloat16") if size == (7, 5) else ("float32",)
            cases.append(
                harness.Case(
                    f"resize-{label}",
                    lambda rng, s=size: [rng.standard_normal((2, 3, *s))],
                    lambda x, o=out, c=align: _C.resample(x[0], o, (), "linear", c),
                    lambda a, o=out, c=align: forward(a[0], o, c),
                    lambda a, k=slack: k * np.abs(a[0]).max(),
                    dtypes=dtypes,
                )
            )
            cases.append(
                harness.Case(
                    f"grad-{label}",
                    lambda rng, o=out: [rng.standard_normal((2, 3, *o))],
                    lambda x, s=size, c=align: _C.resample_grad(x[0], (2, 3, *s), (), "linear", c),
                    lambda a, s=size, c=align: backward(a[0], s, c),
                    lambda a, k=slack, s=size, c=align: (
                        k * (1 + backward(np.ones_like(a[0]), s, c).max()) * np.abs(a[0]).max()
                    ),
                    dtypes=dtypes,
                )
            )
    return cases


test_all = harness.make_tests(make_cases())


@pytest.fixture(params=_C.available_isas())
def isa(request: pytest.FixtureRequest) -> Any:
    with harness.using(isa=request.param):
        yield request.param


def test_one_image_and_its_row_in_a_batch(isa: str) -> None:
    a = np.random.default_rng(0).standard_normal((4, 2, 9, 7)).astype(np.float32)
    whole = harness.numpy(_C.resample(harness.array(a), (20, 5), (), "linear", False))
    alone = harness.numpy(_C.resample(harness.array(a[2:3]), (20, 5), (), "linear", False))
    assert alone.tobytes() == whole[2].tobytes()


def test_the_same_size_is_a_copy(isa: str) -> None:
    a = np.random.default_rng(1).standard_normal((1, 1, 13, 17)).astype(np.float32)
    for align in (False, True):
        assert np.array_equal(harness.numpy(_C.resample(harness.array(a), (13, 17), (), "linear", align)), a)


def test_empty_and_wrong(isa: str) -> None:
    x = harness.array(np.ones((1, 2, 3, 4), np.float32))
    assert _C.resample(
        harness.array(np.ones((0, 2, 3, 4), np.float32)), (5, 6), (), "linear", False
    ).shape == (
        0,
        2,
        5,
        6,
    )
    with pytest.raises(ValueError, match="resample: the result has no pixels"):
        _C.resample(x, (0, 5), (), "linear", False)
    with pytest.raises(ValueError, match="resample: the result has no pixels"):
        _C.resample(x, (-3, 5), (), "linear", False)
    with pytest.raises(ValueError, match="resample: the input has no pixels"):
        _C.resample(harness.array(np.ones((1, 2, 0, 4), np.float32)), (3, 5), (), "linear", False)
    with pytest.raises(ValueError, match="resample: the input must be"):
        _C.resample(harness.array(np.ones((3, 4), np.float32)), (3, 5), (), "linear", False)
    with pytest.raises(ValueError, match="resample: the input must be"):
        _C.resample(x, (3,), (), "linear", False)
    with pytest.raises(TypeError, match="resample: wants a floating type, got uint8"):
        _C.resample(harness.array(np.ones((1, 1, 2, 2), np.uint8)), (3, 3), (), "linear", False)
    with pytest.raises(ValueError, match="resample_grad: g of shape"):
        _C.resample_grad(x, (1, 3, 3, 4), (), "linear", False)
    with pytest.raises(ValueError, match="resample_grad: g of shape"):
        _C.resample_grad(x, (2, 3, 4), (), "linear", False)
    with pytest.raises((ValueError, MemoryError)):
        _C.resample(x, (2**40, 2**40), (), "linear", False)


@pytest.mark.parametrize("align", [False, True])
def test_pytorch_agrees(align: bool) -> None:
    torch = pytest.importorskip("torch")
    for size, out in SIZES:
        for dtype, tolerance in ((np.float64, 1e-13), (np.float32, 1e-5)):
            a = np.random.default_rng(2).random((2, 3, *size)).astype(dtype)
            t = torch.tensor(a, requires_grad=True)
            y = torch.nn.functional.interpolate(t, out, mode="bilinear", align_corners=align, antialias=False)
            g = np.random.default_rng(3).random(y.shape).astype(dtype)
            y.backward(torch.tensor(g))
            got = _C.resample(harness.array(a), out, (), "linear", align)
            dx = _C.resample_grad(harness.array(g), a.shape, (), "linear", align)
            np.testing.assert_allclose(harness.numpy(got), y.detach().numpy(), rtol=tolerance, atol=tolerance)
            scale = np.abs(t.grad.numpy()).max()
            np.testing.assert_allclose(harness.numpy(dx), t.grad.numpy(), rtol=0, atol=tolerance * scale)
