"""Turning, shearing and bending: each pixel of the result is looked up in the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..data.random import KeyedRandom
from ..ops import from_numpy
from .filters import blur, gaussian
from .geometry import interpolation_of
from .steps import Geometry, Step, Warp

__all__ = ["ElasticTransform", "RandomAffine", "RandomRotation"]


def _range(owner: str, name: str, value: float | Sequence[float]) -> tuple[float, float]:
    """±value, or two numbers."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"{owner}: {name} is {value}, wants at least 0, or two numbers")
        return (-float(value), float(value))
    if len(value) != 2:
        raise ValueError(f"{owner}: {name} is {value}, wants one or two numbers")
    return (float(value[0]), float(value[1]))


def _affine(
    size: tuple[int, int],
    linear: np.ndarray,
    moved: tuple[float, float],
    fill: tuple[float, int],
    interpolation: str,
    centre: tuple[float, float] | None = None,
    expand: bool = False,
) -> Warp:
    """place' = linear (place - centre) + centre + moved, places (x, y) counted from the edge of pixel 0."""
    height, width = size
    middle = np.array([width / 2, height / 2] if centre is None else centre, dtype=np.float64)
    shift = middle - linear @ middle + moved
    rows, columns = height, width
    if expand:
        corners = np.array([[0, width, width, 0], [0, 0, height, height]], dtype=np.float64)
        turned = linear @ corners + shift[:, None]
        low, high = turned.min(1), turned.max(1)
        # What is a whole number but for rounding errors stays one.
        columns, rows = (max(math.ceil(n - 1e-6), 1) for n in high - low)
        shift = shift - (low + high) / 2 + np.array([columns / 2, rows / 2])
    inverse = np.linalg.inv(linear)
    away_x = np.arange(columns) + 0.5 - shift[0]
    away_y = (np.arange(rows) + 0.5 - shift[1])[:, None]
    x = inverse[0, 0] * away_x + inverse[0, 1] * away_y - 0.5
    y = inverse[1, 0] * away_x + inverse[1, 1] * away_y - 0.5
    forward = np.concatenate([linear, shift[:, None]], 1)
    return Warp(y, x, forward, fill[0], fill[1], interpolation)


def _turn(degrees: float) -> np.ndarray:
    """A turn by an angle, clockwise as seen (y grows downwards)."""
    # Quarter turns without rounding errors.
    quarters = degrees / 90
    if quarters == int(quarters):
        cos, sin = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarters) % 4]
    else:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, -sin], [sin, cos]])


class RandomRotation(Geometry):
    """Turns by a random angle, anticlockwise.

    Args:
        degrees: between which angles; one number means ±degrees.
        interpolation: 'bilinear' or 'nearest'; masks always take the nearest pixel.
        expand: make the result large enough for the whole turned image (about the middle only).
        center: (x, y) from the upper left corner; the middle where None.
        fill, mask_fill: what stands outside.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "bilinear",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: float = 0,
        *,
        mask_fill: int = 0,
    ) -> None:
        self.degrees = _range("RandomRotation", "degrees", degrees)
        self.interpolation = interpolation_of("RandomRotation", interpolation)
        self.expand = expand
        self.center = None if center is None else (float(center[0]), float(center[1]))
        self.fill = fill
        self.mask_fill = mask_fill

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        turn = _turn(-random.uniform(*self.degrees))
        outside = (self.fill, self.mask_fill)
        return [_affine(size, turn, (0.0, 0.0), outside, self.interpolation, self.center, self.expand)]

    def extra_repr(self) -> str:
        return f"degrees={list(self.degrees)}, interpolation={self.interpolation}, expand={self.expand}"


class RandomAffine(Geometry):
    """Turns, moves, scales and shears by amounts drawn for each image.

    Args:
        degrees: the angle, clockwise, is drawn in ±degrees, or between two.
        translate: largest moves as fractions of width and height.
        scale: smallest and largest factor.
        shear: the x-shear in degrees is drawn in ±shear, or between two; of four numbers the last two are the
            y-shear's.
        interpolation: 'bilinear' or 'nearest'; masks always take the nearest pixel.
        fill, mask_fill: what stands outside.
        center: (x, y) from the upper left corner; the middle where None.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str = "bilinear",
        fill: float = 0,
        center: Sequence[float] | None = None,
        *,
        mask_fill: int = 0,
    ) -> None:
        self.degrees = _range("RandomAffine", "degrees", degrees)
        if translate is not None and not (len(translate) == 2 and all(0 <= t <= 1 for t in translate)):
            raise ValueError(f"RandomAffine: translate is {translate}, wants two fractions in [0, 1]")
        if scale is not None and not (len(scale) == 2 and 0 < scale[0] <= scale[1]):
            raise ValueError(f"RandomAffine: scale is {scale}, wants 0 < smallest <= largest")
        self.translate = translate
        self.scale = scale
        self.shear: list[tuple[float, float]] = []
        if shear is not None:
            four = not isinstance(shear, (int, float)) and len(shear) == 4
            parts = [shear[:2], shear[2:]] if four else [shear]  # type: ignore[index]
            self.shear = [_range("RandomAffine", "shear", part) for part in parts]
        self.interpolation = interpolation_of("RandomAffine", interpolation)
        self.fill = fill
        self.center = None if center is None else (float(center[0]), float(center[1]))
        self.mask_fill = mask_fill

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        height, width = size
        angle = random.uniform(*self.degrees)
        moved = (0.0, 0.0)
        if self.translate is not None:
            largest = self.translate[0] * width, self.translate[1] * height
            moved = random.uniform(-largest[0], largest[0]), random.uniform(-largest[1], largest[1])
        factor = 1.0 if self.scale is None else random.uniform(*self.scale)
        slants = [math.tan(math.radians(random.uniform(*part))) for part in self.shear] + [0.0, 0.0]
        shear = np.array([[1.0, 0.0], [-slants[1], 1.0]]) @ np.array([[1.0, -slants[0]], [0.0, 1.0]])
        linear = factor * _turn(angle) @ shear
        return [_affine(size, linear, moved, (self.fill, self.mask_fill), self.interpolation, self.center)]

    def extra_repr(self) -> str:
        parts = [f"degrees={list(self.degrees)}"]
        parts += [f"{n}={getattr(self, n)}" for n in ("translate", "scale") if getattr(self, n) is not None]
        return ", ".join(parts + ([f"shear={self.shear}"] if self.shear else []))


class ElasticTransform(Geometry):
    """Bends the image by a smooth random field (Simard, Steinkraus, Platt 2003, "Best practices for
    convolutional neural networks applied to visual document analysis").

    Args:
        alpha: the field, numbers evenly drawn in ±1 and blurred, is multiplied by this: pixels; two numbers
            are those along x and along y. Simard et al. use 34 with sigma 4 on digits of 28 x 28.
        sigma: the blur's standard deviation in pixels; likewise.
        interpolation: 'bilinear' or 'nearest'; masks always take the nearest pixel.
        fill, mask_fill: what stands outside.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: str = "bilinear",
        fill: float = 0,
        *,
        mask_fill: int = 0,
    ) -> None:
        pairs = []
        for name, value, least in (("alpha", alpha, 0.0), ("sigma", sigma, 1e-6)):
            pair = (value, value) if isinstance(value, (int, float)) else tuple(value)
            if len(pair) != 2 or min(pair) < least:
                raise ValueError(f"ElasticTransform: {name} is {value}, wants one or two positive numbers")
            pairs.append((float(pair[0]), float(pair[1])))
        self.alpha, self.sigma = pairs
        self.interpolation = interpolation_of("ElasticTransform", interpolation)
        self.fill = fill
        self.mask_fill = mask_fill

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        height, width = size
        noise = (random.random(2 * height * width) * 2 - 1).reshape(2, height, width)
        fields = []
        for field, alpha, sigma in zip(noise, self.alpha, self.sigma, strict=True):
            # Eight deviations wide, as far as the field goes beyond its border by reflection.
            kernel = gaussian(2 * math.ceil(4 * sigma) + 1, sigma)
            fields.append(alpha * blur(from_numpy(field), kernel, kernel).numpy())
        x, y = np.arange(width) + fields[0], np.arange(height)[:, None] + fields[1]
        return [Warp(y, x, None, self.fill, self.mask_fill, self.interpolation)]

    def extra_repr(self) -> str:
        return f"alpha={list(self.alpha)}, sigma={list(self.sigma)}"
