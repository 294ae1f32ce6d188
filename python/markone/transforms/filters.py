"""Blurring and shrinking by the library's own convolution and matrix product."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .._dtypes import float32, float64
from ..ops import clamp, conv2d, from_numpy, index_select
from ..ops import round as round_
from ..tensor import Tensor

__all__ = ["blur", "bytes_as_float", "gaussian", "shrink"]


def bytes_as_float(image: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """function(image) where it wants float32 or float64: bytes go there (in 0..255) and back, rounded."""
    if image.dtype in (float32, float64):
        return function(image)
    out = function(image.float())
    if image.is_floating_point():
        return out.to(image.dtype)
    return clamp(round_(out), 0, 255).to(image.dtype)


def gaussian(size: int, sigma: float) -> np.ndarray:
    """A Gaussian's values at `size` whole places around its middle, summing to 1 (float64 [size])."""
    away = np.arange(size) - (size - 1) / 2
    values = np.exp(-0.5 * (away / sigma) ** 2)
    return values / values.sum()


def blur(image: Tensor, rows: np.ndarray, columns: np.ndarray) -> Tensor:
    """Convolves [..., H, W] with rows along H and columns along W; the borders are reflected."""
    lead, (height, width) = image.shape[:-2], image.shape[-2:]
    flat = image.reshape(-1, 1, height, width)
    for dim, kernel in ((2, rows), (3, columns)):
        side = len(kernel) // 2
        places = np.pad(
            np.arange(flat.shape[dim], dtype=np.int64), (side, len(kernel) - 1 - side), mode="reflect"
        )
        flat = index_select(flat, dim, from_numpy(places))
        shape = (1, 1, -1, 1) if dim == 2 else (1, 1, 1, -1)
        flat = conv2d(flat, from_numpy(kernel).to(image.dtype).reshape(*shape))
    return flat.reshape(*lead, height, width)


def _triangles(have: int, want: int) -> np.ndarray:
    """Row i: with which weights the `have` pixels make pixel i of `want` (float64 [want, have])."""
    step = have / want
    support = max(step, 1.0)
    centre = (np.arange(want) + 0.5) * step
    weights = np.zeros((want, have))
    for i, middle in enumerate(centre):
        first = max(math.floor(middle - support + 0.5), 0)
        last = min(math.floor(middle + support + 0.5), have)
        places = np.arange(first, last)
        values = np.maximum(1.0 - np.abs(places + 0.5 - middle) / support, 0.0)
        weights[i, first:last] = values / values.sum()
    return weights


def shrink(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Antialiased bilinear resize of [..., H, W]: a triangle filter as wide as the step, rows first."""
    for dim, want in ((-2, size[0]), (-1, size[1])):
        have = image.shape[dim]
        if have == want:
            continue
        weights = from_numpy(_triangles(have, want)).to(image.dtype)
        if dim == -2:
            image = weights @ image
        else:
            image = image @ weights.t()
    return image
