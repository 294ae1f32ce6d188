"""What data sets of pictures have in common: decoded when asked for, then transformed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..data import Dataset
from ..ops import from_numpy
from ..tensor import Tensor

__all__ = ["Pictures", "mask_of", "target_of"]

Change = Callable[[Any], Any] | None


class Pictures(Dataset[tuple[Any, Any]]):
    """Sample i is `(image, target)`, the image float32 [C, H, W] in 0..1, read when it is asked for.

    A subclass writes `__len__` and `load(index)`.

    Args:
        transform: of the image alone.
        target_transform: of the target alone.
        transforms: of both, `transforms(image, target)`, so that boxes and masks move with the pixels (see
            `markone.transforms`); applied first.
    """

    def __init__(
        self,
        transform: Change = None,
        target_transform: Change = None,
        transforms: Callable[..., Any] | None = None,
    ) -> None:
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = transforms

    def load(self, index: int) -> tuple[Tensor, Any]:
        """The picture as uint8 [C, H, W], and its target."""
        raise NotImplementedError(f"{type(self).__name__}: a picture set has to write load(index)")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"{type(self).__name__}: index {index} is outside the {count} images")
        pixels, target = self.load(index % count)
        with no_grad():
            image: Any = pixels.float() / 255.0
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return (
            image if self.transform is None else self.transform(image),
            target if self.target_transform is None else self.target_transform(target),
        )

    def extra_repr(self) -> str:
        """What the text of the data set adds."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Dataset {type(self).__name__}", f"    Number of datapoints: {len(self)}"]
        return "\n".join(lines + ([f"    {self.extra_repr()}"] if self.extra_repr() else []))


def mask_of(plane: Tensor) -> Tensor:
    """A picture of class numbers uint8 [1, H, W] as int64 [H, W]."""
    return plane[0].long()


def target_of(boxes: np.ndarray, labels: Any, image_id: int) -> dict[str, Any]:
    """The target of detection: float32 boxes [N, 4], int64 labels [N], and the picture's number."""
    return {
        "boxes": from_numpy(np.asarray(boxes, dtype=np.float32).reshape(-1, 4)),
        "labels": from_numpy(np.asarray(labels, dtype=np.int64)),
        "image_id": image_id,
    }
