"""Putting transforms together, and getting tensors in the first place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._dtypes import float32, uint8
from ..data.random import sample_random
from ..ops import clamp, from_numpy
from ..ops import round as round_
from ..tensor import Tensor
from .base import Transform, probability

__all__ = [
    "Compose",
    "Identity",
    "Lambda",
    "RandomApply",
    "RandomChoice",
    "RandomOrder",
    "ToDtype",
    "ToImage",
    "ToTensor",
]


class Compose:
    """One transform after the other. Each gets the whole sample, and may be any function of it."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)
        for i, transform in enumerate(self.transforms):
            if not callable(transform):
                raise TypeError(f"{type(self).__name__}: transform {i} is a {type(transform).__name__}")

    @property
    def batched(self) -> bool:
        """Whether every one of them takes a batch."""
        return all(getattr(t, "batched", False) for t in self.transforms)

    def __call__(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        for transform in self.transforms:
            sample = transform(sample)
        return sample

    def __repr__(self) -> str:
        return f"{type(self).__name__}(\n" + "".join(f"    {t}\n" for t in self.transforms) + ")"


class RandomApply(Compose):
    """All of them with probability p, or none."""

    batched = False

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__(transforms)
        self.p = probability("RandomApply", p)

    def __call__(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        return super().__call__(sample) if sample_random().uniform() < self.p else sample


class RandomOrder(Compose):
    """All of them, in random order."""

    batched = False

    def __call__(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        for i in sample_random().permutation(len(self.transforms)).tolist():
            sample = self.transforms[i](sample)
        return sample


class RandomChoice(Compose):
    """One of them.

    Args:
        transforms: what to choose from.
        p: how often each, in proportion; all equally often where None.
    """

    batched = False

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        weights = [1.0] * len(self.transforms) if p is None else [float(w) for w in p]
        if len(weights) != len(self.transforms) or min(weights, default=0) < 0 or not sum(weights) > 0:
            raise ValueError(f"RandomChoice: p is {p}, wants {len(self.transforms)} numbers, none below 0")
        self.p = [w / sum(weights) for w in weights]

    def __call__(self, *inputs: Any) -> Any:
        sample = inputs[0] if len(inputs) == 1 else inputs
        place = np.searchsorted(np.cumsum(self.p), sample_random().uniform(), side="right")
        return self.transforms[min(int(place), len(self.transforms) - 1)](sample)


class Identity(Transform):
    """Changes nothing."""

    batched = True


class Lambda(Transform):
    """A function of the image as a transform. (A function of the whole sample goes into Compose as it is.)

    Args:
        lambd: of an image.
        batched: whether it does the same to a batch.
    """

    def __init__(self, lambd: Callable[[Any], Any], batched: bool = False) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: wants a function, got {type(lambd).__name__}")
        self.lambd = lambd
        self.batched = batched

    def on_image(self, image: Any, drawn: Any) -> Any:
        return self.lambd(image)


def _planes(owner: str, image: Any) -> Tensor:
    """A picture as [C, H, W]."""
    array = np.asarray(image)
    if array.ndim not in (2, 3):
        raise ValueError(f"{owner}: wants [H, W] or [H, W, C], got shape {list(array.shape)}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return from_numpy(np.array(planes, order="C"))


class ToImage(Transform):
    """A NumPy array or PIL image [H, W] or [H, W, C] as a tensor [C, H, W] of the same dtype."""

    def on_image(self, image: Any, drawn: Any) -> Tensor:
        return image if isinstance(image, Tensor) else _planes("ToImage", image)


class ToTensor(ToImage):
    """A NumPy array or PIL image [H, W] or [H, W, C] as a tensor [C, H, W]; bytes become float32 in 0..1.

    A tensor stays what it is.
    """

    def on_image(self, image: Any, drawn: Any) -> Tensor:
        if isinstance(image, Tensor):
            return image
        planes = _planes("ToTensor", image)
        return planes.float() / 255.0 if planes.dtype == uint8 else planes


class ToDtype(Transform):
    """Another dtype of the image.

    Args:
        dtype: a floating one or uint8.
        scale: bytes stand for value / 255, as in 0..255 ↔ 0..1; without it numbers stay what they are.
    """

    batched = True

    def __init__(self, dtype: Any = float32, scale: bool = False) -> None:
        self.dtype = dtype
        self.scale = scale

    def on_image(self, image: Tensor, drawn: Any) -> Tensor:
        to_bytes = self.dtype == uint8
        if self.scale and image.dtype == uint8 and not to_bytes:
            return image.to(self.dtype) / 255.0
        if self.scale and image.is_floating_point() and to_bytes:
            return clamp(round_(image * 255.0), 0, 255).to(self.dtype)
        return image.to(self.dtype)

    def extra_repr(self) -> str:
        return f"dtype={self.dtype}, scale={self.scale}"
