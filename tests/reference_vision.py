"""Resampling, grids, boxes and regions in plain NumPy, for the tests."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np


def keys(x: np.ndarray, a: float) -> np.ndarray:
    """The cubic convolution kernel (Keys 1981)."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def matrix(mode: str, size: int, out: int, factor: Any, align: bool, antialias: bool) -> np.ndarray:
    """[out, size]: the weights of one dimension."""
    weights = np.zeros((out, size))
    kind = mode.replace("bi", "").replace("tri", "")
    i = np.arange(out)
    if kind == "area":
        for o in i:
            low, high = o * size // out, -(-(o + 1) * size // out)
            weights[o, low:high] = 1 / (high - low)
        return weights
    step = 1 / factor if factor else size / out
    if kind.startswith("nearest"):
        at = np.floor((i + (0.5 if kind == "nearest-exact" else 0)) * step).astype(int)
        weights[i, np.minimum(at, size - 1)] = 1
        return weights
    if align:
        step = (size - 1) / (out - 1) if out > 1 else 0.0
    if antialias:
        wide = max(step, 1.0)
        places = np.arange(size)[None] + 0.5 - ((i + 0.5) * step)[:, None]
        x = places / wide
        values = np.maximum(1 - np.abs(x), 0) if kind == "linear" else keys(x, -0.5)
        reach = (1 if kind == "linear" else 2) * wide
        centre = (i + 0.5) * step
        low = np.maximum(np.floor(centre - reach + 0.5), 0)[:, None]
        high = np.minimum(np.floor(centre + reach + 0.5), size)[:, None]
        values = np.where((np.arange(size) >= low) & (np.arange(size) < high), values, 0)
        return values / values.sum(1, keepdims=True)
    at = i * step if align else (i + 0.5) * step - 0.5
    if kind == "linear":
        at = np.clip(at, 0, size - 1)
        low = np.minimum(at.astype(int), size - 1)
        np.add.at(weights, (i, low), 1 - (at - low))
        np.add.at(weights, (i, np.minimum(low + 1, size - 1)), at - low)
        return weights
    low = np.floor(at).astype(int)
    for k in range(-1, 3):
        np.add.at(weights, (i, np.clip(low + k, 0, size - 1)), keys(at - low - k, -0.75))
    return weights


def resized(x: np.ndarray, mode: str, size: Any, factors: Any, align: bool, antialias: bool) -> np.ndarray:
    for dim in range(x.ndim - 2):
        m = matrix(mode, x.shape[2 + dim], size[dim], factors and factors[dim], align, antialias)
        x = np.moveaxis(np.tensordot(m, x, (1, 2 + dim)), 0, 2 + dim)
    return x


def place(at: float, size: int, padding: str, align: bool) -> float:
    """A place of the array after the padding rule."""
    if padding == "reflection":
        low, high = (0, size - 1) if align else (-0.5, size - 0.5)
        span = high - low
        at = 0.0 if span == 0 else low + abs((at - low + span) % (2 * span) - span)
    return min(max(at, 0), size - 1) if padding != "zeros" else at


def taps(at: float, size: int, mode: str, padding: str, align: bool) -> list[tuple[int, float]]:
    """(element, weight) of one dimension; those outside are left out."""
    at = (at + 1) / 2 * (size - 1) if align else ((at + 1) * size - 1) / 2
    if mode == "bicubic":
        low = math.floor(at)
        found = [
            (int(place(low + k, size, padding, align)), float(keys(np.array(at - low - k), -0.75)))
            for k in range(-1, 3)
        ]
    else:
        at = place(at, size, padding, align)
        low = math.floor(at)
        near = [(round(at), 1.0)]
        found = near if mode == "nearest" else [(low, 1 - (at - low)), (low + 1, at - low)]
    return [(i, w) for i, w in found if 0 <= i < size]


def sampled(x: np.ndarray, grid: np.ndarray, mode: str, padding: str, align: bool) -> np.ndarray:
    n, c, *sizes = x.shape
    places = grid.shape[1:-1]
    out = np.zeros((n, c, *places))
    for b in range(n):
        for p in np.ndindex(*places):
            axes = [
                taps(v, size, mode, padding, align)
                for v, size in zip(grid[(b, *p)][::-1], sizes, strict=True)
            ]
            for combination in itertools.product(*axes):
                where = tuple(i for i, _ in combination)
                out[(b, slice(None), *p)] += (
                    math.prod(w for _, w in combination) * x[(b, slice(None), *where)]
                )
    return out


def area(b: np.ndarray) -> float:
    return (b[2] - b[0]) * (b[3] - b[1])


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Intersection, union, hull."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return both, area(a) + area(b) - both, hull


def kept(boxes: np.ndarray, scores: np.ndarray, threshold: float, groups: Any = None) -> np.ndarray:
    out: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        rivals = [j for j in out if groups is None or groups[i] == groups[j]]
        if all(overlap(boxes[i], boxes[j])[0] <= threshold * overlap(boxes[i], boxes[j])[1] for j in rivals):
            out.append(i)
    return np.array(out, np.int64)


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    h, w = plane.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    i, j = min(int(y), h - 1), min(int(x), w - 1)
    u, v = min(i + 1, h - 1), min(j + 1, w - 1)
    a, b = y - i, x - j
    return (
        (1 - a) * (1 - b) * plane[i, j]
        + (1 - a) * b * plane[i, v]
        + a * (1 - b) * plane[u, j]
        + a * b * plane[u, v]
    )


def aligned_regions(
    x: np.ndarray, rois: np.ndarray, size: Any, scale: float, ratio: int, aligned: bool
) -> np.ndarray:
    """He et al. 2017, as torchvision's roi_align does it."""
    out = np.zeros((len(rois), x.shape[1], *size))
    for k, (image, *box) in enumerate(rois):
        x1, y1, x2, y2 = (v * scale - (0.5 if aligned else 0) for v in box)
        w, h = x2 - x1, y2 - y1
        if not aligned:
            w, h = max(w, 1), max(h, 1)
        bin_h, bin_w = h / size[0], w / size[1]
        rows = ratio if ratio > 0 else math.ceil(bin_h)
        columns = ratio if ratio > 0 else math.ceil(bin_w)
        for c, i, j in np.ndindex(x.shape[1], *size):
            total = sum(
                bilinear(
                    x[int(image), c],
                    y1 + i * bin_h + (p + 0.5) * bin_h / rows,
                    x1 + j * bin_w + (q + 0.5) * bin_w / columns,
                )
                for p, q in itertools.product(range(rows), range(columns))
            )
            out[k, c, i, j] = total / max(rows * columns, 1)
    return out


def pooled_regions(x: np.ndarray, rois: np.ndarray, size: Any, scale: float) -> np.ndarray:
    """Girshick 2015, as torchvision's roi_pool does it."""
    out = np.zeros((len(rois), x.shape[1], *size))
    for k, (image, *box) in enumerate(rois):
        x1, y1, x2, y2 = (math.floor(v * scale + 0.5) for v in box)
        w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
        for c, i, j in np.ndindex(x.shape[1], *size):
            rows = np.clip(
                [math.floor(i * h / size[0]) + y1, math.ceil((i + 1) * h / size[0]) + y1], 0, x.shape[2]
            )
            columns = np.clip(
                [math.floor(j * w / size[1]) + x1, math.ceil((j + 1) * w / size[1]) + x1], 0, x.shape[3]
            )
            part = x[int(image), c, rows[0] : rows[1], columns[0] : columns[1]]
            out[k, c, i, j] = part.max() if part.size else 0
    return out
