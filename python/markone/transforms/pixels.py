"""Transforms of pixel values; boxes and masks stay what they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._dtypes import uint8
from ..data.random import KeyedRandom
from ..ops import amax, amin, cat, clamp, floor, from_numpy, where
from ..ops import round as round_
from ..tensor import Tensor
from .base import Transform, probability
from .filters import blur, bytes_as_float, gaussian

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "Normalize",
    "RandomErasing",
    "RandomGrayscale",
]

# Luma of ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)


class Normalize(Transform):
    """(x - mean) / std, channel by channel.

    Args:
        mean, std: one number a channel, or one for all.
    """

    batched = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = mean
        self.std = std
        means, stds = (np.asarray(v, dtype=np.float32).reshape(-1, 1, 1) for v in (mean, std))
        if not np.all(stds > 0):
            raise ValueError(f"Normalize: std is {std}, wants numbers above 0")
        if means.shape[0] != stds.shape[0] and 1 not in (means.shape[0], stds.shape[0]):
            raise ValueError(f"Normalize: {means.shape[0]} means but {stds.shape[0]} deviations")
        self._channels = max(means.shape[0], stds.shape[0])
        self._mean, self._std = from_numpy(means), from_numpy(stds)

    def on_image(self, image: Tensor, drawn: Any) -> Tensor:
        if image.ndim < 3 or self._channels not in (1, image.shape[-3]):
            raise ValueError(
                f"Normalize: wants [..., {self._channels}, H, W], got an image of shape {list(image.shape)}"
            )
        if not image.is_floating_point():
            raise TypeError(f"Normalize: wants a floating-point image, got {image.dtype}")
        return (image - self._mean.to(image.dtype)) / self._std.to(image.dtype)

    def extra_repr(self) -> str:
        return f"mean={self.mean}, std={self.std}"


def _planes(owner: str, image: Tensor) -> tuple[Tensor, ...]:
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ValueError(f"{owner}: wants red, green, blue [..., 3, H, W], got shape {list(image.shape)}")
    return tuple(image[..., i : i + 1, :, :] for i in range(3))


def _luma(owner: str, image: Tensor) -> Tensor:
    """[..., 1, H, W] of [..., 3, H, W]; of one channel itself."""
    if image.ndim >= 3 and image.shape[-3] == 1:
        return image
    red, green, blue = _planes(owner, image)
    return red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2]


def _in_unit(image: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """function of an image in 0..1, its result kept there; bytes go there and back."""
    if image.dtype != uint8:
        return clamp(function(image), 0.0, 1.0)
    return round_(clamp(function(image.float() / 255.0), 0.0, 1.0) * 255.0).to(uint8)


class Grayscale(Transform):
    """Luma, 0.299 red + 0.587 green + 0.114 blue, in one channel or in three equal ones."""

    batched = True

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale: num_output_channels is {num_output_channels}, wants 1 or 3")
        self.num_output_channels = num_output_channels

    def on_image(self, image: Tensor, drawn: Any) -> Tensor:
        grey = bytes_as_float(image, lambda t: _luma("Grayscale", t))
        return cat([grey] * 3, -3) if self.num_output_channels == 3 else grey

    def extra_repr(self) -> str:
        return f"num_output_channels={self.num_output_channels}"


class RandomGrayscale(Transform):
    """Luma with probability p, in as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        self.p = probability("RandomGrayscale", p)

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> bool:
        return random.uniform() < self.p

    def on_image(self, image: Tensor, drawn: bool) -> Tensor:
        if not drawn:
            return image
        grey = bytes_as_float(image, lambda t: _luma("RandomGrayscale", t))
        return cat([grey] * image.shape[-3], -3)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def _blend(image: Tensor, other: Tensor | float, factor: float) -> Tensor:
    return clamp(image * factor + other * (1.0 - factor), 0.0, 1.0)


def _contrast(image: Tensor, factor: float) -> Tensor:
    return _blend(image, _luma("ColorJitter", image).mean(dim=(-3, -2, -1), keepdim=True), factor)


def _saturation(image: Tensor, factor: float) -> Tensor:
    return _blend(image, _luma("ColorJitter", image), factor)


def _hue(image: Tensor, turn: float) -> Tensor:
    """Turns the hue of the HSV model by part of the full circle."""
    if image.shape[-3] == 1:
        return image
    red, green, blue = _planes("ColorJitter", image)
    most, least = amax(image, -3, True), amin(image, -3, True)
    spread = most - least
    grey = spread == 0
    safe = where(grey, 1.0, spread)
    hue = where(
        most == red,
        (green - blue) / safe,
        where(most == green, (blue - red) / safe + 2.0, (red - green) / safe + 4.0),
    )
    hue = hue / 6.0 + turn
    hue = hue - floor(hue)
    # Each channel is `most` less what its distance on the circle of hues takes away.
    planes = []
    for start in (5.0, 3.0, 1.0):
        k = hue * 6.0 + start
        k = k - 6.0 * floor(k / 6.0)
        away = clamp(where(k < 4.0 - k, k, 4.0 - k), 0.0, 1.0)
        planes.append(most - spread * away)
    return where(grey, image, cat(planes, -3))


class ColorJitter(Transform):
    """Changes brightness, contrast, saturation and hue at random, in random order.

    Args:
        brightness, contrast, saturation: the factor is drawn in [max(0, 1 - value), 1 + value], or between
            two numbers. They blend with black, with the mean luma, with the luma.
        hue: the turn, as part of the circle, is drawn in ±hue (at most 0.5), or between two numbers.

    For float images values are those of 0..1.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        self.brightness = self._factor("brightness", brightness)
        self.contrast = self._factor("contrast", contrast)
        self.saturation = self._factor("saturation", saturation)
        turns = (-hue, hue) if isinstance(hue, (int, float)) else (float(hue[0]), float(hue[1]))
        if not -0.5 <= turns[0] <= turns[1] <= 0.5:
            raise ValueError(f"ColorJitter: hue is {hue}, wants numbers in -0.5 .. 0.5")
        self.hue = None if turns == (0, 0) else turns

    @staticmethod
    def _factor(name: str, value: float | Sequence[float]) -> tuple[float, float] | None:
        single = isinstance(value, (int, float))
        low, high = (1 - value, 1 + value) if single else value  # type: ignore[operator, misc]
        if high < low or (not single and low < 0):
            raise ValueError(
                f"ColorJitter: {name} is {value}, wants at least 0, or two such numbers in order"
            )
        return None if low == high == 1 else (max(float(low), 0.0), float(high))

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> list[tuple[str, float]]:
        names = ("brightness", "contrast", "saturation", "hue")
        order = random.permutation(4).tolist()
        drawn = {n: random.uniform(*getattr(self, n)) for n in names if getattr(self, n) is not None}
        return [(names[i], drawn[names[i]]) for i in order if names[i] in drawn]

    def on_image(self, image: Tensor, drawn: list[tuple[str, float]]) -> Tensor:
        if image.ndim < 3 or image.shape[-3] not in (1, 3):
            raise ValueError(f"ColorJitter: wants [..., 1 or 3, H, W], got shape {list(image.shape)}")

        def change(pixels: Tensor) -> Tensor:
            for name, amount in drawn:
                if name == "brightness":
                    pixels = clamp(pixels * amount, 0.0, 1.0)
                else:
                    pixels = {"contrast": _contrast, "saturation": _saturation, "hue": _hue}[name](
                        pixels, amount
                    )
            return pixels

        return _in_unit(image, change) if drawn else image

    def extra_repr(self) -> str:
        names = ("brightness", "contrast", "saturation", "hue")
        return ", ".join(f"{n}={getattr(self, n)}" for n in names)


class GaussianBlur(Transform):
    """Blurs with a Gaussian, the borders reflected.

    Args:
        kernel_size: odd, one or two (height, width).
        sigma: the standard deviation in pixels is drawn between two numbers; one number: always that.
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(sizes) != 2 or any(n < 1 or n % 2 == 0 for n in sizes):
            raise ValueError(f"GaussianBlur: kernel_size is {kernel_size}, wants odd numbers above 0")
        low, high = (sigma, sigma) if isinstance(sigma, (int, float)) else sigma
        if not 0 < low <= high:
            raise ValueError(f"GaussianBlur: sigma is {sigma}, wants numbers above 0, the smaller first")
        self.kernel_size = sizes
        self.sigma = (float(low), float(high))

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> float:
        return random.uniform(*self.sigma)

    def on_image(self, image: Tensor, drawn: float) -> Tensor:
        rows, columns = (gaussian(n, drawn) for n in self.kernel_size)
        return bytes_as_float(image, lambda t: blur(t, rows, columns))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, sigma={self.sigma}"


def _normal(random: KeyedRandom, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers, float32 (Box and Muller 1958)."""
    n = math.prod(shape)
    u, v = random.random(2 * n).reshape(2, n)
    return (np.sqrt(-2.0 * np.log1p(-u)) * np.cos(2.0 * np.pi * v)).astype(np.float32).reshape(shape)


class GaussianNoise(Transform):
    """Adds normal noise to each value of an image in 0..1.

    Args:
        mean, sigma: of the noise.
        clip: keep the result in 0..1.
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        if sigma < 0:
            raise ValueError(f"GaussianNoise: sigma is {sigma}, wants at least 0")
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> KeyedRandom:
        return random

    def on_image(self, image: Tensor, drawn: KeyedRandom) -> Tensor:
        noise = from_numpy(_normal(drawn, tuple(image.shape))) * self.sigma + self.mean
        if not self.clip and image.is_floating_point():
            return image + noise.to(image.dtype)
        return _in_unit(image, lambda t: t + noise.to(t.dtype))

    def extra_repr(self) -> str:
        return f"mean={self.mean}, sigma={self.sigma}, clip={self.clip}"


class RandomErasing(Transform):
    """Overwrites a rectangle with probability p (Zhong et al. 2020, "Random erasing data augmentation").

    Args:
        p: how often.
        scale: between which parts of the image's area.
        ratio: between which ratios of height to width, drawn evenly in their logarithm.
        value: a number; one a channel; or 'random': normal numbers.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0.0,
    ) -> None:
        self.p = probability("RandomErasing", p)
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"RandomErasing: scale is {scale}, wants two parts of the area in order")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"RandomErasing: ratio is {ratio}, wants 0 < smallest <= largest")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value is {value!r}, wants numbers or 'random'")
        self.scale = scale
        self.ratio = ratio
        self.value = value

    def draw(self, size: tuple[int, int], random: KeyedRandom) -> Any:
        height, width = size
        if random.uniform() >= self.p:
            return None
        for _ in range(10):
            area = height * width * random.uniform(*self.scale)
            ratio = math.exp(random.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            rows, columns = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if rows < height and columns < width:
                top = random.integer(0, height - rows + 1)
                return top, random.integer(0, width - columns + 1), rows, columns, random
        return None

    def on_image(self, image: Tensor, drawn: Any) -> Tensor:
        if drawn is None:
            return image
        top, left, rows, columns, random = drawn
        channels = image.shape[-3]
        patch: Any = self.value
        if isinstance(patch, str):
            patch = from_numpy(_normal(random, (channels, rows, columns))).to(image.dtype)
        elif isinstance(patch, Sequence):
            if len(patch) not in (1, channels):
                raise ValueError(f"RandomErasing: {len(patch)} values for an image of {channels} channels")
            patch = from_numpy(np.asarray(patch, dtype=np.float32).reshape(-1, 1, 1)).to(image.dtype)
        image = image.clone()
        image[..., top : top + rows, left : left + columns] = patch
        return image

    def extra_repr(self) -> str:
        return f"p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}"
