"""The digits inside the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..data.random import permutation
from ..tensor import Tensor
from .idx import read_idx
from .images import LabelledImages

__all__ = ["Digits"]

_TEST_IMAGES_A_CLASS = 36
# The first key whose split is of median difficulty: one nearest neighbour gets 98.9 % of the test images
# right, the median over 60 keys (they range from 96.7 %).
_SPLIT_KEY = 2


def _split(labels: np.ndarray, train: bool) -> np.ndarray:
    """The places of one part: 36 images of each class, drawn once and for all, are the test part."""
    order = permutation(len(labels), _SPLIT_KEY)
    test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        test[order[labels[order] == digit][:_TEST_IMAGES_A_CLASS]] = True
    return np.flatnonzero(~test if train else test)


class Digits(LabelledImages):
    """1,797 handwritten digits of 8x8 that come with the package: 1,437 to train, 360 (36 a class) to test.

    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
    1998 (CC BY 4.0). Pixels count the dots in blocks of 4x4: 0..16.

    Args:
        train: the training images, else the test images; None: all.
        transform: of an image, float32 [1, H, W] in 0..1.
        target_transform: of a label.
        size: resize (bilinear) to this height and width.
    """

    largest = 16

    def __init__(
        self,
        train: bool | None = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        *,
        size: int | tuple[int, int] | None = None,
    ) -> None:
        folder = Path(__file__).parent / "files"
        images = read_idx(folder / "digits-images-idx3-ubyte.gz", (1797, 8, 8))
        labels = read_idx(folder / "digits-labels-idx1-ubyte.gz", (1797,))
        if train is not None:
            part = _split(labels, train)
            images, labels = images[part], labels[part]
        self.train = train
        super().__init__(images, labels, transform, target_transform, size)

    def extra_repr(self) -> str:
        return f"Split: {'All' if self.train is None else 'Train' if self.train else 'Test'}"
