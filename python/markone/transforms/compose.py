"""Putting transforms together, and getting tensors in the first place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ops import from_numpy
from ..tensor import Tensor

__all__ = ["Compose", "Lambda", "ToTensor"]


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    @property
    def batched(self) -> bool:
        """Whether every one of them takes a batch."""
        return all(getattr(t, "batched", False) for t in self.transforms)

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {t}\n" for t in self.transforms) + ")"


class Lambda:
    """Any function as a transform.

    Args:
        function: of an image.
        batched: whether it does the same to a batch.
    """

    def __init__(self, function: Callable[[Any], Any], batched: bool = False) -> None:
        if not callable(function):
            raise TypeError(f"Lambda: wants a function, got {type(function).__name__}")
        self.function = function
        self.batched = batched

    def __call__(self, image: Any) -> Any:
        return self.function(image)

    def __repr__(self) -> str:
        return "Lambda()"


class ToTensor:
    """A NumPy array or PIL image [H, W] or [H, W, C] as a tensor [C, H, W]; bytes become float32 in 0..1."""

    batched = False

    def __call__(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            return image
        array = np.asarray(image)
        if array.ndim not in (2, 3):
            raise ValueError(f"ToTensor: wants [H, W] or [H, W, C], got shape {list(array.shape)}")
        if array.dtype == bool:
            array = array.astype(np.uint8) * 255
        planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        if planes.dtype == np.uint8:
            planes = planes.astype(np.float32) / np.float32(255)
        return from_numpy(np.ascontiguousarray(planes))

    def __repr__(self) -> str:
        return "ToTensor()"
