"""The four ways in which pixels move. A transform chooses steps; a step moves images, masks and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..ops import from_numpy, index_select, masked_fill, resize_bilinear
from ..ops.resample import grid_sample
from ..ops.shape import pad_constant
from ..tensor import Tensor
from .base import Transform
from .filters import bytes_as_float, shrink

__all__ = ["Flip", "Geometry", "Scale", "Step", "Warp", "Window"]


class Step(Protocol):
    """Moves pixels; `size` is the height and width that come out."""

    @property
    def size(self) -> tuple[int, int]: ...

    def image(self, image: Tensor) -> Tensor: ...

    def mask(self, mask: Tensor) -> Tensor: ...

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes float64 [N, 4], not clipped."""
        ...


class Geometry(Transform):
    """A transform whose draw is a list of steps. Boxes are clipped to the image once, behind the last one."""

    def on_image(self, image: Tensor, drawn: Sequence[Step]) -> Tensor:
        for step in drawn:
            image = step.image(image)
        return image

    def on_mask(self, mask: Tensor, drawn: Sequence[Step]) -> Tensor:
        for step in drawn:
            mask = step.mask(mask)
        return mask

    def on_boxes(self, boxes: Tensor, drawn: Sequence[Step]) -> Tensor:
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"{type(self).__name__}: boxes have shape {list(boxes.shape)}, want [N, 4]")
        places = boxes.detach().numpy().astype(np.float64)
        for step in drawn:
            places = step.boxes(places)
        if drawn:
            places = clip_boxes(places, drawn[-1].size)
        moved = from_numpy(np.ascontiguousarray(places))
        return moved.to(boxes.dtype) if boxes.is_floating_point() else moved.float()


def clip_boxes(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What of each box lies inside an image of this height and width."""
    height, width = size
    return np.clip(boxes, 0.0, np.array([width, height, width, height], dtype=np.float64))


def border_places(size: int, before: int, after: int, mode: str) -> Tensor:
    """Which of `size` places each one takes after adding some; the modes are np.pad's."""
    places: Any = np.arange(size, dtype=np.int64)
    return from_numpy(np.pad(places, (before, after), mode=mode))  # type: ignore[call-overload]


@dataclass(frozen=True)
class Window:
    """A window of the image; where it reaches outside there is `fill`, or the image continued by `mode`."""

    top: int
    left: int
    size: tuple[int, int]
    fill: float = 0
    mask_fill: int = 0
    mode: str = "constant"

    def _cut(self, pixels: Tensor, fill: float) -> Tensor:
        height, width = pixels.shape[-2:]
        rows, columns = self.size
        top, left = -self.top, -self.left
        bottom, right = self.top + rows - height, self.left + columns - width
        if max(top, left, bottom, right) <= 0:
            return pixels[..., self.top : self.top + rows, self.left : self.left + columns]
        if self.mode == "constant":
            return pad_constant(pixels, [left, right, top, bottom], fill)
        for dim, before, after in ((-2, top, bottom), (-1, left, right)):
            have = pixels.shape[dim]
            places = border_places(have, max(before, 0), max(after, 0), self.mode)
            places = places[max(-before, 0) : places.shape[0] - max(-after, 0)]
            pixels = index_select(pixels, dim, places)
        return pixels

    def image(self, image: Tensor) -> Tensor:
        return self._cut(image, self.fill)

    def mask(self, mask: Tensor) -> Tensor:
        return self._cut(mask, self.mask_fill)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        return boxes - np.array([self.left, self.top, self.left, self.top], dtype=np.float64)


@dataclass(frozen=True)
class Flip:
    """Mirrors along the last dimension but `1 + dim`: -1 left and right, -2 top and bottom."""

    dim: int
    size: tuple[int, int]

    def image(self, image: Tensor) -> Tensor:
        return image.flip(self.dim)

    def mask(self, mask: Tensor) -> Tensor:
        return mask.flip(self.dim)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        length = float(self.size[self.dim])
        low, high = (0, 2) if self.dim == -1 else (1, 3)
        turned = boxes.copy()
        turned[:, low], turned[:, high] = length - boxes[:, high], length - boxes[:, low]
        return turned


@dataclass(frozen=True)
class Scale:
    """Resizes: bilinear (with `antialias`, a triangle as wide as the shrinking asks for), masks nearest."""

    before: tuple[int, int]
    size: tuple[int, int]
    interpolation: str = "bilinear"
    antialias: bool = True

    def image(self, image: Tensor) -> Tensor:
        if self.interpolation == "nearest":
            return self.mask(image)
        if tuple(image.shape[-2:]) == self.size:
            return image
        return bytes_as_float(image, self._bilinear)

    def _bilinear(self, image: Tensor) -> Tensor:
        lead = image.shape[:-2]
        if self.antialias and (self.size[0] < self.before[0] or self.size[1] < self.before[1]):
            return shrink(image, self.size)
        return resize_bilinear(image.reshape(-1, 1, *image.shape[-2:]), self.size).reshape(*lead, *self.size)

    def mask(self, mask: Tensor) -> Tensor:
        for dim, have, want in zip((-2, -1), self.before, self.size, strict=True):
            if have != want:
                places = ((np.arange(want) + 0.5) * (have / want)).astype(np.int64)
                mask = index_select(mask, dim, from_numpy(np.minimum(places, have - 1)))
        return mask

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        (height, width), (rows, columns) = self.before, self.size
        return boxes * np.array([columns / width, rows / height] * 2)


@dataclass(frozen=True)
class Warp:
    """Each pixel of the result is looked up at a place (y, x) of the image, pixel centres at whole numbers.

    y, x: float64 [OH, OW]. forward: where the map is affine, the matrix float64 [2, 3] from places (x, y, 1)
    of the image to those of the result, both counted from the edge of the first pixel; boxes then go by their
    corners. Without it a box becomes the smallest one around the result's pixels that are looked up inside.
    """

    y: np.ndarray
    x: np.ndarray
    forward: np.ndarray | None = None
    fill: float = 0
    mask_fill: int = 0
    interpolation: str = "bilinear"

    @property
    def size(self) -> tuple[int, int]:
        return (self.y.shape[0], self.y.shape[1])

    def image(self, image: Tensor) -> Tensor:
        nearest = self.interpolation == "nearest"
        return look_up(image, self.y, self.x, self.fill, nearest)

    def mask(self, mask: Tensor) -> Tensor:
        return look_up(mask, self.y, self.x, self.mask_fill, True)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        if self.forward is not None:
            x, y = boxes[:, [0, 2, 2, 0]], boxes[:, [1, 1, 3, 3]]
            a = self.forward
            u, v = a[0, 0] * x + a[0, 1] * y + a[0, 2], a[1, 0] * x + a[1, 1] * y + a[1, 2]
            return np.stack([u.min(1), v.min(1), u.max(1), v.max(1)], 1)
        moved = np.zeros_like(boxes)
        x, y = self.x + 0.5, self.y + 0.5
        for i, (x1, y1, x2, y2) in enumerate(boxes):
            rows, columns = np.nonzero((x >= x1) & (x <= x2) & (y >= y1) & (y <= y2))
            if len(rows):
                moved[i] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return moved


def look_up(pixels: Tensor, y: np.ndarray, x: np.ndarray, fill: float, nearest: bool) -> Tensor:
    """The values of [..., H, W] at places (y, x), `fill` outside; linear between the four pixels around.

    The one place where a warp is computed.
    """
    if nearest:
        return _nearest(pixels, y, x, fill)
    return bytes_as_float(pixels, lambda t: _linear(t, y, x, fill))


def _nearest(pixels: Tensor, y: np.ndarray, x: np.ndarray, fill: float) -> Tensor:
    """Of any type; a place halfway between two pixels belongs to the later one."""
    *lead, height, width = pixels.shape
    row, column = np.floor(y + 0.5), np.floor(x + 0.5)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    flat = np.where(inside, row * width + column, 0.0).astype(np.int64).reshape(-1)
    picked = index_select(pixels.detach().reshape(-1, height * width), 1, from_numpy(flat))
    outside = from_numpy(~inside.reshape(-1))
    return masked_fill(picked, outside, fill).reshape(*lead, *y.shape)


def _linear(pixels: Tensor, y: np.ndarray, x: np.ndarray, fill: float) -> Tensor:
    """In float64: in float32 a place in a wide image would be known to some 1e-4 of a pixel only."""
    *lead, height, width = pixels.shape
    values = pixels.detach().double().reshape(1, -1, height, width)
    if fill:
        # One ring of `fill` lies around; places further out fall on it.
        values = pad_constant(values, [1, 1, 1, 1], fill)
        y, x, height, width = y + 1, x + 1, height + 2, width + 2
    grid = np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)[None]
    out = grid_sample(values, from_numpy(grid), "bilinear", "border" if fill else "zeros", False)
    return out.reshape(*lead, *y.shape).to(pixels.dtype)
