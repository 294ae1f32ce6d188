"""Resizing, cutting, padding and mirroring."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..data.random import KeyedRandom
from .base import height_width, probability
from .steps import Flip, Geometry, Scale, Step, Window

__all__ = [
    "CenterCrop",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
]

_MODES = ("constant", "edge", "reflect", "symmetric")


def _sides(owner: str, padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """left, top, right, bottom of one, two (horizontal, vertical) or four numbers."""
    sides = (padding,) * 4 if isinstance(padding, int) else tuple(int(n) for n in padding)
    if len(sides) == 2:
        sides = sides * 2
    if len(sides) != 4:
        raise ValueError(f"{owner}: padding is {padding}, wants one, two or four numbers")
    if min(sides) < 0:
        raise ValueError(f"{owner}: padding is {padding}, wants none below 0")
    return (sides[0], sides[1], sides[2], sides[3])


def _mode(owner: str, mode: str) -> str:
    if mode not in _MODES:
        raise ValueError(f"{owner}: padding_mode is {mode!r}, wants one of {sorted(_MODES)}")
    return mode


def interpolation_of(owner: str, interpolation: str) -> str:
    """Checks the name of an interpolation."""
    if interpolation not in ("bilinear", "nearest"):
        raise ValueError(f"{owner}: interpolation is {interpolation!r}, wants 'bilinear' or 'nearest'")
    return interpolation


class Pad(Geometry):
    """A border.

    Args:
        padding: on all sides; or (horizontal, vertical); or (left, top, right, bottom).
        fill: its value, of masks `mask_fill`.
        padding_mode: 'constant'; 'edge' repeats the outermost pixel; 'reflect' mirrors the image without its
            outermost pixel, 'symmetric' with it.
    """

    batched = True

    def __init__(
        self,
        padding: int | Sequence[int],
        fill: float = 0,
        padding_mode: str = "constant",
        *,
        mask_fill: int = 0,
    ) -> None:
        self.padding = padding
        self.fill = fill
        self.padding_mode = _mode("Pad", padding_mode)
        self.mask_fill = mask_fill
        self._at = _sides("Pad", padding)

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        left, top, right, bottom = self._at
        whole = (size[0] + top + bottom, size[1] + left + right)
        return [Window(-top, -left, whole, self.fill, self.mask_fill, self.padding_mode)]

    def extra_repr(self) -> str:
        return f"padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode}"


class Resize(Geometry):
    """Another size.

    Args:
        size: height and width; or one number, which the shorter side gets, the other in proportion.
        interpolation: of images: 'bilinear' or 'nearest'; masks always take the nearest pixel.
        max_size: with one number: the longer side gets at most this.
        antialias: where it shrinks bilinearly, weigh all the pixels that fall into one.
    """

    batched = True

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: str = "bilinear",
        max_size: int | None = None,
        antialias: bool = True,
    ) -> None:
        single = isinstance(size, int) or len(size) == 1
        height_width("Resize", size)
        if max_size is not None and not single:
            raise ValueError("Resize: max_size goes with one number for size")
        self.size = size
        self._one = (size if isinstance(size, int) else int(size[0])) if single else None
        if max_size is not None and self._one is not None and max_size <= self._one:
            raise ValueError(f"Resize: max_size is {max_size}, wants more than size, {self._one}")
        self.interpolation = interpolation_of("Resize", interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def _wanted(self, size: tuple[int, int]) -> tuple[int, int]:
        if self._one is None:
            return height_width("Resize", self.size)
        short, long = min(size), max(size)
        new_short, new_long = self._one, int(self._one * long / short)
        if self.max_size is not None and new_long > self.max_size:
            new_short, new_long = int(self.max_size * new_short / new_long), self.max_size
        return (new_short, new_long) if size[0] <= size[1] else (new_long, new_short)

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        if min(size) < 1:
            raise ValueError(f"Resize: the image is empty, {list(size)}")
        return [Scale(size, self._wanted(size), self.interpolation, self.antialias)]

    def extra_repr(self) -> str:
        return f"size={self.size}, interpolation={self.interpolation}"


class _Flip(Geometry):
    batched = False
    _dim = -1

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability(type(self).__name__, p)

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        return [Flip(self._dim, size)] if random.uniform() < self.p else []

    def extra_repr(self) -> str:
        return f"p={self.p}"


class RandomHorizontalFlip(_Flip):
    """Swaps left and right with probability p."""

    _dim = -1


class RandomVerticalFlip(_Flip):
    """Swaps top and bottom with probability p."""

    _dim = -2


class CenterCrop(Geometry):
    """The middle of the image, of the wanted height and width; a smaller one gets zeros around it."""

    batched = True

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = height_width("CenterCrop", size)

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        # Odd rests go where rounding half to even puts them; a smaller image is padded more behind.
        (rows, columns), (height, width) = self.size, size
        top, left = (
            round((have - want) / 2) if have >= want else -((want - have) // 2)
            for have, want in ((height, rows), (width, columns))
        )
        return [Window(top, left, self.size)]

    def extra_repr(self) -> str:
        return f"size={self.size}"


class RandomCrop(Geometry):
    """A window of the wanted size at a random place.

    Args:
        size: height and width.
        padding: a border that is added first; see `Pad`.
        pad_if_needed: pad an image that is too small, evenly on both sides, instead of an error.
        fill, padding_mode, mask_fill: as in `Pad`.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float = 0,
        padding_mode: str = "constant",
        *,
        mask_fill: int = 0,
    ) -> None:
        self.size = height_width("RandomCrop", size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = _mode("RandomCrop", padding_mode)
        self.mask_fill = mask_fill
        self._border = (0, 0, 0, 0) if padding is None else _sides("RandomCrop", padding)

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        left, top, right, bottom = self._border
        rows, columns = size[0] + top + bottom, size[1] + left + right
        if self.pad_if_needed:
            more_rows, more_columns = max(self.size[0] - rows, 0), max(self.size[1] - columns, 0)
            top, rows = top + more_rows, rows + 2 * more_rows
            left, columns = left + more_columns, columns + 2 * more_columns
        if rows < self.size[0] or columns < self.size[1]:
            raise ValueError(f"RandomCrop: wants {list(self.size)} of an image of {rows} x {columns} pixels")
        down = random.integer(0, rows - self.size[0] + 1)
        across = random.integer(0, columns - self.size[1] + 1)
        return [
            Window(down - top, across - left, self.size, self.fill, self.mask_fill, self.padding_mode),
        ]

    def extra_repr(self) -> str:
        return f"size={self.size}, padding={self.padding}"


class RandomResizedCrop(Geometry):
    """A window of random area and shape, resized (Szegedy et al. 2015, "Going deeper with convolutions").

    Args:
        size: of the result.
        scale: between which parts of the image's area.
        ratio: between which ratios of width to height, drawn evenly in their logarithm.
        interpolation, antialias: as in `Resize`.

    Where ten draws do not fit into the image, the middle is taken, as large as the ratios allow.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: str = "bilinear",
        antialias: bool = True,
    ) -> None:
        self.size = height_width("RandomResizedCrop", size)
        for name, pair in (("scale", scale), ("ratio", ratio)):
            if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
                raise ValueError(f"RandomResizedCrop: {name} is {pair}, wants 0 < smallest <= largest")
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation_of("RandomResizedCrop", interpolation)
        self.antialias = antialias

    def _window(self, size: tuple[int, int], random: KeyedRandom) -> tuple[int, int, int, int]:
        height, width = size
        for _ in range(10):
            area = height * width * random.uniform(*self.scale)
            ratio = math.exp(random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            columns, rows = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < columns <= width and 0 < rows <= height:
                top = random.integer(0, height - rows + 1)
                return top, random.integer(0, width - columns + 1), rows, columns
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        columns, rows = min(width, round(height * ratio)), min(height, round(width / ratio))
        return (height - rows) // 2, (width - columns) // 2, max(rows, 1), max(columns, 1)

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[Step]:
        if min(size) < 1:
            raise ValueError(f"RandomResizedCrop: the image is empty, {list(size)}")
        top, left, rows, columns = self._window(size, random)
        window = Window(top, left, (rows, columns))
        return [window, Scale((rows, columns), self.size, self.interpolation, self.antialias)]

    def extra_repr(self) -> str:
        return f"size={self.size}, scale={self.scale}, ratio={self.ratio}"
