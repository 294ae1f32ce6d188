"""LeNet-5 in its modern form.

LeCun, Bottou, Bengio, Haffner: "Gradient-based learning applied to document recognition", Proc. IEEE, 1998.
http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf
"""

from __future__ import annotations

from collections import OrderedDict

from markone import nn
from markone.models.common import Weights, checked_classes, finished
from markone.tensor import Tensor

__all__ = ["LeNet5", "lenet5"]


class LeNet5(nn.Module):
    """The layers of the paper's figure 2, for float32 images [N, 1, 28, 28]; gives scores [N, num_classes].

    ======  =================================  ==============  ==========
    layer   what                               shape after     parameters
    ======  =================================  ==============  ==========
    input   28x28, padded to 32x32 inside C1   1 x 28 x 28
    C1      convolution 5x5, padding 2, ReLU   6 x 28 x 28            156
    S2      max pool 2x2                       6 x 14 x 14              0
    C3      convolution 5x5, ReLU              16 x 10 x 10         2,416
    S4      max pool 2x2                       16 x 5 x 5               0
    C5      linear from 400, ReLU              120                 48,120
    F6      linear, ReLU                       84                  10,164
    output  linear                             num_classes            850
    ======  =================================  ==============  ==========

    61,706 parameters with 10 classes. What differs from 1998: ReLU for the scaled tanh, max pooling for the
    trainable sub-sampling, every map of S2 seen by every map of C3, scores for softmax-cross-entropy instead
    of the RBF output, and the margin of the 32x32 input is made by C1's padding.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        checked_classes("lenet5", num_classes)
        self.features = nn.Sequential(
            OrderedDict(
                c1=nn.Conv2d(1, 6, 5, padding=2),  # N x 6 x 28 x 28
                relu1=nn.ReLU(),
                s2=nn.MaxPool2d(2),  # N x 6 x 14 x 14
                c3=nn.Conv2d(6, 16, 5),  # N x 16 x 10 x 10
                relu3=nn.ReLU(),
                s4=nn.MaxPool2d(2),  # N x 16 x 5 x 5
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),  # N x 400
                c5=nn.Linear(16 * 5 * 5, 120),
                relu5=nn.ReLU(),
                f6=nn.Linear(120, 84),
                relu6=nn.ReLU(),
                output=nn.Linear(84, num_classes),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, 1, 28, 28] to scores [N, num_classes]."""
        if tuple(x.shape[1:]) != (1, 28, 28):
            raise ValueError(f"lenet5: input has shape {list(x.shape)}, wants [N, 1, 28, 28]")
        scores: Tensor = self.classifier(self.features(x))
        return scores


def lenet5(num_classes: int = 10, *, weights: Weights = None) -> LeNet5:
    """LeNet-5 in its modern form; weights start as PyTorch's do, or come from a safetensors file."""
    return finished(LeNet5(num_classes), weights)
