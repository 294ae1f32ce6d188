"""Normalisation: every function against NumPy, PyTorch and differences, second order included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from surface import normal


def rows(x: np.ndarray, axes: tuple[int, ...], eps: float) -> np.ndarray:
    centred = x - x.mean(axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axes, keepdims=True) + eps)


def channels(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return w.reshape((1, -1) + (1,) * (x.ndim - 2))


def batch(x: Any, w: Any = 1.0, b: Any = 0.0, eps: float = 1e-5) -> np.ndarray:
    y = rows(x, (0, *range(2, x.ndim)), eps) if x.size else x
    return y * (channels(w, x) if np.ndim(w) else w) + (channels(b, x) if np.ndim(b) else b)


def given(x: Any, m: Any, v: Any, w: Any, b: Any, eps: float = 1e-5) -> np.ndarray:
    return (x - channels(m, x)) / np.sqrt(channels(v, x) + eps) * channels(w, x) + channels(b, x)


def groups(x: np.ndarray, n: int, w: Any = None, b: Any = None, eps: float = 1e-5) -> np.ndarray:
    y = rows(x.reshape(x.shape[0], n, -1), (2,), eps).reshape(x.shape) if x.size else x
    y = y if w is None else y * channels(w, x)
    return y if b is None else y + channels(b, x)


def rms(x: np.ndarray, dims: int, eps: float) -> np.ndarray:
    axes = tuple(range(x.ndim - dims, x.ndim))
    return x / np.sqrt((x * x).mean(axes, keepdims=True) + eps)


def local(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        low, high = max(0, c - size // 2), min(x.shape[1], c + (size - 1) // 2 + 1)
        y[:, c] = x[:, c] / (k + alpha / size * (x[:, low:high] ** 2).sum(1)) ** beta
    return y


def op(name: str, label: str, call: Any, reference: Any, *inputs: Any, **more: Any) -> surface.Op:
    more.setdefault("tolerance", 64.0)
    return surface.Op(f"nn.functional.{name}", call, reference, list(inputs), label, **more)


def training(*shape: int, label: str, affine: bool = True) -> surface.Op:
    c = shape[1]
    if not affine:
        return op(
            "batch_norm",
            label,
            lambda lib, x: lib.nn.functional.batch_norm(x, None, None, training=True),
            batch,
            normal(*shape),
        )
    return op(
        "batch_norm",
        label,
        lambda lib, x, w, b: lib.nn.functional.batch_norm(x, None, None, w, b, True),
        batch,
        normal(*shape, shift=2.0),
        normal(c),
        normal(c),
    )


def layer(label: str, shape: tuple[int, ...], over: tuple[int, ...], **more: Any) -> surface.Op:
    axes = tuple(range(len(shape) - len(over), len(shape)))
    return op(
        "layer_norm",
        label,
        lambda lib, x, w, b: lib.nn.functional.layer_norm(x, over, w, b),
        lambda x, w, b: (rows(x, axes, 1e-5) if x.size else x) * w + b,
        normal(*shape),
        normal(*over),
        normal(*over),
        **more,
    )


def grouped(label: str, n: int, *shape: int) -> surface.Op:
    return op(
        "group_norm",
        label,
        lambda lib, x, w, b: lib.nn.functional.group_norm(x, n, w, b, 1e-3),
        lambda x, w, b: groups(x, n, w, b, 1e-3),
        normal(*shape),
        normal(shape[1]),
        normal(shape[1]),
    )


def response(label: str, size: int, alpha: float, beta: float, k: float, *shape: int) -> surface.Op:
    return op(
        "local_response_norm",
        label,
        lambda lib, x: lib.nn.functional.local_response_norm(x, size, alpha, beta, k),
        lambda x: local(x, size, alpha, beta, k),
        normal(*shape, scale=2.0),
    )


def unit(label: str, p: float, dim: Any, *shape: int, **more: Any) -> surface.Op:
    return op(
        "normalize",
        label,
        lambda lib, x: lib.nn.functional.normalize(x, p, dim),
        lambda x: (
            x
            / np.maximum(
                np.abs(x).max(dim, keepdims=True)
                if p == np.inf
                else (np.abs(x) ** p).sum(dim, keepdims=True) ** (1 / p),
                1e-12,
            )
        ),
        surface.distinct(*shape),
        **more,
    )


OPS = [
    training(5, 3, label="rows"),
    training(3, 2, 4, label="1d"),
    training(2, 3, 3, 2, label="2d"),
    training(2, 2, 2, 1, 3, label="3d"),
    training(2, 3, 4, label="plain", affine=False),
    training(0, 3, 2, label="empty"),
    op(
        "batch_norm",
        "evaluation",
        # The statistics take no part in differentiation.
        lambda lib, x, w, b: lib.nn.functional.batch_norm(
            x, lib.tensor([0.25, -0.5], dtype=x.dtype), lib.tensor([0.5, 2.0], dtype=x.dtype), w, b
        ),
        lambda x, w, b: given(x, np.array([0.25, -0.5]), np.array([0.5, 2.0]), w, b),
        normal(3, 2, 4),
        normal(2),
        normal(2),
    ),
    layer("last", (3, 5), (5,)),
    layer("two", (2, 3, 4), (3, 4)),
    layer("all", (3, 2), (3, 2)),
    layer("empty", (0, 4), (4,)),
    op(
        "layer_norm",
        "weight-alone",
        lambda lib, x, w: lib.nn.functional.layer_norm(x, (4,), w, None, 0.1),
        lambda x, w: rows(x, (1,), 0.1) * w,
        normal(3, 4),
        normal(4),
    ),
    op(
        "layer_norm",
        "plain",
        lambda lib, x: lib.nn.functional.layer_norm(x, [4]),
        lambda x: rows(x, (2,), 1e-5),
        normal(2, 2, 4, shift=3.0),
    ),
    grouped("two", 2, 2, 4, 3),
    grouped("each", 4, 2, 4, 2, 2),
    grouped("one", 1, 2, 3, 2),
    grouped("rows", 2, 3, 6),
    grouped("empty", 2, 0, 4, 2),
    op(
        "group_norm",
        "plain",
        lambda lib, x: lib.nn.functional.group_norm(x, 2),
        lambda x: groups(x, 2),
        normal(2, 4, 3),
    ),
    op(
        "instance_norm",
        "affine",
        lambda lib, x, w, b: lib.nn.functional.instance_norm(x, weight=w, bias=b),
        lambda x, w, b: groups(x, x.shape[1], w, b),
        normal(2, 3, 5),
        normal(3),
        normal(3),
    ),
    op(
        "instance_norm",
        "2d",
        lambda lib, x: lib.nn.functional.instance_norm(x, eps=1e-2),
        lambda x: groups(x, x.shape[1], eps=1e-2),
        normal(2, 2, 3, 2),
    ),
    op(
        "rms_norm",
        "weight",
        lambda lib, x, w: lib.nn.functional.rms_norm(x, (4,), w, 1e-5),
        lambda x, w: rms(x, 1, 1e-5) * w,
        normal(3, 4),
        normal(4),
    ),
    op(
        "rms_norm",
        "plain",
        lambda lib, x: lib.nn.functional.rms_norm(x, (2, 3)),
        lambda x: rms(x, 2, 2.0**-52),
        normal(2, 2, 3),
    ),
    response("alexnet", 5, 5e-1, 0.75, 2.0, 2, 7, 3, 2),
    response("even", 4, 1.0, 0.5, 1.0, 1, 6, 3),
    response("wide", 9, 1.0, 1.5, 1.0, 2, 3, 2),
    response("empty", 3, 1.0, 0.75, 1.0, 0, 3, 2),
    unit("rows", 2.0, 1, 3, 4),
    unit("first", 2.0, 0, 3, 4),
    unit("one", 1.0, -1, 2, 3, 2),
    unit("three", 3.0, 1, 2, 3),
    unit("largest", np.inf, 1, 3, 4),
    unit("empty", 2.0, 1, 0, 3),
]
test_all = surface.make_tests(OPS)


def test_bad_input() -> None:
    F, one = mo.nn.functional, mo.ones(1, 3)
    with pytest.raises(ValueError, match=r"batch_norm: expected more than 1 value per channel"):
        F.batch_norm(one, mo.zeros(3), mo.ones(3), training=True)
    with pytest.raises(ValueError, match=r"instance_norm: expected more than 1 spatial element"):
        F.instance_norm(mo.ones(2, 3, 1))
    with pytest.raises(RuntimeError, match=r"batch_norm: without training"):
        F.batch_norm(one, None, None)
    with pytest.raises(ValueError, match=r"batch_norm: weight has shape"):
        F.batch_norm(mo.ones(2, 3), None, None, mo.ones(4), training=True)
    with pytest.raises(RuntimeError, match=r"layer_norm: the input of shape"):
        F.layer_norm(mo.ones(2, 3), (4,))
    with pytest.raises(RuntimeError, match=r"group_norm: cannot split 3 channels"):
        F.group_norm(mo.ones(2, 3, 2), 2)
    with pytest.raises(ValueError, match=r"local_response_norm: size"):
        F.local_response_norm(mo.ones(2, 3, 2), 0)
    with pytest.raises(ValueError, match=r"local_response_norm: wants"):
        F.local_response_norm(mo.ones(2, 3), 2)
    with pytest.raises(TypeError, match=r"rms_norm: .*floating"):
        F.rms_norm(mo.ones(2, 3, dtype=mo.int64), (3,))


def test_zero_has_a_finite_gradient() -> None:
    x = mo.zeros(2, 3, requires_grad=True)
    mo.nn.functional.normalize(x).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
