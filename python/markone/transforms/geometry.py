"""Transforms that move pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..data.random import sample_random
from ..ops import cat, from_numpy, full, resize_bilinear
from ..tensor import Tensor

__all__ = ["Pad", "RandomAffine", "RandomCrop", "RandomHorizontalFlip", "Resize"]


def _sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """left, top, right, bottom of one, two (horizontal, vertical) or four numbers."""
    if isinstance(padding, int):
        return (padding,) * 4
    if len(padding) == 2:
        return (padding[0], padding[1], padding[0], padding[1])
    if len(padding) != 4:
        raise ValueError(f"Pad: padding is {padding}, wants one, two or four numbers")
    return (padding[0], padding[1], padding[2], padding[3])


class Pad:
    """A border of one value.

    Args:
        padding: on all sides; or (horizontal, vertical); or (left, top, right, bottom).
        fill: the value.
    """

    batched = True

    def __init__(self, padding: int | Sequence[int], fill: float = 0) -> None:
        self.padding = padding
        self.fill = fill
        self._left, self._top, self._right, self._bottom = _sides(padding)
        if min(_sides(padding)) < 0:
            raise ValueError(f"Pad: padding is {padding}, wants none below 0")

    def __call__(self, image: Tensor) -> Tensor:
        for dim, before, after in ((-1, self._left, self._right), (-2, self._top, self._bottom)):
            parts = [self._border(image, dim, before), image, self._border(image, dim, after)]
            image = cat([part for part in parts if part is not None], dim)
        return image

    def _border(self, image: Tensor, dim: int, width: int) -> Tensor | None:
        shape = list(image.shape)
        shape[dim] = width
        return full(tuple(shape), self.fill, dtype=image.dtype) if width else None

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill})"


class Resize:
    """Bilinear resize to a height and width."""

    batched = True

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        if min(self.size) < 1:
            raise ValueError(f"Resize: size is {size}, wants numbers above 0")

    def __call__(self, image: Tensor) -> Tensor:
        flat = image.reshape(-1, 1, *image.shape[-2:])
        return resize_bilinear(flat, self.size).reshape(*image.shape[:-2], *self.size)

    def __repr__(self) -> str:
        return f"Resize(size={self.size})"


class RandomHorizontalFlip:
    """Mirrors with probability p."""

    batched = False

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p is {p}, wants a probability in [0, 1]")
        self.p = p

    def __call__(self, image: Tensor) -> Tensor:
        return image.flip(-1) if sample_random().uniform() < self.p else image

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop:
    """A window of the wanted size at a random place.

    Args:
        size: height and width.
        padding: a border that is added first; see `Pad`.
    """

    batched = False

    def __init__(self, size: int | tuple[int, int], padding: int | Sequence[int] | None = None) -> None:
        self.size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        self.padding = padding
        self._pad = None if padding is None else Pad(padding)

    def __call__(self, image: Tensor) -> Tensor:
        if self._pad is not None:
            image = self._pad(image)
        rows, columns = image.shape[-2:]
        if rows < self.size[0] or columns < self.size[1]:
            raise ValueError(f"RandomCrop: wants {list(self.size)} of an image of shape {list(image.shape)}")
        random = sample_random()
        top = random.integer(0, rows - self.size[0] + 1)
        left = random.integer(0, columns - self.size[1] + 1)
        return image[..., top : top + self.size[0], left : left + self.size[1]]

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class RandomAffine:
    """Turns, moves, scales and shears about the centre, by amounts drawn for each image; bilinear.

    Args:
        degrees: the angle is drawn in ±degrees, or between two.
        translate: largest moves as fractions of width and height.
        scale: smallest and largest factor.
        shear: the x-shear in degrees is drawn in ±shear, or between two.
        fill: the value outside.
    """

    batched = False

    def __init__(
        self,
        degrees: float | tuple[float, float],
        translate: tuple[float, float] | None = None,
        scale: tuple[float, float] | None = None,
        shear: float | tuple[float, float] | None = None,
        fill: float = 0.0,
    ) -> None:
        self.degrees = _range("degrees", degrees)
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else _range("shear", shear)
        self.fill = fill
        if translate is not None and not all(0 <= t <= 1 for t in translate):
            raise ValueError(f"RandomAffine: translate is {translate}, wants fractions in [0, 1]")
        if scale is not None and not 0 < scale[0] <= scale[1]:
            raise ValueError(f"RandomAffine: scale is {scale}, wants 0 < smallest <= largest")

    def __call__(self, image: Tensor) -> Tensor:
        pixels = image.detach().numpy()
        height, width = pixels.shape[-2:]
        random = sample_random()
        angle = math.radians(random.uniform(*self.degrees))
        moved = (0.0, 0.0)
        if self.translate is not None:
            largest = self.translate[0] * width, self.translate[1] * height
            moved = random.uniform(-largest[0], largest[0]), random.uniform(-largest[1], largest[1])
        factor = 1.0 if self.scale is None else random.uniform(*self.scale)
        slant = 0.0 if self.shear is None else math.tan(math.radians(random.uniform(*self.shear)))
        cos, sin = math.cos(angle), math.sin(angle)
        # Output place from input place: factor · rotation · shear; each output pixel is looked up backwards.
        forward = factor * np.array([[cos, -sin], [sin, cos]]) @ np.array([[1.0, slant], [0.0, 1.0]])
        backward = np.linalg.inv(forward)
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
        away_x = columns - (width - 1) / 2 - moved[0]
        away_y = rows - (height - 1) / 2 - moved[1]
        x = backward[0, 0] * away_x + backward[0, 1] * away_y + (width - 1) / 2
        y = backward[1, 0] * away_x + backward[1, 1] * away_y + (height - 1) / 2
        return from_numpy(_sample(pixels, y, x, self.fill))

    def __repr__(self) -> str:
        parts = [f"degrees={list(self.degrees)}"]
        parts += [
            f"{n}={getattr(self, n)}" for n in ("translate", "scale", "shear") if getattr(self, n) is not None
        ]
        return f"RandomAffine({', '.join(parts)})"


def _range(name: str, value: float | tuple[float, float]) -> tuple[float, float]:
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"RandomAffine: {name} is {value}, wants at least 0, or two numbers")
        return (-float(value), float(value))
    return (float(value[0]), float(value[1]))


def _sample(pixels: np.ndarray, y: np.ndarray, x: np.ndarray, fill: float) -> np.ndarray:
    """The values at places (y, x), linear between the four pixels around; `fill` outside."""
    height, width = pixels.shape[-2:]
    framed = np.pad(pixels, [(0, 0)] * (pixels.ndim - 2) + [(1, 1), (1, 1)], constant_values=fill)
    # One ring of `fill` lies around; places further out fall on it.
    y = np.clip(y + 1, 0, height + 1)
    x = np.clip(x + 1, 0, width + 1)
    top, left = np.minimum(y.astype(np.int64), height), np.minimum(x.astype(np.int64), width)
    down, right = (y - top).astype(pixels.dtype), (x - left).astype(pixels.dtype)
    upper = framed[..., top, left] * (1 - right) + framed[..., top, left + 1] * right
    lower = framed[..., top + 1, left] * (1 - right) + framed[..., top + 1, left + 1] * right
    return (upper * (1 - down) + lower * down).astype(pixels.dtype)
