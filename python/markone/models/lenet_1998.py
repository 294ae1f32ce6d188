"""LeNet-5 as it was published.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: "Gradient-based learning applied to document recognition", Proc.
IEEE 86(11), 1998, section II.B.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from markone import nn
from markone.models.common import Weights, checked_classes, finished
from markone.nn import functional as F
from markone.nn.parameter import Parameter
from markone.ops import cat, empty, from_numpy, full, index_select, logsumexp, tanh
from markone.tensor import Tensor

__all__ = ["LeNet5Original", "lenet5_1998", "lenet5_loss"]

# Table I: the maps of S2 that each map of C3 sees.
C3_SEES = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip

# What the output units compare F6 with: stylised digits of 7 x 12, drawn for markone (the paper's figure 3
# shows its own).
DIGITS = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...##..  ..###..  .#####.  ....##.  #######  ..####.  #######  .#####.  .#####.
.##.##.  ..###..  .##.##.  ##...##  ...###.  ##.....  .##....  #....##  ##...##  ##...##
##...##  .####..  ##...##  .....##  ..####.  ##.....  ##.....  .....##  ##...##  ##...##
##...##  ...##..  .....##  .....##  .##.##.  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  .....##  ...###.  ##..##.  ######.  ######.  ....##.  .#####.  ##..###
##...##  ...##..  ....##.  .....##  ##..##.  .....##  ##...##  ...##..  ##...##  .#####.
##...##  ...##..  ...##..  .....##  #######  .....##  ##...##  ...##..  ##...##  .....##
##...##  ...##..  ..##...  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...##..  .##....  ##...##  ....##.  ##...##  ##...##  ..##...  ##...##  ....##.
..###..  .######  #######  .#####.  ....##.  .#####.  .#####.  ..##...  .#####.  .####..
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""


def bitmaps() -> np.ndarray:
    """`DIGITS` as float32 [10, 84]: +1 where there is ink, -1 elsewhere."""
    rows = [line.split() for line in DIGITS.strip().splitlines()]
    ink = np.array([[[pixel == "#" for pixel in row[digit]] for row in rows] for digit in range(10)])
    return np.where(ink, 1, -1).reshape(10, 84).astype(np.float32)


def codes(num_classes: int) -> np.ndarray:
    """What F6 is to say for each class, float32 [num_classes, 84] of ±1: for ten the drawn digits.

    Other numbers of classes have no drawings: their codes are drawn by lot, always the same, which section
    II.B names as the other way.
    """
    if num_classes == 10:
        return bitmaps()
    lot = np.random.default_rng(1998).random((num_classes, 84))
    return np.where(lot < 0.5, -1, 1).astype(np.float32)


class Squash(nn.Module):
    """A tanh(S a) with A = 1.7159 and S = 2/3, which is ±1 at ±1 (the paper's appendix A)."""

    def forward(self, a: Tensor) -> Tensor:
        return tanh(a * (2.0 / 3.0)) * 1.7159


class Subsampling(nn.Module):
    """The sum of each 2x2 window times the map's coefficient, plus its bias; two parameters a map.

    Shape: x [N, maps, H, W] → y [N, maps, H / 2, W / 2].
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.weight = Parameter(empty(maps))
        self.bias = Parameter(empty(maps))
        start_(self.weight, 4)
        start_(self.bias, 4)

    def forward(self, x: Tensor) -> Tensor:
        sums = F.avg_pool2d(x, 2) * 4.0
        return sums * self.weight.reshape(1, -1, 1, 1) + self.bias.reshape(1, -1, 1, 1)


class PartialConv2d(nn.Module):
    """A convolution in which map o sees only the maps `sees[o]` of the input; it has kernels for these alone.

    Shape: x [N, before, H, W] → y [N, len(sees), H - kernel + 1, W - kernel + 1]; weight [connections,
    kernel, kernel], in the order of `sees`; bias [len(sees)].
    """

    def __init__(self, before: int, sees: tuple[tuple[int, ...], ...], kernel: int) -> None:
        super().__init__()
        self.before, self.maps, self.kernel = before, len(sees), kernel
        connections = [(o, i) for o, inputs in enumerate(sees) for i in inputs]
        # Where the dense kernel [maps, before] finds its planes: in the weight, or in the zeros after it.
        place = np.full((self.maps, before), len(connections))
        for n, connection in enumerate(connections):
            place[connection] = n
        self.register_buffer("place", from_numpy(place.reshape(-1).astype(np.int64)), persistent=False)
        self.weight = Parameter(empty(len(connections), kernel, kernel))
        self.bias = Parameter(empty(self.maps))
        for o, inputs in enumerate(sees):
            fan_in = len(inputs) * kernel * kernel
            first = connections.index((o, inputs[0]))
            start_(self.weight[first : first + len(inputs)], fan_in)
            start_(self.bias[o : o + 1], fan_in)

    def forward(self, x: Tensor) -> Tensor:
        k = self.kernel
        planes = F.pad(self.weight, (0, 0, 0, 0, 0, 1))
        dense = index_select(planes, 0, self.place).reshape(self.maps, self.before, k, k)
        return F.conv2d(x, dense, self.bias)

    def extra_repr(self) -> str:
        return f"{self.before}, {self.maps}, kernel_size={self.kernel}, connections={len(self.weight)}"


class RBF(nn.Module):
    """Squared distances of each row to the prototypes: y_c = sum over i of (x_i - w_ci)² (equation 7).

    Shape: x [N, 84] → y [N, classes]. The prototypes are a buffer: chosen by hand, not learnt.
    """

    prototypes: Tensor

    def __init__(self, prototypes: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("prototypes", from_numpy(prototypes))

    def forward(self, x: Tensor) -> Tensor:
        return ((x.unsqueeze(1) - self.prototypes.unsqueeze(0)) ** 2).sum(2)


def start_(parameter: Tensor, fan_in: int) -> None:
    """Uniform in ±2.4 / fan-in (the paper's appendix A)."""
    nn.init.uniform_(parameter, -2.4 / fan_in, 2.4 / fan_in)


class LeNet5Original(nn.Module):
    """The network of figure 2 for float32 images [N, 1, 32, 32]; gives negative distances [N, classes].

    ======  ==========================================  ============  ==========  ===========
    layer   what                                        shape after   parameters  connections
    ======  ==========================================  ============  ==========  ===========
    C1      convolution 5x5                             6 x 28 x 28          156      122,304
    S2      2x2 sums, coefficient, bias, squash         6 x 14 x 14           12        5,880
    C3      convolution 5x5, partial (table I)          16 x 10 x 10       1,516      151,600
    S4      2x2 sums, coefficient, bias, squash         16 x 5 x 5            32        2,000
    C5      convolution 5x5, squash                     120 x 1 x 1       48,120       48,120
    F6      full, squash                                84                10,164       10,164
    output  squared distance to each class's code       10                     0          840
    ======  ==========================================  ============  ==========  ===========

    60,000 trainable parameters. The codes of ten classes are digits drawn in 7 x 12, see `codes`. Images of
    28 x 28 get a margin of two pixels, -0.1, the paper's background
    (its ink is 1.175, so that mean and deviation are about 0 and 1).

    The largest score is the nearest prototype. `lenet5_loss` is the paper's criterion; softmax-cross-entropy
    of the scores is the same without its constant j.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        checked_classes("lenet5_1998", num_classes)
        c1 = nn.Conv2d(1, 6, 5)
        c5 = nn.Conv2d(16, 120, 5)
        f6 = nn.Linear(120, 84)
        for layer, fan_in in ((c1, 25), (c5, 400), (f6, 120)):
            start_(layer.weight, fan_in)
            assert layer.bias is not None
            start_(layer.bias, fan_in)
        self.features = nn.Sequential(
            OrderedDict(
                c1=c1,  # N x 6 x 28 x 28
                s2=Subsampling(6),  # N x 6 x 14 x 14
                squash2=Squash(),
                c3=PartialConv2d(6, C3_SEES, 5),  # N x 16 x 10 x 10
                s4=Subsampling(16),  # N x 16 x 5 x 5
                squash4=Squash(),
                c5=c5,  # N x 120 x 1 x 1
                squash5=Squash(),
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict(flatten=nn.Flatten(), f6=f6, squash6=Squash(), output=RBF(codes(num_classes)))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 1, 32, 32] or [N, 1, 28, 28] to scores [N, num_classes]."""
        if tuple(x.shape[1:]) == (1, 28, 28):
            x = F.pad(x, (2, 2, 2, 2), value=-0.1)
        if tuple(x.shape[1:]) != (1, 32, 32):
            raise ValueError(
                f"lenet5_1998: input has shape {list(x.shape)}, wants [N, 1, 32, 32] or [N, 1, 28, 28]"
            )
        distances: Tensor = self.classifier(self.features(x))
        return -distances


def lenet5_loss(scores: Tensor, target: Tensor, j: float = 10.0) -> Tensor:
    """The mean of y_t + log(e^-j + sum over i of e^-y_i), y the distances, -scores (equation 9).

    The constant keeps what is far from every class from being pushed further. The paper calls j positive; its
    value is ours.
    """
    right = F.nll_loss(scores, target)  # the mean of y_t
    garbage = full((len(scores), 1), -j, dtype=scores.dtype)
    return right + logsumexp(cat([garbage, scores], 1), 1).mean()


def lenet5_1998(num_classes: int = 10, *, weights: Weights = None) -> LeNet5Original:
    """LeNet-5 in its original form; see `LeNet5Original`."""
    return finished(LeNet5Original(num_classes), weights)
