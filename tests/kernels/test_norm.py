"""Normalisation kernels and their gradients against float64, on every instruction set and layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

HALVES = ("float32", "float64", "bfloat16", "float16")


def row_axes(kind: str, shape: tuple[int, ...], size: list[int]) -> np.ndarray:
    """The input's shape with a row in the last dimension."""
    return np.array(
        [shape[0] * size[0], -1] if kind in ("group_norm", "instance_norm") else [-1, np.prod(size)]
    )


def row_parts(kind: str, size: list[int], eps: float, a: list[np.ndarray]) -> Any:
    x, w, b = a[:3]
    flat = x.reshape(*row_axes(kind, x.shape, size))
    mean = np.zeros((len(flat), 1)) if kind == "rms_norm" else flat.mean(1, keepdims=True)
    scale = 1 / np.sqrt(((flat - mean) ** 2).mean(1, keepdims=True) + eps)
    if kind in ("group_norm", "instance_norm"):
        w, b = (np.broadcast_to(v.reshape((1, -1) + (1,) * (x.ndim - 2)), x.shape) for v in (w, b))
    else:
        w, b = (np.broadcast_to(v, x.shape) for v in (w, b))
    return flat, mean, scale, w.reshape(flat.shape), b.reshape(flat.shape)


def row_forward(kind: str, size: list[int], eps: float, a: list[np.ndarray]) -> Any:
    flat, mean, scale, w, b = row_parts(kind, size, eps, a)
    return ((flat - mean) * scale * w + b).reshape(a[0].shape)


def row_backward(kind: str, size: list[int], eps: float, a: list[np.ndarray]) -> Any:
    flat, mean, scale, w, _ = row_parts(kind, size, eps, a)
    g = a[3].reshape(flat.shape)
    unit, gw = (flat - mean) * scale, g * w
    plain = 0 if kind == "rms_norm" else gw.mean(1, keepdims=True)
    dx = scale * (gw - plain - unit * (gw * unit).mean(1, keepdims=True))
    if kind in ("group_norm", "instance_norm"):
        over = (0, *range(2, a[0].ndim))
    else:
        over = tuple(range(a[0].ndim - len(size)))
    g, unit = g.reshape(a[0].shape), unit.reshape(a[0].shape)
    return dx.reshape(a[0].shape), (g * unit).sum(over), g.sum(over)


def batch_forward(a: list[np.ndarray]) -> Any:
    x, w, b, rm, rv = a[:5]
    over, shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    mean, var = x.mean(over), x.var(over)
    y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + 1e-5) * w.reshape(shape) + b.reshape(shape)
    count = x.size / x.shape[1]
    return y, 0.7 * rm + 0.3 * mean, 0.7 * rv + 0.3 * var * count / (count - 1)


def batch_backward(a: list[np.ndarray]) -> Any:
    x, w, g = a[0], a[1], a[5]
    over, shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    scale = 1 / np.sqrt(x.var(over) + 1e-5).reshape(shape)
    unit = (x - x.mean(over).reshape(shape)) * scale
    dx = (
        w.reshape(shape)
        * scale
        * (g - g.mean(over, keepdims=True) - unit * (g * unit).mean(over, keepdims=True))
    )
    return dx, (g * unit).sum(over), g.sum(over)


def call_batch(x: list[Any]) -> Any:
    running = [_C.clone(x[3]), _C.clone(x[4])]
    return _C.batch_norm(x[0], x[1], x[2], *running, True, 0.3, 1e-5, None)[0], *running


def call_batch_grad(x: list[Any]) -> Any:
    _, mean, scale = _C.batch_norm(x[0], x[1], x[2], None, None, True, 0.3, 1e-5, None)
    return _C.batch_norm_grad(x[5], x[0], x[1], mean, scale, True, True, True, True)


def call_rows(kind: str, size: list[int], eps: float, x: list[Any]) -> Any:
    return _C.row_norm(kind, x[0], size, x[1], None if kind == "rms_norm" else x[2], eps)[0]


def call_rows_grad(kind: str, size: list[int], eps: float, x: list[Any]) -> Any:
    _, mean, scale = _C.row_norm(kind, x[0], size, x[1], None if kind == "rms_norm" else x[2], eps)
    return _C.row_norm_grad(kind, x[3], x[0], size, x[1], mean, scale, True, True, True)


def local(a: list[np.ndarray]) -> Any:
    x, size = a[0], 5
    d = np.empty_like(x)
    for c in range(x.shape[1]):
        d[:, c] = 2 + 0.1 * (x[:, max(0, c - 2) : c + 3] ** 2).sum(1)
    return x, d, x / d**0.75, size


def local_backward(a: list[np.ndarray]) -> Any:
    x, d, _, size = local(a)
    h = a[1] * x * d**-1.75
    dx = a[1] * d**-0.75
    for c in range(x.shape[1]):
        dx[:, c] -= 2 * 0.5 * 0.75 / size * x[:, c] * h[:, max(0, c - 2) : c + 3].sum(1)
    return dx


def wide(*values: Any) -> Any:
    """A bound that is the same for the whole of each result: what is summed over may cancel."""
    return tuple(np.full_like(v, 200 * (1 + np.abs(v).max(initial=0))) for v in values)


def make_cases() -> list[harness.Case]:
    cases = []
    for kind, shape, size, dtypes in [
        ("layer_norm", (5, 7), [7], HALVES),
        ("layer_norm", (300, 33), [33], ("float32",)),
        ("layer_norm", (2, 3, 2500), [2500], ("float32", "float64")),
        ("layer_norm", (3, 4, 5), [4, 5], ("float32",)),
        ("rms_norm", (40, 65), [65], HALVES),
        ("group_norm", (2, 6, 5, 7), [3], HALVES),
        ("group_norm", (3, 4, 1100), [2], ("float32",)),
        ("group_norm", (5, 12), [4], ("float32",)),
        ("instance_norm", (3, 4, 50), [4], ("float32",)),
    ]:
        weights = [shape[1]] if "group" in kind or "instance" in kind else size

        def inputs(rng: Any, s: Any = shape, w: Any = weights) -> list[Any]:
            return [
                1 + 2 * rng.standard_normal(s),
                rng.standard_normal(w),
                np.zeros(w),
                rng.standard_normal(s),
            ]

        def forward(a: Any, k: Any = kind, s: Any = size) -> Any:
            return row_forward(k, s, 1e-5, a)

        def backward(a: Any, k: Any = kind, s: Any = size) -> Any:
            return row_backward(k, s, 1e-5, a)

        label = f"{kind}-{'x'.join(map(str, shape))}"
        cases.append(
            harness.Case(
                label,
                inputs,
                lambda x, k=kind, s=size: call_rows(k, s, 1e-5, x),
                forward,
                lambda a, f=forward: wide(f(a))[0],
                dtypes=dtypes,
            )
        )
        cases.append(
            harness.Case(
                f"{label}-grad",
                inputs,
                lambda x, k=kind, s=size: tuple(call_rows_grad(k, s, 1e-5, x)),
                backward,
                lambda a, f=backward: wide(*f(a)),
                dtypes=("float32", "float64"),
            )
        )
    for shape, dtypes in [
        ((6, 5), HALVES),
        ((150, 70), ("float32", "float64")),
        ((3, 4, 5, 7), HALVES),
        ((9, 2, 300), ("float32",)),
        ((2, 3, 2100), ("float32",)),
    ]:

        def batch_inputs(rng: Any, s: Any = shape) -> list[Any]:
            c = s[1]
            return [
                1 + 2 * rng.standard_normal(s),
                rng.standard_normal(c),
                rng.standard_normal(c),
                rng.standard_normal(c),
                1 + rng.random(c),
                rng.standard_normal(s),
            ]

        label = "x".join(map(str, shape))
        cases.append(
            harness.Case(
                f"batch_norm-{label}",
                batch_inputs,
                call_batch,
                batch_forward,
                lambda a: wide(*batch_forward(a)),
                dtypes=dtypes,
            )
        )
        cases.append(
            harness.Case(
                f"batch_norm-{label}-grad",
                batch_inputs,
                call_batch_grad,
                batch_backward,
                lambda a: wide(*batch_backward(a)),
                dtypes=("float32", "float64"),
            )
        )
    for shape in [(2, 9, 3, 5), (1, 3, 200)]:
        label = "x".join(map(str, shape))
        cases.append(
            harness.Case(
                f"local_response_norm-{label}",
                lambda rng, s=shape: [rng.standard_normal(s)],
                lambda x: _C.local_response_norm(x[0], 5, 0.5, 0.75, 2.0),
                lambda a: local(a)[2],
                lambda a: wide(local(a)[2])[0],
                dtypes=HALVES,
            )
        )
        cases.append(
            harness.Case(
                f"local_response_norm-{label}-grad",
                lambda rng, s=shape: [rng.standard_normal(s), rng.standard_normal(s)],
                lambda x: _C.local_response_norm_grad(x[1], x[0], 5, 0.5, 0.75, 2.0),
                local_backward,
                lambda a: wide(local_backward(a))[0],
                dtypes=("float32", "float64"),
            )
        )
    return cases


test_all = harness.make_tests(make_cases())


def test_a_large_mean_leaves_the_variance() -> None:
    """Sums of squares would lose it."""
    x = (1e4 + np.random.default_rng(0).standard_normal((64, 3, 50))).astype(np.float32)
    for isa in _C.available_isas():
        with harness.using(isa):
            scale = _C.batch_norm(_C.from_numpy(x), None, None, None, None, True, 0.1, 0.0, None)[2]
            want = 1 / x.astype(np.float64).std((0, 2))
            np.testing.assert_allclose(harness.numpy(scale), want, rtol=1e-5)
            flat = _C.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1)).reshape(-1, 3))
            scale = _C.batch_norm(flat, None, None, None, None, True, 0.1, 0.0, None)[2]
            np.testing.assert_allclose(harness.numpy(scale), want, rtol=1e-5)


def test_a_row_alone_is_the_row_in_a_batch() -> None:
    x = np.random.default_rng(0).standard_normal((37, 130)).astype(np.float32)
    whole = harness.numpy(_C.row_norm("layer_norm", _C.from_numpy(x), [130], None, None, 1e-5)[0])
    alone = harness.numpy(_C.row_norm("layer_norm", _C.from_numpy(x[5:6].copy()), [130], None, None, 1e-5)[0])
    assert whole[5:6].tobytes() == alone.tobytes()


def test_wrong_arguments() -> None:
    x = _C.from_numpy(np.ones((2, 3, 4), np.float32))
    with pytest.raises(ValueError, match="row_norm: there is no 'x'"):
        _C.row_norm("x", x, [4], None, None, 1e-5)
    with pytest.raises(ValueError, match="batch_norm: running_mean has shape"):
        _C.batch_norm(x, None, None, x, x, True, 0.1, 1e-5, None)
    with pytest.raises(TypeError, match="batch_norm: num_batches_tracked must be one int64"):
        _C.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, x)
    with pytest.raises(ValueError, match="batch_norm: g has shape"):
        _C.batch_norm_grad(_C.from_numpy(np.ones(3)), x, None, x, x, True, True, True, True)
