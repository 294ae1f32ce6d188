"""The data sets of `markone train`, as a network wants to see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markone.cli.errors import UsageError

__all__ = ["AUGMENTATIONS", "DATA", "USUAL", "Splits", "View", "load", "picture"]


@dataclass(frozen=True)
class Splits:
    """The data of a run. Validation examples are taken out of the training part; test ones are never seen."""

    train: Any
    validation: Any
    test: Any
    classes: list[str]


@dataclass(frozen=True)
class View:
    """How a network wants its images: float32 [channels, size, size], about mean 0 and deviation 1.

    `ink` instead: what 0 and 1 become. `border`: pixels of 0 (before) on each side beyond `size`.
    """

    channels: int
    size: int
    ink: tuple[float, float] | None = None
    border: int = 0

    @property
    def side(self) -> int:
        """Of the images, border and all."""
        return self.size + 2 * self.border


# Channels of a data set's images, and mean and deviation of their pixels, in colour and as grey ones.
_PIXELS: dict[str, tuple[int, Any, Any]] = {
    "digits": (1, None, (0.3053, 0.3465)),
    "mnist": (1, None, (0.1307, 0.3081)),
    "cifar10": (3, ((0.4914, 0.4822, 0.4465), 0.25), (0.48, 0.25)),
    "imagenet-folder": (3, ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), (0.45, 0.226)),
}


def _change(view: View, data: str) -> list[Any]:
    """From the images of a data set to the view's channels, then normalised."""
    from markone.transforms import Grayscale, Normalize, Pad

    source, colour, grey = _PIXELS[data]
    change: list[Any] = [] if view.channels == source else [Grayscale(view.channels)]
    if view.border:
        change.append(Pad(view.border))
    if view.ink is not None:
        low, high = view.ink
        return [*change, Normalize(-low / (high - low), 1 / (high - low))]
    return [*change, Normalize(*(colour if source == view.channels == 3 else grey))]


def _whole(size: int) -> list[Any]:
    """A photograph's middle, its shorter side as much larger than the network's as 256 is than 224."""
    from markone.transforms import CenterCrop, Resize

    return [Resize(size * 8 // 7), CenterCrop(size)]


def _none(size: int) -> list[Any]:
    return []


def _affine(size: int) -> list[Any]:
    from markone.transforms import RandomAffine

    return [RandomAffine(degrees=12, translate=(0.08, 0.08), scale=(0.9, 1.1))]


def _elastic(size: int) -> list[Any]:
    from markone.transforms import ElasticTransform

    return [ElasticTransform(34 * size / 28, 4 * size / 28)]


def _crop_flip(size: int) -> list[Any]:
    from markone.transforms import RandomCrop, RandomHorizontalFlip

    return [RandomCrop(size, padding=size // 8), RandomHorizontalFlip()]


def _window_flip(size: int) -> list[Any]:
    from markone.transforms import RandomHorizontalFlip, RandomResizedCrop

    return [RandomResizedCrop(size), RandomHorizontalFlip()]


@dataclass(frozen=True)
class Augmentation:
    """What training images of `size` x `size` go through before they are normalised."""

    about: str
    of: Callable[[int], list[Any]]


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation("nothing", _none),
    "affine": Augmentation("turned by up to 12°, moved by up to 8 %, scaled by up to 10 %", _affine),
    "elastic": Augmentation("bent by a smooth random field (Simard, Steinkraus, Platt 2003)", _elastic),
    "crop-flip": Augmentation(
        "a border of an eighth, a crop, a flip (He et al. 2015, section 4.2)", _crop_flip
    ),
    "window-flip": Augmentation(
        "a window of random area and shape, a flip (Szegedy et al. 2015)", _window_flip
    ),
}

# What a data set's training images go through where nothing else is said.
USUAL = {"digits": "affine", "mnist": "none", "cifar10": "crop-flip", "imagenet-folder": "window-flip"}


def _parts(make: Callable[..., Any], change: list[Any], moved: list[Any], validation: int) -> Splits:
    """The last `validation` images of the training part, in the order of a fixed draw, are held out."""
    from markone.data import Subset
    from markone.data.random import permutation
    from markone.transforms import Compose

    plain = Compose(change)
    train, held_out = make(True, Compose([*moved, *change])), make(True, plain)
    if len(train) <= validation:
        raise ValueError(
            f"the training data has {len(train)} examples, of which {validation} are held out to validate: "
            "nothing is left to train on"
        )
    order = permutation(len(train), 5).tolist()
    return Splits(
        Subset(train, order[:-validation]),
        Subset(held_out, order[-validation:]),
        make(False, plain),
        list(train.classes),
    )


def _digits(view: View, moved: list[Any], _images: Path | None) -> Splits:
    from markone.datasets import Digits

    return _parts(
        lambda train, transform: Digits(train, transform, size=view.size),
        _change(view, "digits"),
        moved,
        validation=144,
    )


def _mnist(view: View, moved: list[Any], _images: Path | None) -> Splits:
    from markone.datasets import MNIST

    size = None if view.size == 28 else view.size
    return _parts(
        lambda train, transform: MNIST(train=train, transform=transform, size=size),
        _change(view, "mnist"),
        moved,
        validation=5000,
    )


def _cifar10(view: View, moved: list[Any], _images: Path | None) -> Splits:
    from markone.datasets import CIFAR10

    change = _change(view, "cifar10")
    size = None if view.size == 32 else view.size

    def make(train: bool, transform: Any) -> Any:
        return CIFAR10(train=train, transform=transform, size=size)

    return _parts(make, change, moved, validation=len(make(True, None)) // 10)


def _check(folder: Any) -> None:
    try:
        folder.check()
    except ValueError as error:
        raise UsageError(f"--images: {error}") from None


def _imagenet_folder(view: View, moved: list[Any], images: Path | None) -> Splits:
    import os

    from markone.data import Subset
    from markone.data.random import permutation
    from markone.datasets import ImageFolder
    from markone.transforms import Compose, RandomResizedCrop

    if images is None:
        images = Path(os.environ.get("MARKONE_DATA", "")) / "imagenet"
        if not images.is_dir():
            raise UsageError("--data imagenet-folder wants --images DIR, or the folder MARKONE_DATA/imagenet")
    change = _change(view, "imagenet-folder")
    plain = Compose([*_whole(view.size), *change])
    cuts = any(isinstance(step, RandomResizedCrop) for step in moved)
    augmented = Compose([*([] if cuts else _whole(view.size)), *moved, *change])
    named = (images / "train").is_dir()
    folder = images / "train" if named else images
    train, held_out = ImageFolder(folder, augmented), ImageFolder(folder, plain)
    _check(train)
    if len(train) < 3:
        raise UsageError(f"--images {images}: {len(train)} pictures, wants 3 or more")
    order = permutation(len(train), 5).tolist()
    share = max(1, len(order) // 10)
    tested = 0 if named else share
    if named:
        tests = next((images / part for part in ("test", "val") if (images / part).is_dir()), None)
        if tests is None:
            raise UsageError(f"--images {images}: beside train wants a folder val or test")
        test: Any = ImageFolder(tests, plain)
        _check(test)
        if test.classes != train.classes:
            odd = sorted(set(test.classes) ^ set(train.classes))[0]
            raise UsageError(f"--images {images}: class '{odd}' is not in both train and {tests.name}")
    else:
        test = Subset(held_out, order[:share])
    rest = order[tested:]
    return Splits(Subset(train, rest[share:]), Subset(held_out, rest[:share]), test, train.classes)


_READERS: dict[str, Callable[[View, list[Any], Path | None], Splits]] = {
    "digits": _digits,
    "mnist": _mnist,
    "cifar10": _cifar10,
    "imagenet-folder": _imagenet_folder,
}

DATA: dict[str, str] = {
    "digits": "1,797 handwritten digits of 8x8 (UCI), inside the package",
    "mnist": "70,000 handwritten digits of 28x28, from MARKONE_DATA/mnist, the cache or the network",
    "cifar10": "60,000 pictures of 32x32 of ten kinds, from MARKONE_DATA/cifar10, the cache or the network",
    "imagenet-folder": "your pictures, a folder a class: --images DIR (DIR/train and DIR/val, or classes)",
}


def load(data: str, view: View, images: Path | None = None, augment: str | None = None) -> Splits:
    """The splits of the data set `data`, as `view` says. `images` is the folder of imagenet-folder.

    `augment` is a name of AUGMENTATIONS, None the data set's usual one.

    Raises:
        UsageError, FileNotFoundError: there are no such files, or a class without pictures.
    """
    return _READERS[data](view, AUGMENTATIONS[augment or USUAL[data]].of(view.size), images)


def picture(path: Path, data: str, view: View) -> Any:
    """A picture of a file as the networks of the data set `data` see it: the middle of it, normalised.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture.
    """
    from markone.datasets.source import read_image
    from markone.transforms import Compose

    pixels = read_image(path, "L" if _PIXELS[data][0] == 1 else "RGB").float() / 255.0
    return Compose([*_whole(view.size), *_change(view, data)])(pixels)
