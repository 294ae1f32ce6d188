"""AlexNet.

A. Krizhevsky, I. Sutskever, G. Hinton: "ImageNet classification with deep convolutional neural networks",
NIPS 2012. The torchvision variant: A. Krizhevsky, "One weird trick for parallelizing convolutional neural
networks", arXiv:1404.5997.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from markone import nn
from markone.models.common import Weights, checked_classes, finished, he_init_, scaled
from markone.tensor import Tensor

__all__ = [
    "AlexNet",
    "AlexNetTorchvision",
    "alexnet",
    "alexnet_slide",
    "alexnet_torchvision",
    "alexnet_ungrouped",
]

# Layer, maps, kernel, stride, published padding, whether split between the two GPUs, what follows its ReLU.
LAYERS = (
    ("1", 96, 11, 4, 0, False, "norm pool"),
    ("2", 256, 5, 1, 2, True, "norm pool"),
    ("3", 384, 3, 1, 1, False, ""),
    ("4", 384, 3, 1, 1, True, ""),
    ("5", 256, 3, 1, 1, True, "pool"),
)


class AlexNet(nn.Module):
    """The network of 2012 for float32 images [N, 3, 227, 227]; gives scores [N, num_classes].

    =======  ===================================  ============  ===================
    layer    what                                 shape after   with padding=False
    =======  ===================================  ============  ===================
    conv1    11x11, stride 4, ReLU, LRN           96 x 55 x 55  96 x 55 x 55
    pool1    max 3x3, stride 2                    96 x 27 x 27  96 x 27 x 27
    conv2    5x5, padding 2, 2 groups, ReLU, LRN  256 x 27 x 27 256 x 23 x 23
    pool2    max 3x3, stride 2                    256 x 13 x 13 256 x 11 x 11
    conv3    3x3, padding 1, ReLU                 384 x 13 x 13 384 x 9 x 9
    conv4    3x3, padding 1, 2 groups, ReLU       384 x 13 x 13 384 x 7 x 7
    conv5    3x3, padding 1, 2 groups, ReLU       256 x 13 x 13 256 x 5 x 5
    pool5    max 3x3, stride 2                    256 x 6 x 6   256 x 2 x 2
    fc6      ReLU, dropout 0.5                    4096          4096
    fc7      ReLU, dropout 0.5                    4096          4096
    fc8                                           num_classes   num_classes
    =======  ===================================  ============  ===================

    The groups are the paper's two GPUs: conv2, conv4 and conv5 see only the half of the maps that lies on
    their own. 60,965,224 parameters and 0.724 G multiply-adds; with groups=1 62,378,344 and 1.135 G.

    The paper says 224x224, but its 55x55 maps need 227. What differs from it: weights start
    with variance 2 / fan-in (He et al. 2015) and biases at 0 (the paper: deviation 0.01, biases 1 in conv2,
    conv4, conv5, fc6 and fc7).

    Args:
        num_classes: how many scores.
        groups: 2 as published, or 1.
        padding: the published paddings, or none at all.
        hidden: units of the full layers, one number each.
        grid: height and width of the maps that fc6 sees; other sizes of image are averaged to it
            (default: 6, without padding 2). Images want 67 x 67 at least, without padding 195 x 195.
        dropout: the share of units dropped.
        width: factor of all numbers of maps.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        groups: int = 2,
        padding: bool = True,
        hidden: tuple[int, ...] = (4096, 4096),
        grid: int | None = None,
        dropout: float = 0.5,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        checked_classes("alexnet", num_classes)
        grid = (6 if padding else 2) if grid is None else grid
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        maps = 3
        for name, full, kernel, stride, pad, split, after in LAYERS:
            before, maps = maps, groups * scaled(full // groups, width)
            layers[f"conv{name}"] = nn.Conv2d(
                before, maps, kernel, stride, pad if padding else 0, groups=groups if split else 1
            )
            layers[f"relu{name}"] = nn.ReLU()
            if "norm" in after:
                # n = 5, k = 2, alpha = 1e-4 (of the sum; here it is of the mean), beta = 0.75
                layers[f"norm{name}"] = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
            if "pool" in after:
                layers[f"pool{name}"] = nn.MaxPool2d(3, 2)
        self.features = nn.Sequential(layers)
        self.avgpool = nn.AdaptiveAvgPool2d(grid)
        dense: OrderedDict[str, nn.Module] = OrderedDict()
        units = maps * grid * grid
        for i, wanted in enumerate(hidden, 6):
            dense[f"fc{i}"] = nn.Linear(units, wanted)
            dense[f"relu{i}"] = nn.ReLU()
            dense[f"drop{i}"] = nn.Dropout(dropout)
            units = wanted
        dense[f"fc{6 + len(hidden)}"] = nn.Linear(units, num_classes)
        self.classifier = nn.Sequential(dense)
        he_init_(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 3, H, W] to scores [N, num_classes]."""
        x = self.avgpool(self.features(x)).flatten(1)
        scores: Tensor = self.classifier(x)
        return scores


class AlexNetTorchvision(nn.Module):
    """torchvision's AlexNet for images [N, 3, 224, 224] (63 x 63 at least), with its weight names.

    conv 11x11/4, padding 2: 64 x 55 x 55; pool: 27 x 27; conv 5x5: 192 x 27 x 27; pool: 13 x 13; conv 3x3:
    384, 256, 256 maps of 13 x 13; pool: 256 x 6 x 6; 4096; 4096; num_classes. 61,100,840 parameters, 0.714 G
    multiply-adds. No local response normalisation, no groups, dropout before the full layers.
    """

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, *, width: float = 1.0, hidden: int = 4096
    ) -> None:
        super().__init__()
        checked_classes("alexnet_torchvision", num_classes)
        a, b, c, d = (scaled(maps, width) for maps in (64, 192, 384, 256))
        self.features = nn.Sequential(
            nn.Conv2d(3, a, 11, stride=4, padding=2),  # 55 x 55
            nn.ReLU(),
            nn.MaxPool2d(3, 2),  # 27 x 27
            nn.Conv2d(a, b, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),  # 13 x 13
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(d, d, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),  # 6 x 6
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(d * 6 * 6, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 3, H, W] to scores [N, num_classes]."""
        scores: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return scores


def alexnet(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> AlexNet:
    """AlexNet as published: two groups, paddings 2, 1, 1, 1; `options` are those of `AlexNet`. torchvision's
    is another network: `alexnet_torchvision`."""
    return finished(AlexNet(num_classes, **options), weights)


def alexnet_ungrouped(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> AlexNet:
    """AlexNet on one GPU: every map sees all maps of the layer before; 62,378,344 parameters."""
    return finished(AlexNet(num_classes, groups=1, **options), weights)


def alexnet_slide(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> AlexNet:
    """AlexNet as the course's slide lists it: no padding (55-27-23-11-9-7-5-2, 1,024 values into the full
    layer), no groups, one layer of 4096; `options` are those of `AlexNet`."""
    options = {"hidden": (4096,), **options}
    return finished(AlexNet(num_classes, groups=1, padding=False, **options), weights)


def alexnet_torchvision(
    num_classes: int = 1000, *, weights: Weights = None, **options: Any
) -> AlexNetTorchvision:
    """torchvision's AlexNet, which loads its weights; `options` are those of `AlexNetTorchvision`."""
    return finished(AlexNetTorchvision(num_classes, **options), weights)
