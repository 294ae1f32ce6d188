"""Pooling in plain loops over windows, for the tests."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

# -- the reference: a window is a list of places for each pooled dimension


def plain(size: int, kernel: int, stride: int, pad: int = 0, dilation: int = 1, ceil: bool = False) -> Any:
    """The places of each window, those of the padding too."""
    room = size + 2 * pad - dilation * (kernel - 1) - 1
    count = (math.ceil if ceil else math.floor)(room / stride) + 1
    if ceil and (count - 1) * stride >= size + pad:
        count -= 1
    return [[i * stride - pad + k * dilation for k in range(kernel)] for i in range(count)]


def adaptive(size: int, count: int) -> Any:
    return [list(range(i * size // count, -(-(i + 1) * size // count))) for i in range(count)]


def fractional(size: int, kernel: int, count: int, u: float) -> Any:
    alpha = (size - kernel) / (count - 1) if count > 1 else 0
    starts = [int((i + u) * alpha) - int(u * alpha) for i in range(count - 1)] + [size - kernel]
    return [list(range(s, s + kernel)) for s in starts]


def pooled(x: np.ndarray, dims: list[Any], one: Any) -> list[np.ndarray]:
    """one(values, flat places, all places of the padded window) for each window and plane, as arrays."""
    spatial = len(dims)
    sizes = x.shape[-spatial:]
    lead = x.shape[:-spatial]
    flat = x.reshape(-1, *sizes)
    out: list[list[Any]] = []
    for plane in flat:
        for windows in itertools.product(*dims):
            inside = [[p for p in w if 0 <= p < n] for w, n in zip(windows, sizes)]
            places = [np.ravel_multi_index(p, sizes) for p in itertools.product(*inside)]
            out.append(one(plane.reshape(-1)[places], np.array(places), windows))
    shape = (*lead, *(len(d) for d in dims))
    return [np.array([o[i] for o in out]).reshape(shape) for i in range(len(out[0]) if out else 0)]


def largest(x: np.ndarray, dims: list[Any]) -> list[np.ndarray]:
    return pooled(x, dims, lambda v, p, w: (v.max(), p[v.argmax()]))


def mean(
    x: np.ndarray, dims: list[Any], pads: Any = None, include: bool = True, divisor: int = 0
) -> np.ndarray:
    """Padding counts where `include`, as far as it is there; pads: of each dimension, its size in front."""
    sizes = x.shape[-len(dims) :]

    def one(v: np.ndarray, p: np.ndarray, windows: Any) -> Any:
        count = v.size
        if include and pads is not None:
            count = math.prod(
                sum(-q <= at < n + q for at in w) for w, n, q in zip(windows, sizes, pads, strict=True)
            )
        return (v.sum() / (divisor or count),)

    return pooled(x, dims, one)[0]


def fractional_reference(x: np.ndarray, u: np.ndarray, kernel: Any, counts: Any) -> list[np.ndarray]:
    spatial = len(kernel)
    planes, samples = x.reshape(-1, *x.shape[-spatial:]), u.reshape(-1, spatial)
    if spatial == 2:
        samples = samples[:, ::-1]  # columns first
    parts = [
        largest(p, [fractional(m, k, c, v) for m, k, c, v in zip(p.shape, kernel, counts, s)])
        for p, s in zip(planes, samples)
    ]
    return [np.stack([part[i] for part in parts]).reshape(*x.shape[:-spatial], *counts) for i in (0, 1)]


def drawn(v: np.ndarray, u: float) -> int:
    """Which element chance u picks (Zeiler & Fergus 2013)."""
    weights = np.maximum(v, 0)
    if weights.sum() == 0:
        return int(u * v.size)
    return int(np.argmax(np.cumsum(weights) > u * weights.sum()))
