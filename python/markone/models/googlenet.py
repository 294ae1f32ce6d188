"""GoogLeNet.

C. Szegedy et al.: "Going deeper with convolutions", CVPR 2015, arXiv:1409.4842. Weight names of the
torchvision variant are torchvision's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from markone import nn
from markone.models.common import Weights, checked_classes, finished, he_init_, scaled
from markone.nn import functional as F
from markone.ops import cat
from markone.tensor import Tensor

__all__ = [
    "GoogLeNet",
    "GoogLeNetOutputs",
    "Inception",
    "googlenet",
    "googlenet_loss",
    "googlenet_torchvision",
]

# The paper's table 1: maps of the 1x1; of the reduction and the 3x3; of the reduction and the 5x5; of the
# projection after the pooling.
TABLE = {
    "3a": (64, 96, 128, 16, 32, 32),  # 28 x 28, from 192 maps
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),  # 14 x 14
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),  # 7 x 7
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """What training with auxiliary heads gives: scores [N, num_classes] of the end, after 4d and after 4a."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class BasicConv2d(nn.Module):
    """Convolution and ReLU; with batch_norm the normalisation between them and no bias."""

    def __init__(self, before: int, maps: int, kernel: int, *, stride: int = 1, batch_norm: bool) -> None:
        super().__init__()
        # Only the first, 7x7, has padding 3: all others keep the size too.
        self.conv = nn.Conv2d(before, maps, kernel, stride, padding=kernel // 2, bias=not batch_norm)
        self.bn = nn.BatchNorm2d(maps, eps=0.001) if batch_norm else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return F.relu(y if self.bn is None else self.bn(y))


class Inception(nn.Module):
    """Four branches side by side, joined along the maps: figure 2b, or 2a without the 1x1 reductions.

    Shape: x [N, before, H, W] → y [N, sum of the branches' maps, H, W].

    Args:
        before: maps of the input.
        row: a row of `TABLE`.
        reduce: False gives figure 2a: 3x3 and 5x5 on all maps of the input, the pooled maps unprojected.
        third: kernel of the third branch (5; torchvision has 3).
    """

    def __init__(
        self,
        before: int,
        row: tuple[int, ...],
        *,
        batch_norm: bool = False,
        third: int = 5,
        reduce: bool = True,
    ) -> None:
        super().__init__()
        one, to3, three, to5, five, pool = row

        def conv(before: int, maps: int, kernel: int) -> nn.Module:
            return BasicConv2d(before, maps, kernel, batch_norm=batch_norm)

        self.branch1 = conv(before, one, 1)
        if reduce:
            self.branch2 = nn.Sequential(conv(before, to3, 1), conv(to3, three, 3))
            self.branch3 = nn.Sequential(conv(before, to5, 1), conv(to5, five, third))
            self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), conv(before, pool, 1))
        else:
            self.branch2 = nn.Sequential(conv(before, three, 3))
            self.branch3 = nn.Sequential(conv(before, five, third))
            self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1, ceil_mode=True))

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """An auxiliary head: average pool 5x5/3 of [N, before, 14, 14] to 4x4 (other sizes are averaged to 4x4),
    1x1 convolution to 128, 1024 units, dropout, scores."""

    def __init__(
        self, before: int, num_classes: int, *, batch_norm: bool, dropout: float, width: float, adaptive: bool
    ) -> None:
        super().__init__()
        maps, hidden = scaled(128, width), scaled(1024, width)
        self.conv = BasicConv2d(before, maps, 1, batch_norm=batch_norm)
        self.fc1 = nn.Linear(maps * 4 * 4, hidden)
        self.fc2 = nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(dropout)
        self.adaptive = adaptive

    def forward(self, x: Tensor) -> Tensor:
        published = tuple(x.shape[2:]) == (14, 14) and not self.adaptive
        x = F.avg_pool2d(x, 5, 3) if published else F.adaptive_avg_pool2d(x, (4, 4))
        x = self.conv(x).flatten(1)
        scores: Tensor = self.fc2(self.dropout(F.relu(self.fc1(x))))
        return scores


class GoogLeNet(nn.Module):
    """Nine inception blocks for float32 images [N, 3, 224, 224]; gives scores [N, num_classes].

    ============  =============================================  ================
    stage         what                                           shape after
    ============  =============================================  ================
    conv1         7x7, stride 2, padding 3                       64 x 112 x 112
    maxpool1      3x3, stride 2, then LRN                        64 x 56 x 56
    conv2         1x1                                            64 x 56 x 56
    conv3         3x3, padding 1, then LRN                       192 x 56 x 56
    maxpool2      3x3, stride 2                                  192 x 28 x 28
    inception3a   64 + 128 + 32 + 32                             256 x 28 x 28
    inception3b   128 + 192 + 96 + 64                            480 x 28 x 28
    maxpool3      3x3, stride 2                                  480 x 14 x 14
    inception4a   192 + 208 + 48 + 64; aux1 looks here           512 x 14 x 14
    inception4b   160 + 224 + 64 + 64                            512 x 14 x 14
    inception4c   128 + 256 + 64 + 64                            512 x 14 x 14
    inception4d   112 + 288 + 64 + 64; aux2 looks here           528 x 14 x 14
    inception4e   256 + 320 + 128 + 128                          832 x 14 x 14
    maxpool4      3x3, stride 2                                  832 x 7 x 7
    inception5a   256 + 320 + 128 + 128                          832 x 7 x 7
    inception5b   384 + 384 + 128 + 128                          1024 x 7 x 7
    avgpool       mean of each map: 49 times fewer values        1024
    fc            dropout 0.4                                    num_classes
    ============  =============================================  ================

    6,998,552 parameters without the two auxiliary heads, 1.583 G multiply-adds. With them, in training, the
    forward pass gives a `GoogLeNetOutputs`; `googlenet_loss` weighs it.
    All layers start with variance 2 / fan-in (He et al. 2015; the paper does not say how its did).

    torchvision=True gives torchvision's variant, 6,624,904 parameters (13,004,888 with the heads), whose
    weights load by name: batch normalisation (epsilon 0.001) instead of biases and LRN, 3x3 for the 5x5 of
    the third branch, 2x2 for maxpool4, dropout 0.2.

    Images want 47 x 47 at least, torchvision's 31 x 31; with small=True 12 x 12 and 8 x 8.

    Args:
        num_classes: how many scores.
        aux_logits: have the auxiliary heads. They are passed over in eval mode.
        torchvision: see above.
        transform_input: the image was normalised by ImageNet's means and deviations; undo it to 0.5 and 0.5
            (what torchvision's published weights want).
        dropout, dropout_aux: the shares of units dropped (default: 0.4, torchvision 0.2; 0.7).
        small: for pictures of about 32 x 32: the first convolution is 3x3 with stride 1, without maxpool1.
        width: factor of all numbers of maps.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        *,
        torchvision: bool = False,
        dropout: float | None = None,
        dropout_aux: float = 0.7,
        small: bool = False,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        checked_classes("googlenet", num_classes)
        self.aux_logits, self.transform_input = aux_logits, transform_input
        n64, n192 = scaled(64, width), scaled(192, width)

        def conv(before: int, maps: int, kernel: int, stride: int = 1) -> nn.Module:
            return BasicConv2d(before, maps, kernel, stride=stride, batch_norm=torchvision)

        def lrn() -> nn.Module:
            return nn.Identity() if torchvision else nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)

        def pool(kernel: int = 3) -> nn.Module:
            return nn.MaxPool2d(kernel, 2, ceil_mode=True)

        self.conv1 = conv(3, n64, 3) if small else conv(3, n64, 7, 2)
        self.maxpool1 = nn.Identity() if small else pool()
        self.norm1 = lrn()
        self.conv2 = conv(n64, n64, 1)
        self.conv3 = conv(n64, n192, 3)
        self.norm2 = lrn()
        self.maxpool2 = pool()
        before = n192
        seen: dict[str, int] = {}
        for name, published in TABLE.items():
            row = tuple(scaled(maps, width) for maps in published)
            block = Inception(before, row, batch_norm=torchvision, third=3 if torchvision else 5)
            setattr(self, f"inception{name}", block)
            before = seen[name] = row[0] + row[2] + row[4] + row[5]
        self.maxpool3 = pool()
        self.maxpool4 = pool(2 if torchvision else 3)
        self.aux1 = self.aux2 = None
        if aux_logits:
            self.aux1, self.aux2 = (
                InceptionAux(
                    seen[name],
                    num_classes,
                    batch_norm=torchvision,
                    dropout=dropout_aux,
                    width=width,
                    adaptive=torchvision,
                )
                for name in ("4a", "4d")
            )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout((0.2 if torchvision else 0.4) if dropout is None else dropout)
        self.fc = nn.Linear(before, num_classes)
        he_init_(self)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """Images [N, 3, H, W] to scores [N, num_classes]; in training with auxiliary heads to all three."""
        if self.transform_input:
            mean, std = (
                x.new_tensor(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
            )
            x = (x * std + mean - 0.5) / 0.5
        x = self.norm1(self.maxpool1(self.conv1(x)))
        x = self.maxpool2(self.norm2(self.conv3(self.conv2(x))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = first = self.inception4a(x)
        x = second = self.inception4d(self.inception4c(self.inception4b(x)))
        x = self.maxpool4(self.inception4e(x))
        x = self.avgpool(self.inception5b(self.inception5a(x))).flatten(1)
        scores: Tensor = self.fc(self.dropout(x))
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return GoogLeNetOutputs(scores, self.aux2(second), self.aux1(first))
        return scores


def googlenet_loss(output: Tensor | GoogLeNetOutputs, target: Tensor, aux_weight: float = 0.3) -> Tensor:
    """Cross-entropy of the scores, and of the auxiliary heads', each times 0.3 (the paper, section 5)."""
    if isinstance(output, Tensor):
        return F.cross_entropy(output, target)
    first, second = (F.cross_entropy(scores, target) for scores in (output.aux_logits1, output.aux_logits2))
    return F.cross_entropy(output.logits, target) + (first + second) * aux_weight


def googlenet(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> GoogLeNet:
    """GoogLeNet by the published table; `options` are those of `GoogLeNet`."""
    return finished(GoogLeNet(num_classes, **options), weights)


def googlenet_torchvision(num_classes: int = 1000, *, weights: Weights = None, **options: Any) -> GoogLeNet:
    """torchvision's GoogLeNet, which loads its weights; `options` are those of `GoogLeNet`."""
    return finished(GoogLeNet(num_classes, torchvision=True, **options), weights)
