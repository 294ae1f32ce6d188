"""Padding and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from ... import ops
from ...ops.resample import affine_grid, grid_sample, interpolate
from ...ops.shape import pad_constant
from ...tensor import Tensor

__all__ = [
    "affine_grid",
    "grid_sample",
    "interpolate",
    "pad",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Adds elements around the last dimensions (negative numbers take some away).

    Args:
        input: any shape.
        pad: before, after of the last dimension, then of the one before it, ...
        mode: 'constant'; 'reflect' (without repeating the border), 'replicate', 'circular'.
        value: of the constant; 0 where None.
    """
    try:
        sides = [index(n) for n in pad]
    except TypeError:
        raise TypeError(f"pad: pad is {pad!r}, wants integers, two a dimension") from None
    if len(sides) % 2 or len(sides) // 2 > input.ndim:
        raise ValueError(
            f"pad: got {len(sides)} numbers for an input of {input.ndim} dimensions (shape "
            f"{list(input.shape)}), "
            "wants two a dimension"
        )
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode is '{mode}', wants 'constant', 'reflect', 'replicate' or 'circular'")
    if mode != "constant" and value is not None:
        raise ValueError(f"pad: mode '{mode}' takes no value")
    if mode == "constant":
        return pad_constant(input, sides, value or 0.0)
    for i in range(len(sides) // 2):
        dim = input.ndim - 1 - i
        before, after = sides[2 * i], sides[2 * i + 1]
        if before or after:
            _check(input, dim, before, after, mode)
            input = ops.index_select(input, dim, _places(input.shape[dim], before, after, mode))
    return input


def _check(input: Tensor, dim: int, before: int, after: int, mode: str) -> None:
    size = input.shape[dim]
    if size + before + after < 0:
        raise ValueError(f"pad: {before} and {after} take more than the {size} of dimension {dim}")
    limit = {"reflect": size - 1, "circular": size}.get(mode)
    if limit is not None and max(before, after) > limit:
        raise ValueError(
            f"pad: mode '{mode}' can add at most {max(limit, 0)} to dimension {dim} of size {size}, got "
            f"{before} "
            f"and {after}"
        )
    if mode == "replicate" and size == 0:
        raise ValueError(f"pad: dimension {dim} is empty, there is nothing to replicate")


def _places(size: int, before: int, after: int, mode: str) -> Tensor:
    """Which element each place of the padded dimension takes."""
    places = np.arange(-before, size + after)
    if mode == "replicate":
        places = np.clip(places, 0, size - 1)
    elif mode == "circular":
        places %= max(size, 1)
    else:
        places = np.abs(places)
        places = np.where(places >= size, 2 * (size - 1) - places, places)
    return ops.from_numpy(places.astype(np.int64))


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` by its old name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode 'nearest'."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode 'bilinear' and align_corners."""
    return interpolate(input, size, scale_factor, "bilinear", True)
