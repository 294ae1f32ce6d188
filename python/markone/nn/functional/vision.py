"""Padding and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index

import numpy as np

from ... import ops
from ...ops.conv import pair
from ...ops.shape import pad_constant
from ...tensor import Tensor

__all__ = ["interpolate", "pad"]


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


def interpolate(
    input: Tensor,
    size: int | tuple[int, int] | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Resizes images.

    Args:
        input: [N, C, H, W].
        size: OH, OW, or one number for both.
        scale_factor: instead of a size: OH = ⌊H · factor⌋.
        mode: 'nearest' (place ⌊i · H/OH⌋) or 'bilinear'.
        align_corners: of 'bilinear': the corners' centres keep their place, else the corners themselves.
    """
    if input.ndim != 4:
        raise ValueError(f"interpolate: wants [N, C, H, W], got shape {list(input.shape)}")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: wants either size or scale_factor")
    scales: tuple[float, float] | None = None
    if size is None:
        assert scale_factor is not None
        if isinstance(scale_factor, int | float):
            scale_factor = (scale_factor, scale_factor)
        scales = (float(scale_factor[0]), float(scale_factor[1]))
        if not all(0 < f <= 2**31 for f in scales):
            raise ValueError(
                f"interpolate: scale_factor is {scale_factor}, wants numbers above 0 (and below 2^31)"
            )
        size = (math.floor(input.shape[2] * scales[0]), math.floor(input.shape[3] * scales[1]))
    wanted = pair("interpolate", "size", size)
    if min(wanted) < 1 or min(input.shape[2:]) < 1:
        raise ValueError(
            f"interpolate: cannot make {list(wanted)} of {list(input.shape)}, sizes have to be above 0"
        )
    if mode == "bilinear":
        if scales is not None and any(
            h * s != w for h, s, w in zip(input.shape[2:], scales, wanted, strict=True)
        ):
            raise NotImplementedError(
                "interpolate: bilinear with a scale_factor that gives no whole size; pass size instead"
            )
        return ops.resize_bilinear(input, wanted, bool(align_corners))
    if mode != "nearest":
        raise NotImplementedError(f"interpolate: mode '{mode}' is not there, wants 'nearest' or 'bilinear'")
    if align_corners is not None:
        raise ValueError("interpolate: align_corners is an option of 'bilinear' only")
    for dim, want in zip((2, 3), wanted, strict=True):
        have = input.shape[dim]
        step = have / want if scales is None else 1.0 / scales[dim - 2]
        places = np.minimum((np.arange(want) * np.float32(step)).astype(np.int64), have - 1)
        input = ops.index_select(input, dim, ops.from_numpy(places))
    return input
