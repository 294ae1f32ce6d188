"""ZFNet.

M. Zeiler, R. Fergus: "Visualizing and understanding convolutional networks", ECCV 2014, arXiv:1311.2901.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from markone import nn
from markone.models.common import Weights, checked_classes, finished, he_init_, scaled
from markone.tensor import Tensor

__all__ = ["ZFNet", "zfnet", "zfnet_wide"]


class ZFNet(nn.Module):
    """The network of the paper's figure 3 for float32 images [N, 3, 224, 224]; gives scores [N, num_classes].

    =======  ============================  =================
    layer    what                          shape after
    =======  ============================  =================
    conv1    7x7, stride 2, padding 1      96 x 110 x 110
    pool1    max 3x3, stride 2, LRN        96 x 55 x 55
    conv2    5x5, stride 2                 256 x 26 x 26
    pool2    max 3x3, stride 2, LRN        256 x 13 x 13
    conv3    3x3, padding 1                384 (512) x 13 x 13
    conv4    3x3, padding 1                384 (1024) x 13 x 13
    conv5    3x3, padding 1                256 (512) x 13 x 13
    pool5    max 3x3, stride 2             256 (512) x 6 x 6
    fc6      ReLU, dropout 0.5             4096
    fc7      ReLU, dropout 0.5             4096
    fc8                                    num_classes
    =======  ============================  =================

    In brackets the wide variant (512-1024-512, the paper's table 3, and the one that slides usually show). A
    ReLU follows each convolution. 62,357,608 parameters, the wide one 107,627,624. The sizes of the figure
    need padding 1 before the first convolution, and windows that reach over the edge in the first two
    poolings.

    What differs from the paper: cross-map local response normalisation with AlexNet's constants for its
    contrast normalisation, whose constants it does not give; weights start with variance 2 / fan-in (He et
    al. 2015; the paper: deviation 0.01).

    Args:
        num_classes: how many scores.
        wide: the wide variant.
        hidden: units of the two full layers.
        grid: height and width of the maps that fc6 sees; other sizes of image are averaged to it. Images want
            63 x 63 at least.
        dropout: the share of units dropped.
        width: factor of all numbers of maps.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        wide: bool = False,
        hidden: int = 4096,
        grid: int = 6,
        dropout: float = 0.5,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        checked_classes("zfnet", num_classes)
        maps = (96, 256, 512, 1024, 512) if wide else (96, 256, 384, 384, 256)
        a, b, c, d, e = (scaled(n, width) for n in maps)

        def lrn() -> nn.Module:
            return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(3, a, 7, stride=2, padding=1),  # 110 x 110
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(3, 2, ceil_mode=True),  # 55 x 55
                norm1=lrn(),
                conv2=nn.Conv2d(a, b, 5, stride=2),  # 26 x 26
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(3, 2, ceil_mode=True),  # 13 x 13
                norm2=lrn(),
                conv3=nn.Conv2d(b, c, 3, padding=1),
                relu3=nn.ReLU(),
                conv4=nn.Conv2d(c, d, 3, padding=1),
                relu4=nn.ReLU(),
                conv5=nn.Conv2d(d, e, 3, padding=1),
                relu5=nn.ReLU(),
                pool5=nn.MaxPool2d(3, 2),  # 6 x 6
            )
        )
        self.avgpool = nn.AdaptiveAvgPool2d(grid)
        self.classifier = nn.Sequential(
            OrderedDict(
                fc6=nn.Linear(e * grid * grid, hidden),
                relu6=nn.ReLU(),
                drop6=nn.Dropout(dropout),
                fc7=nn.Linear(hidden, hidden),
                relu7=nn.ReLU(),
                drop7=nn.Dropout(dropout),
                fc8=nn.Linear(hidden, num_classes),
            )
        )
        he_init_(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 3, H, W] to scores [N, num_classes]."""
        x = self.avgpool(self.features(x)).flatten(1)
        scores: Tensor = self.classifier(x)
        return scores


def zfnet(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> ZFNet:
    """ZFNet as published; `options` are those of `ZFNet`."""
    return finished(ZFNet(num_classes, **options), weights)


def zfnet_wide(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> ZFNet:
    """ZFNet with 512-1024-512 maps in its last three convolutions; `options` are those of `ZFNet`."""
    return finished(ZFNet(num_classes, wide=True, **options), weights)
