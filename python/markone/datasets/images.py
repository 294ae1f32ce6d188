"""What image data sets with one label an image have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..data import Dataset
from ..ops import from_numpy, resize_bilinear
from ..tensor import Tensor

__all__ = ["LabelledImages"]


class LabelledImages(Dataset[tuple[Tensor, Any]]):
    """Images as bytes; sample i is `(image, label)`, the image float32 [C, H, W] in 0..1.

    Attributes:
        data: the images, uint8 [N, H, W] (grey) or [N, C, H, W], values 0 .. `largest`.
        targets: the labels, int64 [N].
        classes: the labels' names.
    """

    classes: tuple[str, ...] = tuple(str(digit) for digit in range(10))
    largest = 255

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        transform: Callable[[Tensor], Any] | None,
        target_transform: Callable[[int], Any] | None,
        size: int | tuple[int, int] | None,
    ) -> None:
        self.data = from_numpy(images)
        self.targets = from_numpy(labels.astype(np.int64))
        self.transform = transform
        self.target_transform = target_transform
        self.size = (size, size) if isinstance(size, int) else size
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 1):
            raise ValueError(f"{type(self).__name__}: size is {size}, wants one or two numbers of at least 1")

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def _images(self, indices: Sequence[int]) -> Tensor:
        """Images as the network gets them, before the transform: float32 [B, C, H, W]."""
        picked = from_numpy(np.asarray(indices, dtype=np.int64))
        with no_grad():
            images = self.data[picked].float() / float(self.largest)
            images = images.unsqueeze(1) if images.ndim == 3 else images
            return images if self.size is None else resize_bilinear(images, self.size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"{type(self).__name__}: index {index} is outside the {count} images")
        image = self._images([index % count])[0]
        label = int(self.targets[index].item())
        return (
            image if self.transform is None else self.transform(image),
            label if self.target_transform is None else self.target_transform(label),
        )

    def get_batch(self, indices: Sequence[int]) -> list[Tensor] | None:
        """The whole batch at once, where the transform (see `markone.transforms`) can take one."""
        if self.target_transform is not None:
            return None
        if self.transform is not None and not getattr(self.transform, "batched", False):
            return None
        images = self._images(indices)
        if self.transform is not None:
            images = self.transform(images)
        return [images, self.targets[from_numpy(np.asarray(indices, dtype=np.int64))]]

    def extra_repr(self) -> str:
        """What the text of the data set adds."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Dataset {type(self).__name__}", f"    Number of datapoints: {len(self)}"]
        if self.extra_repr():
            lines.append(f"    {self.extra_repr()}")
        if self.transform is not None:
            lines.append(f"    Transform: {self.transform}")
        return "\n".join(lines)
