"""The table of what can be trained on what, with the settings that give the known figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["DATA", "SYSTEMS", "Recipe", "Splits", "System"]


@dataclass(frozen=True)
class Splits:
    """The data of a run. Validation examples are taken out of the training part; test ones are never seen."""

    train: Any
    validation: Any
    test: Any
    classes: list[str]


@dataclass(frozen=True)
class Recipe:
    """How to train a system on one data set; the learning rate follows a cosine down to zero (Adam)."""

    epochs: int
    batch_size: int
    lr: float
    splits: Callable[[], Splits]
    reaches: str


@dataclass(frozen=True)
class System:
    """A network and its recipes by data set; the first is the default."""

    about: str
    build: Callable[[int], Any]
    recipes: dict[str, Recipe]


def _lenet5(classes: int) -> Any:
    from markone.models import lenet5

    return lenet5(classes)


def _parts(make: Callable[..., Any], plain: Any, augmented: Any, validation: int) -> Splits:
    """The last `validation` images of the training part, in the order of a fixed draw, are held out."""
    from markone.data import Subset
    from markone.data.random import permutation

    train, held_out = make(True, augmented), make(True, plain)
    order = permutation(len(train), 5).tolist()
    return Splits(
        Subset(train, order[:-validation]),
        Subset(held_out, order[-validation:]),
        make(False, plain),
        train.classes,
    )


def _digits() -> Splits:
    from markone.datasets import Digits
    from markone.transforms import Compose, Normalize, RandomAffine

    normal = Normalize(0.3053, 0.3465)
    moved = RandomAffine(degrees=12, translate=(0.08, 0.08), scale=(0.9, 1.1))
    return _parts(
        lambda train, transform: Digits(train, transform, size=28),
        normal,
        Compose([moved, normal]),
        validation=144,
    )


def _mnist() -> Splits:
    from markone.datasets import MNIST
    from markone.transforms import Normalize

    normal = Normalize(0.1307, 0.3081)
    return _parts(
        lambda train, transform: MNIST(train=train, transform=transform), normal, normal, validation=5000
    )


SYSTEMS: dict[str, System] = {
    "lenet5": System(
        "LeNet-5, convolutional network for digits (LeCun, Bottou, Bengio, Haffner 1998), modern form",
        _lenet5,
        {
            "digits": Recipe(30, 32, 2e-3, _digits, "99 % on the test images"),
            "mnist": Recipe(10, 128, 2e-3, _mnist, "99 % on the test images"),
        },
    ),
}

DATA: dict[str, str] = {
    "digits": "1,797 handwritten digits of 8x8 (UCI), inside the package",
    "mnist": "70,000 handwritten digits of 28x28, from MARKONE_DATA/mnist, the cache or the network",
}
