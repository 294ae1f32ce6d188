"""Residual networks, and the plain ones that they were compared with.

K. He, X. Zhang, S. Ren, J. Sun: "Deep residual learning for image recognition", CVPR 2016, arXiv:1512.03385.
Weight names of resnet18 ... resnet50 are torchvision's.
"""

from __future__ import annotations

from typing import Any

from markone import nn
from markone.models.common import Weights, checked_classes, finished, he_init_, scaled
from markone.nn import functional as F
from markone.tensor import Tensor

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ResNet",
    "ResNetCIFAR",
    "plain18",
    "plain20",
    "plain34",
    "plain56",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet56",
]


def conv(before: int, maps: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size (but for its stride), without bias: normalisation follows."""
    return nn.Conv2d(before, maps, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """y = relu(x + bn(conv3x3(relu(bn(conv3x3(x)))))): figure 2 of the paper.

    Where the shape changes, x passes a 1x1 convolution with the stride first (option B). skip=False leaves x
    out of the sum.

    Shape: x [N, before, H, W] → y [N, maps, H / stride, W / stride].
    """

    expansion = 1

    def __init__(self, before: int, maps: int, stride: int = 1, skip: bool = True) -> None:
        super().__init__()
        self.conv1 = conv(before, maps, 3, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu = nn.ReLU()
        self.conv2 = conv(maps, maps, 3)
        self.bn2 = nn.BatchNorm2d(maps)
        self.skip = skip
        self.downsample = _projection(before, maps, stride) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return _joined(self, x, y)


class Bottleneck(nn.Module):
    """1x1 to fewer maps, 3x3, 1x1 to four times as many, and the skip: the right of figure 5.

    The stride is in the 3x3 convolution, as in torchvision (the paper has it in the first 1x1).

    Shape: x [N, before, H, W] → y [N, 4 maps, H / stride, W / stride].
    """

    expansion = 4

    def __init__(self, before: int, maps: int, stride: int = 1, skip: bool = True) -> None:
        super().__init__()
        self.conv1 = conv(before, maps, 1)
        self.bn1 = nn.BatchNorm2d(maps)
        self.conv2 = conv(maps, maps, 3, stride)
        self.bn2 = nn.BatchNorm2d(maps)
        self.conv3 = conv(maps, 4 * maps, 1)
        self.bn3 = nn.BatchNorm2d(4 * maps)
        self.relu = nn.ReLU()
        self.skip = skip
        self.downsample = _projection(before, 4 * maps, stride) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return _joined(self, x, y)


def _projection(before: int, after: int, stride: int) -> nn.Module | None:
    if stride == 1 and before == after:
        return None
    return nn.Sequential(conv(before, after, 1, stride), nn.BatchNorm2d(after))


def _joined(block: Any, x: Tensor, y: Tensor) -> Tensor:
    if block.skip:
        y = y + (x if block.downsample is None else block.downsample(x))
    joined: Tensor = block.relu(y)
    return joined


class ResNet(nn.Module):
    """The networks of the paper's table 1 for float32 images [N, 3, 224, 224]; gives scores [N, num_classes].

    =======  =================================  ===============  ==================
    stage    what                               18 and 34        50 (bottleneck)
    =======  =================================  ===============  ==================
    conv1    7x7, stride 2, padding 3           64 x 112 x 112   64 x 112 x 112
    maxpool  3x3, stride 2, padding 1           64 x 56 x 56     64 x 56 x 56
    layer1   2 or 3 blocks                      64 x 56 x 56     256 x 56 x 56
    layer2   2 or 4 blocks, the first stride 2  128 x 28 x 28    512 x 28 x 28
    layer3   2 or 6                             256 x 14 x 14    1024 x 14 x 14
    layer4   2 or 3                             512 x 7 x 7      2048 x 7 x 7
    avgpool  mean of each map                   512              2048
    fc                                          num_classes      num_classes
    =======  =================================  ===============  ==================

    Parameters: 11,689,512 (18), 21,797,672 (34), 25,557,032 (50); multiply-adds 1.81 G, 3.66 G, 4.09 G.

    Args:
        block: BasicBlock or Bottleneck.
        layers: blocks in each stage.
        num_classes: how many scores.
        skip: False gives the plain network of the paper's figure 4, left.
        small: for pictures of about 32 x 32: the first convolution is 3x3 with stride 1, no max pooling.
        width: factor of all numbers of maps.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: tuple[int, int, int, int],
        num_classes: int = 1000,
        *,
        skip: bool = True,
        small: bool = False,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        checked_classes("resnet", num_classes)
        maps = [scaled(full, width) for full in (64, 128, 256, 512)]
        self.conv1 = conv(3, maps[0], 3) if small else conv(3, maps[0], 7, 2)
        self.bn1 = nn.BatchNorm2d(maps[0])
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        before = maps[0]
        for stage, (blocks, count) in enumerate(zip(layers, maps, strict=True), 1):
            parts = []
            for i in range(blocks):
                parts.append(block(before, count, 2 if i == 0 and stage > 1 else 1, skip))
                before = count * block.expansion
            setattr(self, f"layer{stage}", nn.Sequential(*parts))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        he_init_(self, "fan_out")
        self.fc = nn.Linear(before, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 3, H, W] to scores [N, num_classes]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        scores: Tensor = self.fc(self.avgpool(x).flatten(1))
        return scores


class CIFARBlock(nn.Module):
    """A basic block whose shortcut has no parameters: where the shape changes it takes every second pixel and
    adds maps of zeros (option A)."""

    def __init__(self, before: int, maps: int, stride: int, skip: bool) -> None:
        super().__init__()
        self.conv1 = conv(before, maps, 3, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu = nn.ReLU()
        self.conv2 = conv(maps, maps, 3)
        self.bn2 = nn.BatchNorm2d(maps)
        self.stride, self.more, self.skip = stride, maps - before, skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.skip:
            if self.stride > 1:
                x = x[:, :, :: self.stride, :: self.stride]
            if self.more:
                x = F.pad(x, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
            y = y + x
        joined: Tensor = self.relu(y)
        return joined


class ResNetCIFAR(nn.Module):
    """The networks of the paper's section 4.2 for images [N, 3, 32, 32]; gives scores [N, num_classes].

    =======  =======================================  ============
    stage    what                                     shape after
    =======  =======================================  ============
    conv1    3x3, 16 maps                             16 x 32 x 32
    layer1   2n convolutions 3x3                      16 x 32 x 32
    layer2   2n, the first with stride 2              32 x 16 x 16
    layer3   2n, the first with stride 2              64 x 8 x 8
    avgpool  mean of each map                         64
    fc                                                num_classes
    =======  =======================================  ============

    depth = 6n + 2 layers with weights. Parameters with 10 classes: 269,722 (20), 853,018 (56), with and
    without skips: the shortcuts have none (option A).

    Args:
        depth: 8, 14, 20, 32, 44, 56, 110: 6n + 2.
        num_classes: how many scores.
        skip: False gives the plain network.
        width: factor of all numbers of maps.
    """

    def __init__(
        self, depth: int = 20, num_classes: int = 10, *, skip: bool = True, width: float = 1.0
    ) -> None:
        super().__init__()
        checked_classes("resnet", num_classes)
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"resnet: got depth={depth}, wants 6n + 2, such as 20 or 56")
        maps = [scaled(full, width) for full in (16, 32, 64)]
        self.conv1 = conv(3, maps[0], 3)
        self.bn1 = nn.BatchNorm2d(maps[0])
        self.relu = nn.ReLU()
        before = maps[0]
        for stage, count in enumerate(maps, 1):
            parts = []
            for i in range(depth // 6):
                parts.append(CIFARBlock(before, count, 2 if i == 0 and stage > 1 else 1, skip))
                before = count
            setattr(self, f"layer{stage}", nn.Sequential(*parts))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        he_init_(self, "fan_out")
        self.fc = nn.Linear(before, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 3, H, W] to scores [N, num_classes]."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        scores: Tensor = self.fc(self.avgpool(x).flatten(1))
        return scores


def resnet18(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-18; `options` are those of `ResNet`."""
    return finished(ResNet(BasicBlock, (2, 2, 2, 2), num_classes, **options), weights)


def resnet34(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-34; `options` are those of `ResNet`."""
    return finished(ResNet(BasicBlock, (3, 4, 6, 3), num_classes, **options), weights)


def resnet50(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-50; `options` are those of `ResNet`."""
    return finished(ResNet(Bottleneck, (3, 4, 6, 3), num_classes, **options), weights)


def plain18(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-18 without its skip connections."""
    return resnet18(num_classes, weights=weights, skip=False, **options)


def plain34(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-34 without its skip connections."""
    return resnet34(num_classes, weights=weights, skip=False, **options)


def resnet20(num_classes: int = 10, *, weights: Weights = None, **options: Any) -> ResNetCIFAR:
    """ResNet-20 for pictures of 32 x 32; `options` are those of `ResNetCIFAR`."""
    return finished(ResNetCIFAR(20, num_classes, **options), weights)


def resnet56(num_classes: int = 10, *, weights: Weights = None, **options: Any) -> ResNetCIFAR:
    """ResNet-56 for pictures of 32 x 32; `options` are those of `ResNetCIFAR`."""
    return finished(ResNetCIFAR(56, num_classes, **options), weights)


def plain20(num_classes: int = 10, *, weights: Weights = None, **options: Any) -> ResNetCIFAR:
    """ResNet-20 without its skip connections."""
    return resnet20(num_classes, weights=weights, skip=False, **options)


def plain56(num_classes: int = 10, *, weights: Weights = None, **options: Any) -> ResNetCIFAR:
    """ResNet-56 without its skip connections."""
    return resnet56(num_classes, weights=weights, skip=False, **options)
