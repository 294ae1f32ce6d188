"""Linear maps and convolutions."""

from ...ops.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from ...ops.matmul import bilinear, linear
from ...ops.padding import locally_connected1d, locally_connected2d

__all__ = [
    "bilinear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "linear",
    "locally_connected1d",
    "locally_connected2d",
]
