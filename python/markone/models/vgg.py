"""VGG.

K. Simonyan, A. Zisserman: "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
arXiv:1409.1556. Weight names are torchvision's.
"""

from __future__ import annotations

from typing import Any

from markone import nn
from markone.models.common import Weights, checked_classes, finished, he_init_, scaled
from markone.tensor import Tensor

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

# The paper's table 1: convolutions 3x3 in each of the five blocks; the blocks' maps are the same in all.
CONFIGURATIONS = {
    "A": (1, 1, 2, 2, 2),  # 11 layers with weights, the three full ones among them
    "B": (2, 2, 2, 2, 2),  # 13
    "D": (2, 2, 3, 3, 3),  # 16
    "E": (2, 2, 4, 4, 4),  # 19
}
MAPS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Blocks of 3x3 convolutions for float32 images [N, 3, 224, 224]; gives scores [N, num_classes].

    =======  ==============================================  ===============
    block    what                                            shape after
    =======  ==============================================  ===============
    1        1 or 2 convolutions, padding 1, ReLU; max 2x2   64 x 112 x 112
    2        1 or 2, the same                                128 x 56 x 56
    3        2, 3 or 4                                       256 x 28 x 28
    4        2, 3 or 4                                       512 x 14 x 14
    5        2, 3 or 4                                       512 x 7 x 7
    full     ReLU, dropout 0.5                               4096
    full     ReLU, dropout 0.5                               4096
    full                                                     num_classes
    =======  ==============================================  ===============

    Parameters: 132,863,336 (11), 133,047,848 (13), 138,357,544 (16: 14,714,688 before the first full layer,
    123,642,856 in them), 143,667,240 (19). Multiply-adds of 16: 15.47 G. With batch normalisation (not in the
    paper) 2 more a map.

    All layers start with variance 2 / fan-in (He et al. 2015), which is the paper's deviation of 0.01 in the
    first full layer; the paper started the deep ones from the trained 11.

    Args:
        configuration: a column of the paper's table 1: "A", "B", "D" or "E".
        num_classes: how many scores.
        batch_norm: normalise after each convolution.
        dropout: the share of units dropped.
        hidden: units of the two full layers.
        grid: height and width of the maps that the first full layer sees; other sizes of image are averaged
            to it. Images want 32 x 32 at least.
        width: factor of all numbers of maps.
    """

    def __init__(
        self,
        configuration: str,
        num_classes: int = 1000,
        *,
        batch_norm: bool = False,
        dropout: float = 0.5,
        hidden: int = 4096,
        grid: int = 7,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        checked_classes("vgg", num_classes)
        if configuration not in CONFIGURATIONS:
            raise ValueError(f"vgg: got configuration '{configuration}', wants one of {list(CONFIGURATIONS)}")
        layers: list[nn.Module] = []
        before = 3
        for convolutions, full in zip(CONFIGURATIONS[configuration], MAPS, strict=True):
            maps = scaled(full, width)
            for _ in range(convolutions):
                layers.append(nn.Conv2d(before, maps, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(maps))
                layers.append(nn.ReLU())
                before = maps
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((grid, grid))
        self.classifier = nn.Sequential(
            nn.Linear(before * grid * grid, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        he_init_(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 3, H, W] to scores [N, num_classes]."""
        x = self.avgpool(self.features(x)).flatten(1)
        scores: Tensor = self.classifier(x)
        return scores


def vgg11(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> VGG:
    """VGG with 11 layers with weights; `options` are those of `VGG`."""
    return finished(VGG("A", num_classes, **options), weights)


def vgg11_bn(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> VGG:
    """VGG with 11 layers with weights and batch normalisation; `options` are those of `VGG`."""
    return finished(VGG("A", num_classes, batch_norm=True, **options), weights)


def vgg13(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> VGG:
    """VGG with 13 layers with weights; `options` are those of `VGG`."""
    return finished(VGG("B", num_classes, **options), weights)


def vgg13_bn(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> VGG:
    """VGG with 13 layers with weights and batch normalisation; `options` are those of `VGG`."""
    return finished(VGG("B", num_classes, batch_norm=True, **options), weights)


def vgg16(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> VGG:
    """VGG with 16 layers with weights; `options` are those of `VGG`."""
    return finished(VGG("D", num_classes, **options), weights)


def vgg16_bn(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> VGG:
    """VGG with 16 layers with weights and batch normalisation; `options` are those of `VGG`."""
    return finished(VGG("D", num_classes, batch_norm=True, **options), weights)


def vgg19(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> VGG:
    """VGG with 19 layers with weights; `options` are those of `VGG`."""
    return finished(VGG("E", num_classes, **options), weights)


def vgg19_bn(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> VGG:
    """VGG with 19 layers with weights and batch normalisation; `options` are those of `VGG`."""
    return finished(VGG("E", num_classes, batch_norm=True, **options), weights)
