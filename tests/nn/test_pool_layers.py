"""Pooling and upsampling layers against PyTorch's: forward, gradients, arguments by position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo

SHAPES = {1: (2, 3, 8), 2: (2, 3, 8, 7), 3: (1, 2, 5, 6, 7)}
LAYERS: list[tuple[str, tuple[Any, ...], int]] = [
    *((f"MaxPool{d}d", (3, 2, 1, 1, True, True), d) for d in (1, 2, 3)),
    *((f"MaxPool{d}d", (2,), d) for d in (1, 2, 3)),
    *((f"AvgPool{d}d", (3, 2, 1, True, False), d) for d in (1, 2, 3)),
    ("AvgPool2d", (2, None, 0, False, True, 3), 2),
    *((f"LPPool{d}d", (2, 2), d) for d in (1, 2, 3)),
    *((f"AdaptiveAvgPool{d}d", (3,), d) for d in (1, 2, 3)),
    *((f"AdaptiveMaxPool{d}d", (3, True), d) for d in (1, 2, 3)),
    ("AdaptiveAvgPool3d", ((2, None, 1),), 3),
    ("Upsample", (None, 2.0, "bilinear", True), 2),
    ("Upsample", (None, 1.5, "nearest", None, True), 3),
    ("UpsamplingNearest2d", (5,), 2),
    ("UpsamplingBilinear2d", (None, 2), 2),
]


@pytest.mark.parametrize("name, args, spatial", LAYERS, ids=[f"{n}{a}" for n, a, _ in LAYERS])
def test_as_pytorch(name: str, args: tuple[Any, ...], spatial: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).uniform(0.1, 1.0, SHAPES[spatial])
    results = []
    for lib in (mo, torch):
        layer = getattr(lib.nn, name)(*args)
        assert not layer.state_dict()
        t = lib.tensor(x, dtype=lib.float64).requires_grad_()
        y = layer(t)
        values = y if isinstance(y, tuple) else (y,)
        (values[0] ** 2).sum().backward()
        results.append([*(v.detach().numpy() for v in values), t.grad.numpy()])
        repr(layer)
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_pool_and_unpool(spatial: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).standard_normal(SHAPES[spatial])
    results = []
    for lib in (mo, torch):
        t = lib.tensor(x, dtype=lib.float64)
        y, places = getattr(lib.nn, f"MaxPool{spatial}d")(2, return_indices=True)(t)
        results.append(getattr(lib.nn, f"MaxUnpool{spatial}d")(2, 2)(y, places, t.shape).numpy())
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("spatial", [2, 3])
def test_fractional(spatial: int) -> None:
    torch = pytest.importorskip("torch")
    shape = SHAPES[spatial]
    x, u = (
        np.random.default_rng(2).standard_normal(shape),
        np.random.default_rng(3).random((*shape[:2], spatial)),
    )
    results = []
    for lib in (mo, torch):
        samples = lib.tensor(u, dtype=lib.float64)
        layer = getattr(lib.nn, f"FractionalMaxPool{spatial}d")(2, 3, None, True, samples)
        y, places = layer(lib.tensor(x, dtype=lib.float64))
        results.append((y.numpy(), places.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="FractionalMaxPool"):
        getattr(mo.nn, f"FractionalMaxPool{spatial}d")(2)
