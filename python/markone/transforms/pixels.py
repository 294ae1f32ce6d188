"""Transforms of pixel values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ops import from_numpy
from ..tensor import Tensor

__all__ = ["Normalize"]


class Normalize:
    """(x - mean) / std, channel by channel.

    Args:
        mean, std: one number a channel, or one for all.
    """

    batched = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = mean
        self.std = std
        means, stds = (np.asarray(v, dtype=np.float32).reshape(-1, 1, 1) for v in (mean, std))
        if not np.all(stds > 0):
            raise ValueError(f"Normalize: std is {std}, wants numbers above 0")
        if means.shape[0] != stds.shape[0] and 1 not in (means.shape[0], stds.shape[0]):
            raise ValueError(f"Normalize: {means.shape[0]} means but {stds.shape[0]} deviations")
        self._channels = max(means.shape[0], stds.shape[0])
        self._mean, self._std = from_numpy(means), from_numpy(stds)

    def __call__(self, image: Tensor) -> Tensor:
        if image.ndim < 3 or self._channels not in (1, image.shape[-3]):
            raise ValueError(
                f"Normalize: wants [..., {self._channels}, H, W], got an image of shape {list(image.shape)}"
            )
        if not image.is_floating_point():
            raise TypeError(f"Normalize: wants a floating-point image, got {image.dtype}")
        return (image - self._mean.to(image.dtype)) / self._std.to(image.dtype)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"
