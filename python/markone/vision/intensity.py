"""The image as a function: operations on its values, and its histogram.

An image is a tensor [..., H, W] of bytes (0 … 255) or of a floating type (0 … 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from .._dtypes import float32, int64, uint8
from ..tensor import Tensor

__all__ = [
    "brightness",
    "cumulative",
    "equalize",
    "histogram",
    "match_histogram",
    "mirror",
    "quantize",
    "resample",
    "shuffle_pixels",
]


def _image(op: str, image: Any) -> Tensor:
    image = ops.as_tensor(image)
    if image.ndim < 2 or 0 in image.shape:
        raise ValueError(f"{op}: got an image of shape {list(image.shape)}, wants [..., H, W], not empty")
    if not image.is_floating_point() and image.dtype is not uint8:
        raise TypeError(f"{op}: got {image.dtype}, wants bytes (uint8) or a floating type")
    return image


def _top(image: Tensor) -> float:
    return 255.0 if image.dtype is uint8 else 1.0


def _back(values: Tensor, like: Tensor) -> Tensor:
    return ops.round(values).to(uint8) if like.dtype is uint8 else values.to(like.dtype)


def brightness(image: Any, shift: float) -> Tensor:
    """f(x, y) + shift, cut to the range: `shift` in grey levels of the image (of 255 for bytes)."""
    image = _image("brightness", image)
    wide = image if image.is_floating_point() else image.to(float32)
    return _back(ops.clamp(wide + shift, 0, _top(image)), image)


def mirror(image: Any, dim: int = -1) -> Tensor:
    """f(−x, y), or along another dimension."""
    return ops.flip(_image("mirror", image), (dim,))


def quantize(image: Any, levels: int) -> Tensor:
    """The nearest of `levels` evenly spaced grey levels, the darkest and the brightest included."""
    if levels < 2:
        raise ValueError(f"quantize: got levels={levels}, wants 2 or more")
    image = _image("quantize", image)
    wide = image if image.is_floating_point() else image.to(float32)
    step = _top(image) / (levels - 1)
    return _back(ops.clamp(ops.round(wide / step), 0, levels - 1) * step, image)


def resample(image: Any, size: tuple[int, int]) -> Tensor:
    """The image sampled at size (rows, columns) places, each the nearest pixel: a coarser sensor's."""
    image = _image("resample", image)
    height, width = image.shape[-2:]
    if min(size) < 1:
        raise ValueError(f"resample: got size={size}, wants 1 or more rows and columns")
    rows, columns = (
        np.minimum(((np.arange(want) + 0.5) * have / want).astype(np.int64), have - 1)
        for have, want in zip((height, width), size)
    )
    picked = ops.index_select(image, -2, ops.from_numpy(rows))
    return ops.index_select(picked, -1, ops.from_numpy(columns))


def shuffle_pixels(image: Any, seed: int = 0) -> Tensor:
    """The same pixels in a random order (all channels alike): the histogram stays, the picture is gone."""
    image = _image("shuffle_pixels", image)
    lead, (height, width) = image.shape[:-2], image.shape[-2:]
    order = np.random.default_rng(seed).permutation(height * width)
    return ops.index_select(image.reshape(*lead, -1), -1, ops.from_numpy(order)).reshape(image.shape)


def _codes(image: Tensor, bins: int) -> Tensor:
    """The number of each pixel's bin, int64."""
    if bins < 1:
        raise ValueError(f"histogram: got bins={bins}, wants 1 or more")
    if image.dtype is uint8:
        return ops.div(image.to(int64) * bins, 256, rounding_mode="floor")
    return ops.clamp((image * bins).to(int64), 0, bins - 1)


def histogram(image: Any, bins: int = 256) -> Tensor:
    """How many pixels lie in each of `bins` equal parts of 0 … 255 (bytes) or 0 … 1: int64 [bins]."""
    return ops.bincount(_codes(_image("histogram", image), bins).reshape(-1), minlength=bins)


def cumulative(image: Any, bins: int = 256) -> Tensor:
    """The share of the pixels that lie in a bin or below: float64 [bins], the last is 1."""
    counts = histogram(image, bins).double()
    return ops.cumsum(counts, 0) / counts.sum()


def equalize(image: Any, bins: int = 256) -> Tensor:
    """Each value replaced by the share of the pixels that are as dark or darker.

    The result's cumulative histogram follows the diagonal to within one bin: a transform by its own
    distribution function makes any distribution uniform.
    """
    image = _image("equalize", image)
    share = cumulative(image, bins)
    return _back(
        ops.index_select(share, 0, _codes(image, bins).reshape(-1)).reshape(image.shape) * _top(image), image
    )


def match_histogram(image: Any, like: Any, bins: int = 256) -> Tensor:
    """Histogram specification: gives `image` the histogram of `like`, whose size may be another.

    A value goes where `like` has the same share of pixels below it.
    """
    image, like = _image("match_histogram", image), _image("match_histogram", like)
    wanted = cumulative(like, bins).numpy()
    centres = (np.arange(bins) + (0.5 if image.is_floating_point() else 0)) / bins * _top(image)
    if image.dtype is uint8:
        centres = np.floor(np.arange(bins) * 256 / bins)
    places = np.interp(cumulative(image, bins).numpy(), wanted, centres)
    values = ops.index_select(ops.from_numpy(places), 0, _codes(image, bins).reshape(-1))
    return _back(values.reshape(image.shape), image)
