"""The table of what can be trained on what: a row a network, with its settings by data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from markone.cli.splits import DATA, View

__all__ = ["DATA", "SYSTEMS", "Recipe", "System"]

# Images of digits and CIFAR-10 are small; what the published networks do to 224 x 224 would leave nothing of
# them. They get smaller stems and full layers there, and their published form on imagenet-folder.
SMALL = ("digits", "mnist", "cifar10")


@dataclass(frozen=True)
class Recipe:
    """How to train a system on one data set; the learning rate follows a cosine down to zero (Adam)."""

    epochs: int
    batch_size: int
    lr: float
    view: View
    options: dict[str, Any] = field(default_factory=dict)
    reaches: str = ""


@dataclass(frozen=True)
class System:
    """A network and its recipes by data set; the first is the default.

    `loss` is a name in `markone.nn.functional` or `markone.models`, `step` one in `markone.cli.steps`.
    `gradients`: False for one that learns without them, which has no learning rate. `least_epochs`: fewer
    would leave it unable to answer.
    """

    about: str
    recipes: dict[str, Recipe]
    loss: str = "cross_entropy"
    step: str = ""
    gradients: bool = True
    least_epochs: int = 1

    @property
    def published(self) -> View:
        """The size of image that the network was published for."""
        return list(self.recipes.values())[-1].view


# Epochs, batch and learning rate by data set, unless a row says otherwise.
_USUAL = {
    "digits": (20, 32, 1e-3),
    "mnist": (5, 128, 1e-3),
    "cifar10": (30, 128, 1e-3),
    "imagenet-folder": (90, 64, 3e-4),
}


def _row(about: str, small: int, options: dict[str, Any], size: int, lr: float = 1.0, **rest: Any) -> System:
    """A colour network: side of small images and its options there, published side; `lr` times the usual."""
    recipes = {}
    for data, (epochs, batch, rate) in _USUAL.items():
        view = View(3, small if data in SMALL else size)
        recipes[data] = Recipe(epochs, batch, lr * rate, view, options if data in SMALL else {})
    return System(about, recipes, **rest)


_GREY = View(1, 28)
_INK = View(1, 28, ink=(-0.1, 1.175))  # as LeNet-5 had it in 1998
_BORDERED = View(1, 28, ink=(0.0, 1.0), border=4)
_HEADS: dict[str, Any] = {"loss": "googlenet_loss", "step": "with_heads"}
_DENSE = {"grid": 1, "hidden": 512}
_HALF = {"small": True, "width": 0.5}

SYSTEMS: dict[str, System] = {
    "neocognitron": System(
        "Neocognitron (Fukushima 1980), which learns without gradients: a layer an epoch, then the names",
        {
            # In soft pictures all is alike to cells that are not choosy: 8x8 enlarged has no edges.
            "digits": Recipe(4, 32, 1.0, _BORDERED, {"selectivity": (3.0, 3.0, 6.0)}),
            "mnist": Recipe(4, 128, 1.0, _BORDERED),
            "cifar10": Recipe(4, 128, 1.0, _BORDERED, {"selectivity": (4.0, 4.0, 8.0)}),
            "imagenet-folder": Recipe(4, 64, 1.0, _BORDERED, {"selectivity": (4.0, 4.0, 8.0)}),
        },
        step="show",
        gradients=False,
        least_epochs=4,
    ),
    "lenet5": System(
        "LeNet-5, convolutional network for digits (LeCun, Bottou, Bengio, Haffner 1998), modern form",
        {
            "digits": Recipe(30, 32, 2e-3, _GREY, reaches="99 % on the test images"),
            "mnist": Recipe(10, 128, 2e-3, _GREY, reaches="99 % on the test images"),
            "cifar10": Recipe(30, 128, 2e-3, _GREY),
            "imagenet-folder": Recipe(90, 64, 1e-3, _GREY),
        },
    ),
    "lenet5_1998": System(
        "LeNet-5 as published: trainable sub-sampling, partial connections, distances to drawn digits",
        {
            "digits": Recipe(30, 32, 2e-3, _INK),
            "mnist": Recipe(10, 128, 2e-3, _INK),
            "cifar10": Recipe(30, 128, 2e-3, _INK),
            "imagenet-folder": Recipe(90, 64, 1e-3, _INK),
        },
        "lenet5_loss",
    ),
    "alexnet": _row(
        "AlexNet (Krizhevsky, Sutskever, Hinton 2012), its two groups",
        67,
        {"grid": 1, "hidden": (512, 512)},
        227,
    ),
    "alexnet_ungrouped": _row("AlexNet without groups", 67, {"grid": 1, "hidden": (512, 512)}, 227),
    "alexnet_slide": _row(
        "AlexNet as the course's slide lists it: no padding, one full layer",
        195,
        {"grid": 1, "hidden": (512,), "width": 0.5},
        227,
    ),
    "alexnet_torchvision": _row("torchvision's AlexNet", 64, {"hidden": 512}, 224, lr=0.5),
    "zfnet": _row("ZFNet (Zeiler, Fergus 2014)", 64, _DENSE, 224),
    "zfnet_wide": _row("ZFNet, 512-1024-512 maps at its end", 64, {**_DENSE, "width": 0.5}, 224),
    **{
        f"vgg{n}{bn}": _row(
            f"VGG-{n}{' with batch normalisation' if bn else ' (Simonyan, Zisserman 2015)'}",
            32,
            {**_DENSE, "width": 0.25},
            224,
            lr=1.0 if bn else 0.3,
        )
        for n in (11, 13, 16, 19)
        for bn in ("", "_bn")
    },
    "googlenet": _row("GoogLeNet (Szegedy et al. 2015), with its auxiliary heads", 32, _HALF, 224, **_HEADS),
    "googlenet_torchvision": _row("torchvision's GoogLeNet", 32, _HALF, 224, **_HEADS),
    **{f"resnet{n}": _row(f"ResNet-{n} (He, Zhang, Ren, Sun 2016)", 32, _HALF, 224) for n in (18, 34, 50)},
    **{f"plain{n}": _row(f"ResNet-{n} without its skips", 32, _HALF, 224) for n in (18, 34)},
    **{f"resnet{n}": _row(f"ResNet-{n} for 32x32 (section 4.2)", 32, {}, 32) for n in (20, 56)},
    **{f"plain{n}": _row(f"ResNet-{n} without its skips", 32, {}, 32) for n in (20, 56)},
}
