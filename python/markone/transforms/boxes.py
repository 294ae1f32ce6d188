"""Keeping boxes clean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..ops import from_numpy
from ..tensor import Tensor
from .base import Transform, _image_of

__all__ = ["ClampBoundingBoxes", "SanitizeBoundingBoxes"]


class ClampBoundingBoxes(Transform):
    """Clips boxes to the image. (Geometric transforms do so already.)"""

    def draw(self, size: tuple[int, int], random: Any) -> tuple[int, int]:
        return size

    def on_boxes(self, boxes: Tensor, drawn: tuple[int, int]) -> Tensor:
        places = boxes.detach().numpy()
        limit = np.array([drawn[1], drawn[0]] * 2, dtype=places.dtype)
        return from_numpy(np.clip(places, np.zeros_like(limit), limit))


class SanitizeBoundingBoxes(Transform):
    """Leaves out boxes that are too small, or not inside the image, with what belongs to them.

    Args:
        min_size: the least width and height in pixels.
        min_area: the least area.
        labels: the keys whose rows go with the boxes, where they have as many rows.
    """

    def __init__(
        self,
        min_size: float = 1.0,
        min_area: float = 1.0,
        labels: tuple[str, ...] = ("labels", "masks", "difficult", "iscrowd", "area"),
    ) -> None:
        if min_size < 0 or min_area < 0:
            raise ValueError(
                f"SanitizeBoundingBoxes: min_size {min_size}, min_area {min_area}, want none below 0"
            )
        self.min_size = min_size
        self.min_area = min_area
        self.labels = labels

    def _apply(self, sample: Any) -> Any:
        image = _image_of(sample)
        if isinstance(sample, Mapping):
            return self._clean(sample, image)
        if not isinstance(sample, (tuple, list)):
            raise TypeError("SanitizeBoundingBoxes: wants a sample with boxes, got an image alone")
        parts = [self._clean(p, image) if isinstance(p, Mapping) and "boxes" in p else p for p in sample]
        return type(sample)(*parts) if hasattr(sample, "_fields") else type(sample)(parts)

    def _clean(self, sample: Mapping[str, Any], image: Tensor) -> dict[str, Any]:
        boxes = sample["boxes"].detach().numpy()
        height, width = image.shape[-2:]
        sides = boxes[:, 2:] - boxes[:, :2]
        keep = np.all(sides >= self.min_size, 1) & (sides[:, 0] * sides[:, 1] >= self.min_area)
        keep &= np.all(boxes >= 0, 1) & np.all(boxes <= np.array([width, height, width, height]), 1)
        places = from_numpy(np.flatnonzero(keep).astype(np.int64))
        changed = dict(sample)
        for key in ("boxes", *self.labels):
            value = changed.get(key)
            if isinstance(value, Tensor) and value.ndim and value.shape[0] == len(keep):
                changed[key] = value[places]
        return changed

    def extra_repr(self) -> str:
        return f"min_size={self.min_size}, min_area={self.min_area}"
